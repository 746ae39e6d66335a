// SPDX-License-Identifier: Apache-2.0
// The filter delay against the contract: requests wait, aborted ones are answered and not done.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { BufferPool, StoreError, Task } from '@lunkit/target-api'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter } from './filter.ts'

storeSuite('delay', () => filter.open(new MemoryStore(1 << 20), { delay: 1, jitter: 1 }))

async function delayed(t: TestContext, values: Record<string, number>) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const below = new StandInStore({ size: 1 << 20 })
  const exchange = new StoreExchange(await filter.open(below, values))
  return { below, exchange, tick: (ms: number) => t.mock.timers.tick(ms) }
}

test('each direction waits its own time', async t => {
  const { below, exchange, tick } = await delayed(t, { readdelay: 10, writedelay: 30 })
  const all = [exchange.read(0, 512), exchange.write(0, pattern(512, 1)), exchange.flush()]
  assert.deepEqual(below.takeCalls(), [])
  tick(10)
  assert.deepEqual(below.takeCalls(), ['read 0+512'])
  tick(19)
  assert.deepEqual(below.takeCalls(), [])
  tick(1)
  assert.deepEqual(below.takeCalls(), ['write 0+512', 'flush'])
  for (const { error } of await Promise.all(all)) assert.equal(error, StoreError.none)
  await exchange.close()
})

test('what has no delay does not wait', async t => {
  const { below, exchange } = await delayed(t, { writedelay: 30 })
  await exchange.read(0, 512)
  assert.deepEqual(below.takeCalls(), ['read 0+512'])
  await exchange.close()
})

test('a store that throws when the time has come ends the request, not the process', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const below = Object.assign(new MemoryStore(1 << 20), {
    read: () => {
      throw new Error('a fault of the store')
    },
  })
  const store = await filter.open(below, { delay: 10 })
  const faults: unknown[] = []
  const task = new Task(
    new BufferPool(),
    () => {},
    (_task, cause) => faults.push(cause),
  )
  Object.assign(task.io, { length: 512, segments: [Buffer.alloc(512)] })
  store.read(task.io)
  t.mock.timers.tick(10)
  assert.match(String(faults), /a fault of the store/)
  await store.close()
})

test('jitter stays within its bounds', async t => {
  const { below, exchange, tick } = await delayed(t, { delay: 10, jitter: 4 })
  const all = Array.from({ length: 200 }, () => exchange.read(0, 512))
  tick(5)
  assert.deepEqual(below.takeCalls(), [])
  tick(10)
  const calls = below.takeCalls()
  assert.equal(calls.length, 200)
  await Promise.all(all)
  await exchange.close()
})

test('what is aborted while it waits is answered, and never done', async t => {
  const { below, exchange, tick } = await delayed(t, { delay: 10 })
  const io = exchange.io()
  io.length = 512
  io.segments.push(pattern(512, 1))
  const answer = exchange.put('write', io)
  exchange.store.abort!(io)
  assert.equal((await answer).error, StoreError.aborted)
  exchange.store.abort!(io)
  tick(100)
  assert.deepEqual([below.takeCalls(), below.aborts], [[], 1], 'a second abort is passed on')
  await exchange.close()
})

test('times that make no sense are refused', async () => {
  for (const [values, code] of [
    [{}, 'DELAY_NONE'],
    [{ delay: 0, jitter: 5 }, 'DELAY_NONE'],
    [{ delay: 3_600_001 }, 'DELAY_LONG'],
    [{ delay: 1, jitter: 2 ** 40 }, 'DELAY_LONG'],
  ] as const) {
    await assert.rejects(filter.open(new MemoryStore(512), values), { name: 'OperatorError', code })
  }
})
