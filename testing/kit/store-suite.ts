// SPDX-License-Identifier: Apache-2.0
// The contract of a backing store as cases that every store has to pass, ours and others'.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type BackingStore, StoreError } from '@lunkit/target-api'
import { pattern, StoreExchange } from './store-exchange.ts'
import { modelCases } from './store-model.ts'
import { spaceCases } from './store-space.ts'

export interface StoreSuiteOptions {
  /** The store reads zeros whatever was written (null). */
  readonly forgets?: boolean
}

/**
 * Runs the cases; `open` gives a store of its own to each, of at least 1 MiB, and registers with the context what is
 * to be cleaned up. A store that cannot write runs the reading cases.
 */
export function storeSuite(
  name: string,
  open: (context: TestContext) => Promise<BackingStore>,
  options: StoreSuiteOptions = {},
): void {
  const cases: Case[] = [...READING, ...WRITING, ...spaceCases, ...modelCases(options.forgets === true)]
  describe(`${name} keeps the contract of a store`, () => {
    for (const { title, writes, run } of cases) {
      it(title, async context => {
        const store = await open(context)
        const exchange = new StoreExchange(store)
        try {
          assert.ok(store.size >= MIB, 'the suite wants a store of 1 MiB or more')
          if (writes && !store.canWrite) {
            assert.equal((await exchange.write(0, pattern(512, 1))).error, StoreError.readOnly)
          } else await run(exchange, options.forgets === true)
        } finally {
          await exchange.close()
        }
      })
    }
  })
}

export interface Case {
  readonly title: string
  readonly writes: boolean
  run(exchange: StoreExchange, forgets: boolean): Promise<void>
}

const MIB = 1048576

/** Writes, and proves that it reads back, in one segment and in these. */
async function check(
  exchange: StoreExchange,
  forgets: boolean,
  offset: number,
  data: Buffer,
  cuts: readonly number[] = [],
  fua = false,
): Promise<void> {
  await exchange.wrote(offset, data, cuts, fua)
  const wanted = forgets ? Buffer.alloc(data.length) : data
  assert.ok((await exchange.bytes(offset, data.length)).equals(wanted), `${data.length} bytes at ${offset}`)
}

function reading(title: string, run: Case['run']): Case {
  return { title, writes: false, run }
}

function writing(title: string, run: Case['run']): Case {
  return { title, writes: true, run }
}

const ABILITIES = ['none', 'emulated', 'native']

const READING: readonly Case[] = [
  reading('tells its facts', async ({ store }) => {
    assert.ok(Number.isSafeInteger(store.size))
    assert.ok(store.preferredBlock >= 1 && Number.isInteger(Math.log2(store.preferredBlock)))
    assert.equal(typeof store.identity, 'string')
    assert.ok(ABILITIES.includes(store.discards) && ABILITIES.includes(store.writesZeroes))
    if (store.discards === 'native') assert.equal(typeof store.discard, 'function')
    if (store.writesZeroes === 'native') assert.equal(typeof store.writeZeroes, 'function')
    if (!store.canWrite) assert.deepEqual([store.discards, store.writesZeroes], ['none', 'none'])
    if (!store.canWrite) assert.equal(store.volatileCache, false)
  }),
  reading('reads the first byte, the last byte and the last block', async exchange => {
    const { size } = exchange.store
    for (const [offset, length] of [
      [0, 1],
      [size - 1, 1],
      [size - 512, 512],
      [size - 4096, 4096],
    ] as const) {
      const once = await exchange.bytes(offset, length)
      assert.ok(once.equals(await exchange.bytes(offset, length)))
    }
  }),
  reading('reads nothing, at the start, inside and at the end', async exchange => {
    for (const offset of [0, 513, exchange.store.size]) {
      assert.equal((await exchange.read(offset)).error, StoreError.none)
      assert.equal((await exchange.read(offset, 0)).error, StoreError.none)
    }
  }),
  reading('fills every byte of every segment', async exchange => {
    const whole = await exchange.bytes(0, 65536)
    for (const lengths of [
      [65536],
      [1, 65535],
      [65535, 1],
      [512, 512, 64512],
      [0, 4096, 0, 61440, 0],
      Array(16).fill(4096),
      Array(64).fill(1024),
      Array(65).fill(1008),
      Array(1024).fill(64),
      Array(2000).fill(32),
    ] as number[][]) {
      const bytes = await exchange.bytes(0, ...lengths)
      assert.ok(bytes.equals(whole.subarray(0, bytes.length)), `${lengths.length} segments`)
    }
  }),
  reading('reads at odd offsets and in odd lengths', async exchange => {
    const whole = await exchange.bytes(0, 262144)
    for (const [offset, length] of [
      [1, 1],
      [511, 2],
      [4095, 4098],
      [65535, 65537],
      [131071, 131073],
    ] as const) {
      assert.ok((await exchange.bytes(offset, length)).equals(whole.subarray(offset, offset + length)))
    }
  }),
  reading('answers many reads at once', async exchange => {
    const whole = await exchange.bytes(0, MIB)
    const offsets = Array.from({ length: 200 }, (_, i) => (i * 7919 * 512) % (MIB - 8192))
    const reads = await Promise.all(offsets.map(offset => exchange.bytes(offset, 4096, 4096)))
    reads.forEach((bytes, i) => {
      assert.ok(bytes.equals(whole.subarray(offsets[i]!, offsets[i]! + 8192)))
    })
  }),
  reading('reads again from inside an answer', async exchange => {
    let left = 300
    const io = exchange.io()
    io.length = 512
    io.segments.push(Buffer.alloc(512))
    await new Promise<void>((resolve, reject) => {
      io.onFinish = () => {
        if (io.error !== StoreError.none) reject(new Error(`error ${io.error}`))
        else if (left-- > 0) exchange.store.read(io)
        else resolve()
      }
      exchange.store.read(io)
    })
    assert.equal(left, -1)
  }),
  reading('refuses what reaches beyond the end', async exchange => {
    const { size } = exchange.store
    for (const [offset, length] of [
      [size - 1, 2],
      [size, 512],
      [size + MIB, 4096],
      [2 ** 52, 512],
    ] as const) {
      assert.notEqual((await exchange.read(offset, length)).error, StoreError.none)
    }
    await exchange.bytes(0, 512)
  }),
  reading('flushes when there is nothing to flush', async exchange => {
    const answers = await Promise.all([exchange.flush(), exchange.flush(), exchange.flush()])
    for (const { error } of answers) assert.equal(error, StoreError.none)
  }),
  reading('flushes with a request that asked a longer store before', async exchange => {
    const io = exchange.io()
    io.offset = exchange.store.size + MIB
    io.length = 4096
    assert.equal((await exchange.put('flush', io)).error, StoreError.none)
  }),
]

