// SPDX-License-Identifier: Apache-2.0
// The storage of docs/cookbook/own-storage.md keeps the contract, and the command line serves it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fromObject } from '@lunkit/target-stores/object'
import { storeSuite } from '@lunkit/testing'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { serve } from '@lunkit/testing/kit/serve-process.ts'
import { connect } from 'lunkit/initiator'
import { joined } from './joined.ts'

/** Paths of files of these lengths. */
async function files(context: Parameters<typeof scratch>[0], ...lengths: number[]): Promise<string[]> {
  const folder = await scratch(context)
  return lengths.map((length, at) => {
    const path = join(folder, `${at}.img`)
    writeFileSync(path, '')
    truncateSync(path, length)
    return path
  })
}

storeSuite('files one behind the other', async context =>
  fromObject(await joined(await files(context, 400_000, 300_544, 512, 1 << 20))),
)

test('lunkit serve object: serves it', async context => {
  const paths = await files(context, 1 << 20, 1 << 20)
  const target = await serve([`object:${join(import.meta.dirname, 'joined.ts')}`], { PARTS: paths.join(':') })
  context.after(() => target.stop())
  await using disk = await connect(target.ready.luns[0]!.url)
  const data = randomBytes(4096)
  await disk.write(2044, data)
  await disk.flush()
  assert.deepEqual(readFileSync(paths[0]!).subarray(-2048), data.subarray(0, 2048))
  assert.deepEqual(readFileSync(paths[1]!).subarray(0, 2048), data.subarray(2048))
})
