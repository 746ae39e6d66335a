// SPDX-License-Identifier: Apache-2.0
// The filter throttle against the contract, and how much it lets pass in a made-up time.
import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import { type TestContext, test } from 'node:test'
import { BufferPool, StoreError, Task } from '@lunkit/target-api'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { Bucket } from './bucket.ts'
import { filter } from './filter.ts'

storeSuite('throttle', () => filter.open(new MemoryStore(1 << 20), { iops: 100_000, rate: 2 ** 32 }))

/** Time passes only in `tick`. */
async function throttled(t: TestContext, values: Record<string, number>) {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const below = new StandInStore({ size: 1 << 20 })
  const exchange = new StoreExchange(await filter.open(below, values))
  const tick = (ms: number): void => {
    for (let i = 0; i < ms; i++) {
      now++
      t.mock.timers.tick(1)
    }
  }
  return { below, exchange, tick, passed: () => below.takeCalls().length }
}

test('a tenth of a second is saved up, and then so many a second pass', async t => {
  const { exchange, tick, passed } = await throttled(t, { iops: 100 })
  const all = Array.from({ length: 120 }, (_, i) => exchange.read(512 * i, 512))
  assert.equal(passed(), 10)
  tick(100)
  assert.equal(passed(), 10)
  tick(1000)
  assert.equal(passed(), 100)
  for (const { error } of await Promise.all(all)) assert.equal(error, StoreError.none)
  await exchange.close()
})

test('a long request goes, and is paid for by those behind it', async t => {
  const { exchange, tick, passed } = await throttled(t, { rate: 65536 })
  const all = [0, 65536, 131072].map(offset => exchange.write(offset, pattern(65536, 1)))
  assert.equal(passed(), 1)
  tick(899)
  assert.equal(passed(), 0)
  tick(3)
  assert.equal(passed(), 1)
  tick(1002)
  assert.equal(passed(), 1)
  await Promise.all(all)
  await exchange.close()
})

test('a store that throws holds up nobody behind, at once or later', async t => {
  const { below, exchange, tick } = await throttled(t, { iops: 10 })
  const { read } = below
  const faults: unknown[] = []
  below.read = () => {
    throw new Error('a fault of the store')
  }
  for (let i = 0; i < 3; i++) {
    const task = new Task(
      new BufferPool(),
      () => {},
      (_task, cause) => faults.push(cause),
    )
    exchange.store.read(Object.assign(task.io, { length: 512, segments: [Buffer.alloc(512)] }))
  }
  assert.equal(faults.length, 1)
  tick(300)
  assert.equal(faults.length, 3)
  below.read = read
  const behind = exchange.read(0, 512)
  tick(200)
  assert.equal((await behind).error, StoreError.none)
  await exchange.close()
})

test('reads do not wait behind writes, and both for what they share', async t => {
  const { below, exchange, tick } = await throttled(t, { writeiops: 10, iops: 100 })
  const writes = Array.from({ length: 4 }, () => exchange.write(0, pattern(512, 1)))
  const reads = Array.from({ length: 12 }, () => exchange.read(512, 512))
  assert.equal(below.takeCalls().length, 10, 'a write and nine reads')
  tick(1000)
  await Promise.all([...writes, ...reads])
  await exchange.close()
})

test('what is aborted while it waits is answered, and never done', async t => {
  const { below, exchange, tick } = await throttled(t, { iops: 10 })
  await exchange.read(0, 512)
  const io = exchange.io()
  io.offset = 4096
  io.length = 512
  io.segments.push(Buffer.alloc(512))
  const answer = exchange.put('read', io)
  const behind = exchange.read(8192, 512)
  exchange.store.abort!(io)
  assert.equal((await answer).error, StoreError.aborted)
  tick(200)
  await behind
  assert.deepEqual(below.takeCalls(), ['read 0+512', 'read 8192+512'])
  await exchange.close()
})

test('other rates hold at once, for those that wait as well', async t => {
  const { exchange, tick, passed } = await throttled(t, { iops: 10 })
  const { run } = exchange.store.controls!['rates']!
  const rates = (...words: string[]) => run(words, () => {})
  const all = Array.from({ length: 30 }, () => exchange.read(0, 512))
  assert.equal(passed(), 1)
  assert.deepEqual(await rates('iops=100', 'rate=1M'), { iops: 100, rate: 1 << 20 })
  assert.equal(passed(), 10)
  tick(49)
  assert.equal(passed(), 5)
  for (const word of ['iops=0', 'speed=3', 'iops', 'iops=fast']) await assert.rejects(rates(word))
  assert.deepEqual(await rates(), { iops: 100, rate: 1 << 20 })
  assert.deepEqual(await rates('none'), {})
  assert.equal(passed(), 14)
  await Promise.all(all)
  await exchange.close()
})

test('no timer is left behind requests that were aborted', async () => {
  const exchange = new StoreExchange(await filter.open(new MemoryStore(1 << 20), { rate: 1 }))
  const timers = (): number => process.getActiveResourcesInfo().filter(one => one === 'Timeout').length
  const before = timers()
  await exchange.read(0, 65_536)
  const waiting = [0, 512].map(offset => {
    const io = exchange.io()
    Object.assign(io, { offset, length: 512, segments: [Buffer.alloc(512)] })
    return { io, answer: exchange.put('read', io) }
  })
  assert.equal(timers(), before + 1)
  for (const { io } of waiting) exchange.store.abort!(io)
  for (const { answer } of waiting) assert.equal((await answer).error, StoreError.aborted)
  assert.equal(timers(), before)
  await exchange.close()
})

test('no wait is longer than a timer can be', () => {
  const bucket = new Bucket(1, 0)
  bucket.take(2 ** 24)
  assert.equal(bucket.wait(0), 2 ** 31 - 1)
})

test('no limit, and limits of nothing, are refused', async () => {
  for (const values of [{}, { iops: 0 }, { rate: 10, writerate: 0 }]) {
    await assert.rejects(filter.open(new MemoryStore(512), values), {
      name: 'OperatorError',
      code: 'THROTTLE_NONE',
    })
  }
})
