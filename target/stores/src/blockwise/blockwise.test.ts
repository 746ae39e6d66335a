// SPDX-License-Identifier: Apache-2.0
// Bytes made of blocks: nothing beside them is lost, nobody waits for ever, aborted ones leave, and the stack stays flat.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { MemoryStore } from '../memory/store.ts'
import { type BlockCalls, Blockwise } from './blockwise.ts'
import { type Holder, RangeLocks } from './range-locks.ts'

const BLOCK = 4096

/** Blocks in memory, each request answered when the test says so; proves that none is of half a block. */
class Slow implements BlockCalls {
  readonly size: number
  readonly memory: MemoryStore
  readonly waiting: (() => void)[] = []
  readonly calls: string[] = []
  aborts = 0
  constructor(size: number) {
    this.size = size
    this.memory = new MemoryStore(size)
  }
  readBlocks(io: StoreIo): void {
    this.#take('read', io, () => this.memory.read(io))
  }
  writeBlocks(io: StoreIo): void {
    this.#take('write', io, () => this.memory.write(io))
  }
  abortBlocks(): void {
    this.aborts++
  }
  #take(call: string, io: StoreIo, act: () => void): void {
    assert.equal(io.offset % BLOCK, 0)
    assert.ok(io.length % BLOCK === 0 || io.offset + io.length === this.size)
    assert.equal(
      io.segments.reduce((sum, part) => sum + part.length, 0),
      io.length,
    )
    this.calls.push(`${call} ${io.offset}+${io.length}`)
    this.waiting.push(act)
  }
  go(): void {
    while (this.waiting.length > 0) this.waiting.shift()!()
  }
}

function exchangeOf(bytes: Blockwise, size: number): StoreExchange {
  const store = new MemoryStore(size)
  return new StoreExchange(
    Object.assign(store, {
      read: (io: StoreIo) => bytes.read(io),
      write: (io: StoreIo) => bytes.write(io),
      abort: (io: StoreIo) => void bytes.abort(io),
    }),
  )
}

test('writes to parts of one block keep each other, whole blocks go as they are', async () => {
  const slow = new Slow(10_000)
  const exchange = exchangeOf(new Blockwise(BLOCK, slow), slow.size)
  const all = [100, 200, 300, 8200, 9990].map(at => exchange.wrote(at, pattern(10, at)))
  all.push(exchange.wrote(4096, pattern(4096, 7), [5]))
  assert.deepEqual(slow.calls, ['read 0+4096', 'read 8192+1808', 'write 4096+4096'])
  slow.go()
  await Promise.all(all)
  const read = exchange.bytes(0, 10_000)
  slow.go()
  const whole = await read
  for (const at of [100, 200, 300, 8200, 9990]) {
    assert.ok(whole.subarray(at, at + 10).equals(pattern(10, at)), `${at}`)
  }
  assert.ok(whole.subarray(4096, 8192).equals(pattern(4096, 7)))
})

test('one that waits for its blocks and is aborted ends at once, and those behind it go on', async () => {
  const slow = new Slow(1 << 20)
  const bytes = new Blockwise(BLOCK, slow)
  const exchange = exchangeOf(bytes, slow.size)
  const first = exchange.write(0, pattern(BLOCK, 1))
  const io = exchange.io()
  Object.assign(io, { length: BLOCK, segments: [pattern(BLOCK, 2)] })
  const second = exchange.put('write', io)
  const third = exchange.write(0, pattern(BLOCK, 3))
  assert.equal(bytes.abort(io), true)
  assert.equal((await second).error, StoreError.aborted)
  assert.equal(bytes.abort(io), false, 'it has ended')
  assert.equal(slow.aborts, 0)
  slow.go()
  assert.equal((await first).error, StoreError.none)
  assert.equal((await third).error, StoreError.none)
  assert.equal(slow.calls.length, 2)
  assert.equal(bytes.running, 0)
})

test('one that is aborted between reading and writing back does not write', async () => {
  const slow = new Slow(1 << 20)
  const bytes = new Blockwise(BLOCK, slow)
  const exchange = exchangeOf(bytes, slow.size)
  const io = exchange.io()
  Object.assign(io, { offset: 1, length: 1, segments: [Buffer.of(1)] })
  const answer = exchange.put('write', io)
  bytes.abort(io)
  assert.equal(slow.aborts, 1)
  slow.go()
  assert.equal((await answer).error, StoreError.aborted)
  assert.deepEqual(slow.calls, ['read 0+4096'])
})

test('a thousand that wait for one block do not grow the stack', async () => {
  const memory = new MemoryStore(1 << 20)
  const calls: BlockCalls = { readBlocks: io => memory.read(io), writeBlocks: io => memory.write(io) }
  const held: (() => void)[] = []
  const bytes = new Blockwise(BLOCK, {
    ...calls,
    writeBlocks: io => (held.length === 0 ? void held.push(() => memory.write(io)) : memory.write(io)),
  })
  const exchange = exchangeOf(bytes, memory.size)
  const all = Array.from({ length: 5000 }, (_, i) => exchange.write(0, Buffer.alloc(BLOCK, i & 0xff)))
  held[0]!()
  for (const { error } of await Promise.all(all)) assert.equal(error, StoreError.none)
  assert.equal((await exchange.bytes(0, 1))[0], 4999 & 0xff, 'and they keep their order')
})

test('readers of a block run together; a writer that waits is not passed by later readers', () => {
  const locks = new RangeLocks()
  const went: string[] = []
  const holder = (name: string, from: number, to: number, exclusive: boolean): Holder => {
    const one = { from, to, exclusive, granted: false, go: () => void went.push(name) }
    locks.take(one)
    return one
  }
  const a = holder('read a', 0, 10, false)
  const b = holder('read b', 5, 15, false)
  const c = holder('write c', 8, 9, true)
  holder('read d', 8, 9, false)
  holder('write e', 20, 30, true)
  assert.deepEqual(went, ['read a', 'read b', 'write e'])
  locks.release(a)
  assert.equal(went.length, 3)
  locks.release(b)
  assert.deepEqual(went.slice(3), ['write c'])
  locks.release(c)
  assert.deepEqual(went.slice(4), ['read d'])
})
