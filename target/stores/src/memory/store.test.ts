// SPDX-License-Identifier: Apache-2.0
// The memory store against the contract, and what it costs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError, readParameters, StoreError } from '@lunkit/target-api'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore, store } from './store.ts'

const open = (size: string) => store.open(readParameters('memory', store.parameters, { size }))

storeSuite('memory', () => open('8M'))
storeSuite('memory of an odd size', () => open('1500001'))

test('a large memory store takes memory for what is written only, and gives it back', async () => {
  const opened = (await open('1T')) as MemoryStore
  const exchange = new StoreExchange(opened)
  assert.equal(opened.allocated, 0)
  const far = 2 ** 40 - 8192
  assert.ok((await exchange.bytes(far, 8192)).equals(Buffer.alloc(8192)))
  assert.equal(opened.allocated, 0)
  await exchange.wrote(far, pattern(8192, 1))
  await exchange.wrote(2 ** 33 + 5, pattern(100, 2))
  assert.ok((await exchange.bytes(far, 8192)).equals(pattern(8192, 1)))
  assert.ok(opened.allocated > 0 && opened.allocated < 2 ** 20)
  assert.equal((await exchange.range('discard', 512, 2 ** 40 - 1024)).error, StoreError.none)
  assert.equal(opened.allocated, 262144, 'only the last chunk, a block of which was kept')
  assert.ok((await exchange.bytes(2 ** 33, 4096)).equals(Buffer.alloc(4096)))
  const kept = await exchange.bytes(far, 8192)
  assert.ok(kept.subarray(0, 7680).equals(Buffer.alloc(7680)))
  assert.ok(kept.subarray(7680).equals(pattern(8192, 1).subarray(7680)))
  await exchange.close()
})

test('room is kept for what is anchored until it is written or given back', async () => {
  const opened = new MemoryStore(2 ** 26)
  const exchange = new StoreExchange(opened)
  const chunk = 262144
  await exchange.wrote(chunk, pattern(chunk, 1))
  assert.equal((await exchange.range('anchor', chunk / 2, 40 * chunk)).error, StoreError.none)
  assert.equal(opened.allocated, 41 * chunk)
  assert.deepEqual(await exchange.states(0, 2 ** 26), [
    ['anchored', 41 * chunk],
    ['hole', 2 ** 26 - 41 * chunk],
  ])
  assert.ok((await exchange.bytes(chunk, chunk)).equals(Buffer.alloc(chunk)))
  await exchange.wrote(2 * chunk, pattern(512, 2))
  assert.equal((await exchange.copy(opened, 2 * chunk, 4 * chunk, 512)).error, StoreError.none)
  assert.deepEqual(await exchange.states(0, 5 * chunk), [
    ['anchored', 2 * chunk],
    ['held', chunk],
    ['anchored', chunk],
    ['held', chunk],
  ])
  assert.equal((await exchange.range('discard', 0, 2 ** 26)).error, StoreError.none)
  assert.deepEqual([opened.allocated, await exchange.states(0, 2 ** 26)], [0, [['hole', 2 ** 26]]])
  await exchange.close()
})

test('a copy does not take for zeros what its source has lost meanwhile', async () => {
  const changes: ((source: MemoryStore) => Promise<void>)[] = [
    source => source.close(),
    source => source.resize(262144),
  ]
  for (const change of changes) {
    const length = 2 ** 24
    const source = new MemoryStore(length)
    await new StoreExchange(source).wrote(length - 4096, pattern(4096, 1))
    const exchange = new StoreExchange(new MemoryStore(length))
    const answer = exchange.copy(source, 0, 0, length)
    await change(source)
    assert.deepEqual(await answer, { error: StoreError.internal, failedAt: 2 ** 22 })
    await exchange.close()
  }
})

test('no memory for a write is no space, not a crash', async context => {
  const opened = new MemoryStore(2 ** 20)
  const exchange = new StoreExchange(opened)
  await exchange.wrote(0, pattern(4096, 1))
  const io = exchange.io()
  io.offset = 262144 - 4096
  io.length = 8192
  io.segments.push(pattern(8192, 2))
  context.mock.method(Buffer, 'alloc', () => {
    throw new RangeError('Array buffer allocation failed')
  })
  const answer = await exchange.put('write', io)
  context.mock.restoreAll()
  assert.deepEqual(answer, { error: StoreError.noSpace, failedAt: 262144 })
  assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 1)))
  await exchange.close()
})

test('sizes that are none are refused', async () => {
  for (const size of [0, -1, Number.NaN, 2 ** 60]) {
    await assert.rejects(
      store.open({ size }),
      (error: unknown) => error instanceof OperatorError && error.code === 'MEMORY_SIZE',
    )
  }
  assert.throws(() => readParameters('memory', store.parameters, {}), { code: 'PARAMETER_MISSING' })
})
