// SPDX-License-Identifier: Apache-2.0
// The contract of stores that take room for what is written only: giving back, maps, usage, other sizes, copies.
import assert from 'node:assert/strict'
import { OperatorError, StoreError } from '@lunkit/target-api'
import { pattern, type StoreExchange } from './store-exchange.ts'
import type { Case } from './store-suite.ts'

const MIB = 1048576

function spaceCase(title: string, writes: boolean, run: Case['run']): Case {
  return { title, writes, run }
}

async function discarded(exchange: StoreExchange, offset: number, length: number): Promise<void> {
  const { error } = await exchange.range('discard', offset, length)
  assert.equal(error, StoreError.none, `discard of ${length} at ${offset}`)
}

export const spaceCases: readonly Case[] = [
  spaceCase('tells how it gives room back', false, async ({ store }) => {
    const { discardGranularity: least } = store
    if (least !== undefined) assert.ok(least >= 1 && Number.isInteger(Math.log2(least)), `${least}`)
    const usage = (await store.usage?.()) ?? null
    if (usage === null) return
    assert.ok(usage.used >= 0 && usage.available >= 0, JSON.stringify(usage))
  }),
  spaceCase('reads zeros where it was told to discard, if it says so', true, async (exchange, forgets) => {
    const { store } = exchange
    if (store.discards !== 'native' || store.discardedReadsZero !== true) return
    const data = pattern(MIB, 20)
    await exchange.wrote(0, data)
    for (const [offset, length] of [
      [0, 0],
      [4096, 4096],
      [65536 + 512, 512],
      [100_000, 1],
      [262144 - 512, 262144 + 1024],
    ] as const) {
      await discarded(exchange, offset, length)
      data.fill(0, offset, offset + length)
    }
    assert.equal((await exchange.flush()).error, StoreError.none)
    assert.ok((await exchange.bytes(0, MIB)).equals(forgets ? Buffer.alloc(MIB) : data))
    await exchange.wrote(4096, pattern(512, 21))
    const again = await exchange.bytes(4096, 1024)
    assert.ok(again.subarray(512).equals(Buffer.alloc(512)), 'what is beside a later write stays zero')
  }),
  spaceCase('maps every byte, the first and the last ones too', false, async exchange => {
    const { store } = exchange
    if (store.map === undefined) return
    const { size } = store
    for (const [offset, length] of [
      [0, size],
      [0, 1],
      [size - 1, 1],
      [513, size - 513],
    ] as const) {
      const runs = await exchange.map(offset, length)
      assert.equal(
        runs.reduce((sum, run) => sum + run[1], 0),
        length,
      )
    }
    const io = exchange.io()
    io.offset = size
    io.length = 512
    assert.notEqual((await exchange.put('map', io)).error, StoreError.none, 'there is nothing beyond the end')
  }),
  spaceCase('maps what was written as held, and what is not held reads zeros', true, async exchange => {
    const { store } = exchange
    if (store.map === undefined) return
    const unit = Math.max(store.discardGranularity ?? store.preferredBlock, 4096)
    await exchange.wrote(unit, pattern(unit, 22))
    await exchange.wrote(MIB - 4096, pattern(4096, 23))
    assert.deepEqual(await exchange.map(unit, unit), [[true, unit]])
    assert.deepEqual(await exchange.map(MIB - 4096, 4096), [[true, 4096]])
    if (store.discards !== 'native' || store.discardedReadsZero !== true) return
    await discarded(exchange, unit, unit)
    let at = 0
    for (const [held, length] of await exchange.map(0, MIB)) {
      if (!held)
        assert.ok((await exchange.bytes(at, length)).equals(Buffer.alloc(length)), `${length} at ${at}`)
      at += length
    }
    assert.deepEqual(await exchange.map(MIB - 4096, 4096), [[true, 4096]], 'the neighbour stays')
  }),
  spaceCase('keeps room where it is told to anchor, and reads zeros there', true, async exchange => {
    const { store } = exchange
    if (store.anchor === undefined) return
    assert.equal(store.discardedReadsZero, true)
    const unit = Math.max(store.discardGranularity ?? store.preferredBlock, 4096)
    const size = Math.min(4 * unit, store.size)
    const data = pattern(size, 28)
    await exchange.wrote(0, data)
    await discarded(exchange, 0, unit)
    for (const [offset, length] of [
      [0, 0],
      [0, 2 * unit],
      [2 * unit + 100, 1000],
    ] as const) {
      const { error } = await exchange.range('anchor', offset, length)
      assert.equal(error, StoreError.none, `anchor of ${length} at ${offset}`)
      data.fill(0, offset, offset + length)
    }
    assert.ok((await exchange.bytes(0, size)).equals(data))
    // Held is never wrong: room is kept for those, too.
    const states = await exchange.states(0, size)
    assert.ok(!states.some(([state]) => state === 'hole'), JSON.stringify(states))
    await exchange.wrote(unit, pattern(unit, 29))
    assert.deepEqual(await exchange.states(unit, unit), [['held', unit]])
    await discarded(exchange, 0, unit)
    assert.deepEqual(await exchange.states(0, unit), [['hole', unit]])
    assert.notEqual((await exchange.range('anchor', store.size - 512, 1024)).error, StoreError.none)
  }),
  spaceCase('has another size when told, and keeps its bytes', true, async (exchange, forgets) => {
    const { store } = exchange
    if (store.resize === undefined) return
    const { size } = store
    const zeros = store.grownReadsAnything !== true
    const data = pattern(8192, 24)
    await exchange.wrote(size - 8192, data)
    await store.resize(size + MIB)
    assert.equal(store.size, size + MIB)
    if (!forgets) assert.ok((await exchange.bytes(size - 8192, 8192)).equals(data))
    const added = await exchange.bytes(size, MIB)
    if (zeros) assert.ok(added.equals(Buffer.alloc(MIB)), 'what is new reads as zeros')
    await exchange.wrote(size + MIB - 512, pattern(512, 25))
    await store.resize(size)
    assert.equal(store.size, size)
    assert.notEqual((await exchange.read(size, 512)).error, StoreError.none)
    await store.resize(size + MIB)
    const back = await exchange.bytes(size, MIB)
    assert.ok(!back.subarray(-512).equals(pattern(512, 25)), 'what was cut off does not come back')
    if (zeros) assert.ok(back.equals(Buffer.alloc(MIB)), 'zeros are there again')
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(async () => store.resize!(wrong), OperatorError, `${wrong}`)
    }
    assert.equal(store.size, size + MIB)
    await store.rescan?.()
    assert.equal(store.size, size + MIB)
  }),
  spaceCase('copies within itself, at any place, and nothing beside', true, async (exchange, forgets) => {
    const { store } = exchange
    if (store.copiesFrom?.(store) !== true) return
    const half = Math.floor(MIB / 2)
    const data = pattern(MIB, 26)
    await exchange.wrote(0, data)
    for (const [from, to, length] of [
      [0, half, 0],
      [0, half, half],
      [4096, half + 65536, 8192],
      [1, half + 3, 70_001],
      [half + 5, 9, 4097],
    ] as const) {
      assert.equal((await exchange.copy(store, from, to, length)).error, StoreError.none)
      data.copy(data, to, from, from + length)
    }
    if (!forgets) assert.ok((await exchange.bytes(0, MIB)).equals(data))
    for (const [from, to] of [
      [store.size - 512, 0],
      [0, store.size - 512],
    ] as const) {
      assert.notEqual((await exchange.copy(store, from, to, 1024)).error, StoreError.none)
    }
  }),
  spaceCase('copies holes as zeros', true, async (exchange, forgets) => {
    const { store } = exchange
    if (store.copiesFrom?.(store) !== true || store.discards !== 'native' || forgets) return
    const data = pattern(MIB, 27)
    await exchange.wrote(0, data)
    await discarded(exchange, 0, 262144 + 512)
    assert.equal((await exchange.copy(store, 0, MIB / 2, MIB / 2)).error, StoreError.none)
    assert.ok((await exchange.bytes(MIB / 2, MIB / 2)).equals(await exchange.bytes(0, MIB / 2)))
  }),
]
