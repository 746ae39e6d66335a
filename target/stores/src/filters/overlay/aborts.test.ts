// SPDX-License-Identifier: Apache-2.0
// Requests to an overlay that are aborted, and stores below that hang, throw or fail: each ends once, and nobody else is held up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { MemoryStore } from '../../memory/store.ts'
import { ErrorStore } from '../error/filter.ts'
import { type Call, PassingStore } from '../passing.ts'
import { filter } from './filter.ts'

const MIB = 1 << 20

/** A write of one sector, as a device has it in hand. */
function writeOf(exchange: StoreExchange, offset: number): StoreIo {
  const io = exchange.io()
  io.task.nexus = {} as never
  io.offset = offset
  io.length = 512
  io.segments.push(Buffer.alloc(512, 7))
  return io
}

test('what is copied up from a store that hangs is aborted, and those that wait for its grain go on', async () => {
  const memory = new MemoryStore(MIB)
  const below = new ErrorStore(memory, ['drop:read:lba=0-7:count=1'], 512)
  const store = await filter.open(below, {})
  const exchange = new StoreExchange(store)
  const first = writeOf(exchange, 512)
  const hangs = exchange.put('write', first)
  const second = writeOf(exchange, 1024)
  const waits = exchange.put('write', second)
  const third = writeOf(exchange, 2048)
  const goesOn = exchange.put('write', third)
  store.abort!(second)
  assert.equal((await waits).error, StoreError.aborted)
  store.abort!(first)
  assert.equal((await hangs).error, StoreError.aborted)
  assert.equal((await goesOn).error, StoreError.none)
  const bytes = await exchange.bytes(0, 4096)
  assert.ok(bytes.subarray(0, 2048).equals(Buffer.alloc(2048)))
  assert.ok(bytes.subarray(2048, 2560).equals(Buffer.alloc(512, 7)))
  await exchange.close()
})

test('an abort after the answer, of a request that is used again, meets nobody else', async () => {
  const below = new ErrorStore(new MemoryStore(MIB), ['drop:read:lba=800:count=1'], 512)
  const store = await filter.open(below, {})
  const exchange = new StoreExchange(store)
  const io = writeOf(exchange, 0)
  assert.equal((await exchange.put('write', io)).error, StoreError.none)
  const other = writeOf(exchange, 800 * 512 + 512)
  const hangs = exchange.put('write', other)
  // What is read from below only is not the overlay's: the abort goes there, and finds nothing.
  store.abort!(io)
  store.abort!(other)
  assert.equal((await hangs).error, StoreError.aborted)
  await exchange.close()
})

test('requests wait while changes are exchanged, and can be aborted meanwhile', async () => {
  const below = new ErrorStore(new MemoryStore(MIB), ['delay:read:ms=60:count=1'], 512)
  const store = await filter.open(below, {})
  const exchange = new StoreExchange(store)
  const slow = exchange.write(512, pattern(512, 1))
  const reset = store.controls!['reset']!.run([], () => undefined)
  await Promise.resolve()
  const io = writeOf(exchange, 4096)
  const waits = exchange.put('write', io)
  const read = exchange.read(512, 512)
  store.abort!(io)
  assert.equal((await waits).error, StoreError.aborted)
  assert.equal((await slow).error, StoreError.none)
  assert.deepEqual(await reset, { discardedBytes: 0 })
  assert.ok((await read).bytes.equals(Buffer.alloc(512)), 'the write was thrown away before the read')
  await exchange.close()
})

test('a store below that throws harms the request alone', async () => {
  let throws: Call | null = null
  class Throwing extends PassingStore {
    protected override pass(call: Call, io: StoreIo): void {
      if (call === throws) throw new Error('no')
      super.pass(call, io)
    }
  }
  const store = await filter.open(new Throwing(new MemoryStore(MIB)), {})
  const exchange = new StoreExchange(store)
  throws = 'read'
  const io = writeOf(exchange, 512)
  assert.throws(() => void store.write(io), /no/)
  throws = null
  await exchange.wrote(1024, pattern(512, 2))
  assert.ok((await exchange.bytes(1024, 512)).equals(pattern(512, 2)))
  await exchange.close()
})
