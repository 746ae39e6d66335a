// SPDX-License-Identifier: Apache-2.0
// What a LUN holds that nobody has used: a target may have ten thousand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createTarget, nothing } from 'lunkit/target'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const KIB = 1024
const LUNS = 1000
/** Bytes of the heap and of buffers beside it that a LUN may hold. */
const MOST = 10 * KIB

function held(): number {
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

test('a LUN that nobody uses holds little', async t => {
  const open = (count: number) => createTarget({ luns: Array.from({ length: count }, () => nothing('1T')) })
  // What the first LUN makes is for all.
  await (await open(1)).close()
  const before = held()
  const target = await open(LUNS)
  try {
    const bytes = Math.round((held() - before) / LUNS)
    t.diagnostic(`${bytes} bytes`)
    assert.ok(bytes > 0 && bytes < MOST, `${bytes} bytes a LUN`)
  } finally {
    await target.close()
  }
})
