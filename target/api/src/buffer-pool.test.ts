// SPDX-License-Identifier: Apache-2.0
// Buffers that are given back are used again, and above what the pool keeps their memory goes at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool } from './buffer-pool.ts'

test('a pool keeps so many bytes, and lets go of the rest', () => {
  const pool = new BufferPool(16384)
  const [first, second] = [pool.take(10_000), pool.take(10_000)]
  assert.deepEqual([first.size, second.size], [16384, 16384])
  pool.give(first)
  pool.give(second)
  assert.equal(second.whole.length, 0)
  assert.equal(pool.take(10_000), first)
  assert.ok(pool.take(10_000).whole.length > 16384, 'a new one')
})
