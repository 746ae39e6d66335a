// SPDX-License-Identifier: Apache-2.0
// Example: a disk for one test, gone at its end; docs/cookbook/in-tests.md shows it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { createTarget, memory } from 'lunkit/target'

test('what is written is read', async () => {
  await using target = await createTarget({ luns: [memory('64M')] })
  await using disk = await connect(target.url)
  await disk.write(8, Buffer.alloc(4096, 0xab))
  assert.deepEqual(await disk.read(8, 8), Buffer.alloc(4096, 0xab))
})
