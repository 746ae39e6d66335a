// SPDX-License-Identifier: Apache-2.0
// The filter cache against the contract: what it keeps, what it forgets, and how much memory it takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter } from './filter.ts'

const KIB = 1024

storeSuite('cache', () => filter.open(new MemoryStore(8 << 20), { cachesize: 1 << 20 }))
storeSuite('cache that holds all', () => filter.open(new MemoryStore(2 << 20), {}))
storeSuite('cache of an odd size', () => filter.open(new MemoryStore(1_500_001), { cachesize: 65536 }))

async function cached(cachesize = 1 << 20) {
  const below = new StandInStore({ size: 1 << 22, maps: true, later: true })
  return { below, exchange: new StoreExchange(await filter.open(below, { cachesize })) }
}

test('what was read or written once is not read again', async () => {
  const { below, exchange } = await cached()
  const first = await exchange.bytes(512, 512)
  assert.deepEqual(below.takeCalls(), ['read 0+4096'])
  assert.ok((await exchange.bytes(512, 100, 412)).equals(first))
  await exchange.bytes(0, 4096)
  assert.deepEqual(below.takeCalls(), [])
  await exchange.wrote(8192, pattern(4096, 1), [100], true)
  assert.deepEqual(below.takeCalls(), ['write 8192+4096 fua'], 'a write goes through, as it came')
  assert.ok((await exchange.bytes(8192, 4096)).equals(pattern(4096, 1)))
  assert.deepEqual(below.takeCalls(), [])
  await exchange.bytes(4096, 8192)
  assert.deepEqual(below.takeCalls(), ['read 4096+8192'], 'what is there in part is read whole')
  await exchange.close()
})

test('a write that failed is forgotten, not served', async () => {
  const { below, exchange } = await cached()
  await exchange.bytes(0, 4096)
  below.failNext('write', StoreError.medium)
  assert.equal((await exchange.write(0, pattern(4096, 1))).error, StoreError.medium)
  below.takeCalls()
  await exchange.bytes(0, 4096)
  assert.deepEqual(below.takeCalls(), ['read 0+4096'])
  below.failNext('read', StoreError.medium)
  assert.equal((await exchange.read(65536, 4096)).error, StoreError.medium)
  await exchange.bytes(65536, 4096)
  assert.deepEqual(below.takeCalls(), ['read 65536+4096', 'read 65536+4096'])
  await exchange.close()
})

test('what is given back is read as the store below reads it', async () => {
  const { below, exchange } = await cached()
  await exchange.wrote(0, pattern(16384, 1))
  for (const call of ['discard', 'writeZeroes', 'anchor'] as const) {
    await exchange.wrote(4096, pattern(4096, 2))
    assert.equal((await exchange.range(call, 4096, 4096)).error, StoreError.none)
    below.takeCalls()
    assert.ok((await exchange.bytes(4096, 4096)).equals(Buffer.alloc(4096)))
    assert.deepEqual(below.takeCalls(), ['read 4096+4096'])
  }
  await exchange.close()
})

test('it keeps no more than it may, and drops what nobody wants', async () => {
  const { below, exchange } = await cached(64 * KIB)
  for (let i = 0; i < 16; i++) await exchange.bytes(i * 4096, 4096)
  await exchange.bytes(0, 4096)
  await exchange.bytes(16 * 4096, 4096)
  below.takeCalls()
  await exchange.bytes(0, 4096)
  await exchange.bytes(4096, 4096)
  assert.deepEqual(below.takeCalls(), ['read 4096+4096'], 'the second was wanted longest ago')
  await exchange.bytes(0, 64 * KIB)
  below.takeCalls()
  await exchange.bytes(8 * 4096, 4096)
  assert.deepEqual(below.takeCalls(), ['read 32768+4096'], 'a long read is not kept')
  await exchange.close()
})

test('another size forgets everything', async () => {
  const below = new MemoryStore(1 << 20)
  const exchange = new StoreExchange(await filter.open(below, {}))
  await exchange.wrote(0, pattern(4096, 1))
  const behind = new StoreExchange(below)
  await behind.wrote(0, pattern(4096, 2))
  assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 1)), 'nobody told')
  await exchange.store.resize!(2 << 20)
  assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 2)))
  await exchange.close()
})

test('a short last block that was asked for before the storage grew is not kept', async () => {
  const waiting: (() => void)[] = []
  class Slow extends MemoryStore {
    override read(io: StoreIo): void {
      waiting.push(() => super.read(io))
    }
  }
  const below = new Slow((1 << 20) + 512)
  const exchange = new StoreExchange(await filter.open(below, {}))
  const short = exchange.bytes(1 << 20, 512)
  await exchange.store.resize!((1 << 20) + 4096)
  await new StoreExchange(below).wrote(1 << 20, pattern(4096, 1))
  waiting.shift()!()
  await short
  const whole = exchange.bytes(1 << 20, 4096)
  waiting.shift()?.()
  assert.ok((await whole).equals(pattern(4096, 1)))
  await exchange.close()
})

test('too little memory, and storage of each initiator, are refused', async () => {
  const memory = new MemoryStore(1 << 20)
  await assert.rejects(filter.open(memory, { cachesize: 4096 }), { code: 'CACHE_SIZE' })
  const own = Object.assign(new MemoryStore(1 << 20), { perNexus: true })
  await assert.rejects(filter.open(own, {}), { code: 'CACHE_SHARED' })
})