const WRITING: readonly Case[] = [
  writing('reads back what was written, at any alignment', async (exchange, forgets) => {
    const { size } = exchange.store
    for (const [offset, length] of [
      [0, 512],
      [512, 4096],
      [0, 1],
      [1, 1],
      [4095, 2],
      [12345, 6789],
      [262143, 2],
      [262144 - 4096, 8192],
      [size - 1, 1],
      [size - 4096, 4096],
      [size - 65537, 65537],
    ] as const) {
      await check(exchange, forgets, offset, pattern(length, offset + length))
    }
  }),
  writing('writes nothing', async exchange => {
    await exchange.wrote(0, Buffer.alloc(0))
    await exchange.wrote(exchange.store.size, Buffer.alloc(0))
    await exchange.wrote(512, Buffer.alloc(0), [], true)
  }),
  writing('leaves the neighbours alone', async (exchange, forgets) => {
    const around = pattern(65536, 3)
    await check(exchange, forgets, 0, around)
    for (const [offset, length] of [
      [1000, 1],
      [4096, 512],
      [8191, 4098],
      [30000, 5],
    ] as const) {
      const data = pattern(length, offset)
      await exchange.wrote(offset, data)
      data.copy(around, offset)
    }
    assert.ok((await exchange.bytes(0, 65536)).equals(forgets ? Buffer.alloc(65536) : around))
  }),
  writing('gathers the slices of a write', async (exchange, forgets) => {
    const data = pattern(100_000, 4)
    for (const cuts of [
      [1],
      [99_999],
      [0, 1, 0, 2, 3, 0],
      Array(48).fill(8),
      Array(20).fill(4096),
      Array(1500).fill(64),
      [50_000, 49_999],
    ] as number[][]) {
      await check(exchange, forgets, 777, data, cuts)
      await check(exchange, forgets, 5 * 512, data, cuts, true)
    }
  }),
  writing('moves large transfers', async (exchange, forgets) => {
    const length = Math.min(exchange.store.size, 5 * MIB)
    const data = pattern(length, 5)
    await check(exchange, forgets, 0, data, Array(Math.floor(length / 262144)).fill(262144))
    const lengths = Array(Math.ceil(length / 100_000)).fill(100_000) as number[]
    lengths[lengths.length - 1] = length - 100_000 * (lengths.length - 1)
    const bytes = await exchange.bytes(0, ...lengths)
    assert.ok(bytes.equals(forgets ? Buffer.alloc(length) : data))
  }),
  writing('takes many writes at once', async (exchange, forgets) => {
    const parts = Array.from({ length: 128 }, (_, i) => pattern(8192, i))
    await Promise.all(parts.map((data, i) => exchange.wrote(i * 8192, data, [100], i % 8 === 0)))
    const bytes = await exchange.bytes(0, 128 * 8192)
    assert.ok(bytes.equals(forgets ? Buffer.alloc(bytes.length) : Buffer.concat(parts)))
  }),
  writing('does not tear a read from writes beside it', async (exchange, forgets) => {
    const data = pattern(4096, 6)
    await check(exchange, forgets, 4096, data)
    const beside = [0, 8192, 12288].map(offset => exchange.wrote(offset, pattern(4096, offset)))
    const bytes = await exchange.bytes(4096, 4096)
    await Promise.all(beside)
    assert.ok(bytes.equals(forgets ? Buffer.alloc(4096) : data))
  }),
  writing('keeps no buffer of a write', async (exchange, forgets) => {
    const io = exchange.io()
    const data = pattern(8192, 7)
    io.length = 8192
    io.segments.push(data.subarray(0, 4096), data.subarray(4096))
    assert.equal((await exchange.put('write', io)).error, StoreError.none)
    io.segments.length = 0
    const before = Buffer.from(data)
    data.fill(0xee)
    assert.ok((await exchange.bytes(0, 8192)).equals(forgets ? Buffer.alloc(8192) : before))
  }),
  writing('flushes after and amid writes', async (exchange, forgets) => {
    const data = pattern(65536, 8)
    await exchange.wrote(0, data)
    const all = [exchange.flush(), exchange.write(65536, data), exchange.flush(), exchange.flush()]
    for (const { error } of await Promise.all(all)) assert.equal(error, StoreError.none)
    assert.equal((await exchange.flush()).error, StoreError.none)
    assert.ok((await exchange.bytes(65536, 65536)).equals(forgets ? Buffer.alloc(65536) : data))
  }),
  writing('writes with forced unit access', async (exchange, forgets) => {
    for (const length of [1, 512, 4096, 65536, 300_000]) {
      await check(exchange, forgets, 512, pattern(length, length), [], true)
    }
    await Promise.all([1, 2, 3].map(i => exchange.wrote(i * 4096, pattern(4096, i), [1, 2], true)))
  }),
  writing('refuses writes beyond the end and does not grow', async exchange => {
    const { size } = exchange.store
    const last = await exchange.bytes(size - 512, 512)
    for (const offset of [size - 511, size, size + MIB]) {
      for (const fua of [false, true]) {
        const { error } = await exchange.write(offset, pattern(512, 9), [], fua)
        assert.notEqual(error, StoreError.none)
      }
    }
    assert.ok((await exchange.bytes(size - 512, 512)).equals(last))
    assert.equal(exchange.store.size, size)
  }),
  writing('discards no more than asked, and reads the rest the same', async (exchange, forgets) => {
    if (exchange.store.discards !== 'native') return
    const data = pattern(MIB, 10)
    await check(exchange, forgets, 0, data)
    for (const [offset, length] of [
      [0, 0],
      [4096, 4096],
      [65536 + 512, 512],
      [262144 - 512, 262144 + 1024],
    ] as const) {
      assert.equal((await exchange.range('discard', offset, length)).error, StoreError.none)
      const inside = await exchange.bytes(offset, length)
      assert.ok(inside.equals(await exchange.bytes(offset, length)), 'discarded bytes change')
      inside.copy(data, offset)
    }
    assert.ok((await exchange.bytes(0, MIB)).equals(forgets ? Buffer.alloc(MIB) : data))
    assert.equal((await exchange.range('discard', 0, exchange.store.size)).error, StoreError.none)
    await check(exchange, forgets, 4096, pattern(8192, 11))
    const past = await exchange.range('discard', exchange.store.size - 512, 1024)
    assert.notEqual(past.error, StoreError.none)
  }),
  writing('writes zeros where asked and nowhere else', async (exchange, forgets) => {
    if (exchange.store.writesZeroes !== 'native') return
    const data = pattern(MIB, 12)
    await check(exchange, forgets, 0, data)
    for (const [offset, length] of [
      [0, 0],
      [1, 1],
      [4096, 4096],
      [262144 - 512, 2 * 262144],
    ] as const) {
      assert.equal((await exchange.range('writeZeroes', offset, length)).error, StoreError.none)
      data.fill(0, offset, offset + length)
    }
    assert.ok((await exchange.bytes(0, MIB)).equals(forgets ? Buffer.alloc(MIB) : data))
  }),
]
