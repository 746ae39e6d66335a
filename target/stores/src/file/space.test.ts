// SPDX-License-Identifier: Apache-2.0
// Room that files take up and give back: holes, maps, other sizes, copies; calls that fail, and machines without them.
import assert from 'node:assert/strict'
import { stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperatorError, StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { absent } from '../../../../testing/peers.ts'
import type { FileStore } from './file-store.ts'
import { type LinuxCalls, linuxCalls, type SpaceCalls } from './linux-calls.ts'
import { type FileOptions, openFile } from './open-file.ts'

const MIB = 2 ** 20
const { EINTR, ENOSPC, EOPNOTSUPP, EIO, EXDEV } = constants.errno

interface Opened {
  readonly path: string
  readonly store: FileStore
  readonly exchange: StoreExchange
}

/** A file of 4 MiB full of data, or null where this machine makes no holes. */
async function open(context: TestContext, options: Partial<FileOptions> = {}): Promise<Opened | null> {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, pattern(4 * MIB, 1))
  const store = await openFile({ path, ...options })
  if (store.discards === 'native' || options.linux !== undefined) {
    return { path, store, exchange: new StoreExchange(store) }
  }
  await store.close()
  absent(context, 'koffi, or a file system that makes holes,')
  return null
}

const blocksOf = async (path: string): Promise<number> => (await stat(path)).blocks

/** The machine's calls, some of them replaced. */
async function changed(calls: Partial<SpaceCalls>): Promise<LinuxCalls | null> {
  const real = await linuxCalls()
  return real === null ? null : { ...real, space: { ...real.space, ...calls } }
}

/** Answers with an errno, as often as told. */
function failing(errno: number, times = Number.POSITIVE_INFINITY) {
  let left = times
  return (real: SpaceCalls['punch']): SpaceCalls['punch'] =>
    (fd, offset, length, answer) => {
      if (left-- > 0) setImmediate(answer, -1, errno)
      else real(fd, offset, length, answer)
    }
}

test('a discard makes the file take up less, and the map agrees', async context => {
  const opened = await open(context)
  if (opened === null) return
  const { path, store, exchange } = opened
  const before = await blocksOf(path)
  assert.equal((await exchange.range('discard', MIB, 2 * MIB)).error, StoreError.none)
  assert.equal((await exchange.flush()).error, StoreError.none)
  assert.equal(before - (await blocksOf(path)), (2 * MIB) / 512)
  assert.equal((await stat(path)).size, 4 * MIB, 'it is as long as it was')
  assert.deepEqual(await exchange.map(0, 4 * MIB), [
    [true, MIB],
    [false, 2 * MIB],
    [true, MIB],
  ])
  assert.ok((await exchange.bytes(MIB, 2 * MIB)).equals(Buffer.alloc(2 * MIB)))
  const usage = await store.usage()
  assert.equal(usage?.used, (await blocksOf(path)) * 512)
  assert.ok(usage.available > 0)
  await exchange.wrote(MIB + 8192, pattern(4096, 2))
  assert.deepEqual((await exchange.map(MIB, MIB)).slice(0, 2), [
    [false, 8192],
    [true, 4096],
  ])
  await exchange.close()
})

test('a new file is one hole, to its last byte', async context => {
  const path = join(await scratch(context), 'new.img')
  const store = await openFile({ path, size: 3 * MIB + 512 })
  const exchange = new StoreExchange(store)
  if (store.discards === 'native') {
    assert.deepEqual(await exchange.map(0, store.size), [[false, store.size]])
    await exchange.wrote(store.size - 512, pattern(512, 1))
    assert.deepEqual((await exchange.map(0, store.size)).at(-1), [true, 512])
  } else assert.deepEqual(await exchange.map(0, store.size), [[true, store.size]])
  await exchange.close()
})

test('a discard shorter than a block gives zeros, and no room', async context => {
  const opened = await open(context)
  if (opened === null) return
  const { path, exchange } = opened
  const before = await blocksOf(path)
  assert.equal((await exchange.range('discard', 512, 1024)).error, StoreError.none)
  assert.equal((await exchange.range('discard', 8191, 2)).error, StoreError.none)
  assert.equal(await blocksOf(path), before)
  const wanted = pattern(4 * MIB, 1).subarray(0, 16384)
  wanted.fill(0, 512, 1536).fill(0, 8191, 8193)
  assert.ok((await exchange.bytes(0, 16384)).equals(wanted))
  await exchange.close()
})

test('zeros are written into room that stays taken; where that cannot be, into a hole', async context => {
  let holes = 0
  const real = await linuxCalls()
  const linux = await changed({
    zero: (_fd, _offset, _length, answer) => setImmediate(answer, -1, EOPNOTSUPP),
    punch: (...given) => {
      holes++
      real!.space.punch(...given)
    },
  })
  for (const options of [{}, { linux }]) {
    const opened = await open(context, options)
    if (opened === null || linux === null) return
    const { path, store, exchange } = opened
    const before = await blocksOf(path)
    holes = 0
    for (const offset of [MIB, 2 * MIB]) {
      assert.equal((await exchange.range('writeZeroes', offset, MIB)).error, StoreError.none)
      assert.ok((await exchange.bytes(offset, MIB)).equals(Buffer.alloc(MIB)))
    }
    assert.equal(store.writesZeroes, 'native')
    if ('linux' in options) assert.equal(holes, 2)
    else assert.equal(await blocksOf(path), before)
    await exchange.close()
  }
})

test('room is kept for what is anchored, and the map tells', async context => {
  const opened = await open(context)
  if (opened === null) return
  const { path, store, exchange } = opened
  if (store.anchor === undefined) return void absent(context, 'a file system that keeps room')
  assert.equal((await exchange.flush()).error, StoreError.none)
  const before = await blocksOf(path)
  assert.equal((await exchange.range('discard', MIB, MIB)).error, StoreError.none)
  assert.equal((await exchange.range('anchor', 2 * MIB, MIB)).error, StoreError.none)
  assert.equal(before - (await blocksOf(path)), MIB / 512)
  assert.deepEqual(await exchange.states(0, 4 * MIB), [
    ['held', MIB],
    ['hole', MIB],
    ['anchored', MIB],
    ['held', MIB],
  ])
  assert.deepEqual(await exchange.states(MIB + 4096, MIB + 4096), [
    ['hole', MIB - 4096],
    ['anchored', 8192],
  ])
  assert.equal((await exchange.range('anchor', MIB, MIB)).error, StoreError.none)
  assert.equal(await blocksOf(path), before)
  assert.deepEqual(await exchange.states(MIB, 2 * MIB), [['anchored', 2 * MIB]])
  await exchange.wrote(2 * MIB, pattern(65536, 5))
  assert.deepEqual((await exchange.states(2 * MIB, MIB))[0]![0], 'held')
  assert.equal((await exchange.range('discard', MIB, 2 * MIB)).error, StoreError.none)
  assert.deepEqual(await exchange.states(MIB, 2 * MIB), [['hole', 2 * MIB]])
  await exchange.close()
})

test('without koffi, and on a file system without holes, the store takes nothing back and says so', async context => {
  for (const [linux, why] of [
    [null, /koffi is not installed/],
    [
      await changed({ punch: (_fd, _offset, _length, answer) => setImmediate(answer, -1, EOPNOTSUPP) }),
      /file system/,
    ],
  ] as const) {
    const opened = await open(context, { linux })
    const { store, exchange } = opened!
    assert.deepEqual([store.discards, store.writesZeroes], ['none', 'emulated'])
    if (process.platform === 'linux' && (linux === null || why.source === 'file system')) {
      assert.match(store.note, why)
      assert.match(store.note, /the unit is not thin/)
    }
    assert.equal(store.copiesFrom(store), false)
    assert.equal(store.anchor, undefined)
    assert.equal((await exchange.range('discard', 0, 4096)).error, StoreError.internal)
    assert.deepEqual(await exchange.map(0, MIB), [[true, MIB]])
    assert.notEqual(await store.usage(), null)
    await exchange.close()
  }
  const shared = await open(context, { readonly: true, linux: null })
  assert.equal(shared!.store.note.includes('thin'), false, 'nobody could give anything back')
  await shared!.exchange.close()
})

test('calls that fail are told, with their place; interrupted ones are made again', async context => {
  const real = await linuxCalls()
  if (real === null) return void absent(context, 'koffi')
  for (const [errno, error] of [
    [ENOSPC, StoreError.noSpace],
    [EIO, StoreError.medium],
  ] as const) {
    // The first call of all is the one that tries holes out.
    let first = true
    const fails = failing(errno)(real.space.punch)
    const linux = await changed({
      punch: (...given) => {
        if (!first) return fails(...given)
        first = false
        real.space.punch(...given)
      },
      zero: failing(errno)(real.space.zero),
      seek: (_fd, _offset, _wanted, answer) => setImmediate(answer, -1, errno),
      copy: (_from, _fromOffset, _to, _toOffset, _length, answer) => setImmediate(answer, -1, errno),
    })
    const { exchange, store } = (await open(context, { linux }))!
    assert.deepEqual(await exchange.range('discard', 8192, 4096), { error, failedAt: 8192 })
    assert.deepEqual(await exchange.range('writeZeroes', 8192, 4096), { error, failedAt: 8192 })
    const io = exchange.io()
    io.offset = 4096
    io.length = 4096
    assert.deepEqual(await exchange.put('map', io), { error, failedAt: 4096 })
    assert.equal((await exchange.copy(store, 0, MIB + 1, 4096)).error, error)
    await exchange.close()
  }
  const linux = await changed({ zero: failing(EINTR, 3)(real.space.zero) })
  const { exchange } = (await open(context, { linux }))!
  assert.equal((await exchange.range('writeZeroes', 0, 65536)).error, StoreError.none)
  assert.ok((await exchange.bytes(0, 65536)).equals(Buffer.alloc(65536)))
  await exchange.close()
})

test('terabytes go in pieces, two requests at once, and an abort ends them in between', async context => {
  const real = await linuxCalls()
  if (real === null) return void absent(context, 'koffi')
  const waiting: (() => void)[] = []
  let punches = -1
  const linux = await changed({
    punch: (_fd, _offset, length, answer) => {
      assert.ok(length <= 2 ** 30)
      // The one that tries holes out is answered at once.
      if (++punches === 0) setImmediate(answer, 0, 0)
      else waiting.push(() => answer(0, 0))
    },
  })
  const path = join(await scratch(context), 'large.img')
  const size = 2 ** 43
  const store = await openFile({ path, size, linux }).catch((error: unknown) => {
    if (error instanceof OperatorError && error.code === 'FILE_SIZE') return null
    throw error
  })
  if (store === null) return void absent(context, 'a file system for files of 8 TiB')
  const exchange = new StoreExchange(store)
  const ios = [0, 1, 2].map(() => exchange.io())
  const ends = ios.map(io => {
    io.length = size
    return exchange.put('discard', io)
  })
  while (waiting.length < 2) await new Promise(resolve => setImmediate(resolve))
  for (let turn = 0; turn < 100; turn++) waiting.shift()!()
  assert.equal(waiting.length, 2, 'the third waits')
  for (const io of ios) store.abort(io)
  waiting.shift()!()
  waiting.shift()!()
  for (const end of ends) assert.equal((await end).error, StoreError.aborted)
  assert.ok(punches < 110)
  await exchange.close()
})

test('a file that was cut or that vanished takes nothing back', async context => {
  const opened = await open(context)
  if (opened === null) return
  const { path, exchange } = opened
  await truncate(path, MIB)
  assert.equal((await exchange.range('discard', 2 * MIB, 4096)).error, StoreError.medium)
  assert.equal((await exchange.range('writeZeroes', 2 * MIB, 4096)).error, StoreError.medium)
  assert.equal((await stat(path)).size, MIB, 'nor does it grow')
  assert.equal((await exchange.range('discard', 0, 4096)).error, StoreError.none)
  await unlink(path)
  assert.equal((await exchange.range('discard', 0, 4096)).error, StoreError.gone)
  await exchange.close()
})

test('another size is taken over; what was cut meanwhile is not trusted again', async context => {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, pattern(MIB, 1))
  const store = await openFile({ path })
  const exchange = new StoreExchange(store)
  await truncate(path, 2 * MIB)
  await store.rescan()
  assert.equal(store.size, 2 * MIB)
  await exchange.wrote(2 * MIB - 512, pattern(512, 2))
  await truncate(path, 4096)
  assert.equal((await exchange.flush()).error, StoreError.medium)
  await truncate(path, 3 * MIB)
  await store.rescan()
  assert.equal(store.size, 3 * MIB)
  assert.equal((await exchange.read(MIB, 512)).error, StoreError.medium)
  await assert.rejects(store.resize(2 ** 62), { code: 'FILE_SIZE' })
  await exchange.close()
  await assert.rejects(store.resize(MIB), { code: 'FILE_CLOSED' })
  await assert.rejects(store.rescan(), { code: 'FILE_CLOSED' })
  assert.equal(await store.usage(), null)
})

/** Ways of a copy, the best first: each fails, and the next does it. */
const WAYS: [string, Partial<SpaceCalls>][] = [
  ['as the machine can', {}],
  ['through a buffer', { copy: (_f, _fo, _t, _to, _l, answer) => setImmediate(answer, -1, EXDEV) }],
  ['by a kernel that copies little at once', {}],
]

for (const [how, calls] of WAYS) {
  test(`copies between two files: ${how}`, async context => {
    const real = await linuxCalls()
    if (how.includes('little') && real !== null) {
      calls.copy = (from, fromOffset, to, toOffset, length, answer) =>
        real.space.copy(from, fromOffset, to, toOffset, Math.min(length, 70_000), answer)
    }
    const source = await open(context)
    const target = await open(context, { linux: await changed(calls) })
    if (source === null || target === null) return
    assert.equal(target.store.copiesFrom(source.store), true)
    await source.exchange.wrote(0, pattern(2 * MIB, 7))
    await source.exchange.range('discard', MIB, 512 * 1024)
    const wanted = pattern(4 * MIB, 1)
    for (const [from, to, length] of [
      [0, 2 * MIB, 2 * MIB],
      [5, 4099, 300_000],
      [MIB + 4096, 0, 8192],
    ] as const) {
      assert.equal((await target.exchange.copy(source.store, from, to, length)).error, StoreError.none)
      ;(await source.exchange.bytes(from, length)).copy(wanted, to)
    }
    assert.ok((await target.exchange.bytes(0, 4 * MIB)).equals(wanted))
    const hole = (await target.exchange.map(3 * MIB, 512 * 1024))[0]
    assert.deepEqual(hole, [false, 512 * 1024], 'a hole of the source is one here')
    const past = await target.exchange.copy(source.store, 4 * MIB - 512, 0, 1024)
    assert.equal(past.error, StoreError.internal)
    await source.exchange.close()
    assert.equal((await target.exchange.copy(source.store, 0, 0, 512)).error, StoreError.gone)
    await target.exchange.close()
  })
}

test('blocks are shared where both files can, whole blocks only', async context => {
  const shared: number[] = []
  const linux = await changed({
    clone: (_from, _fromOffset, _to, _toOffset, length, answer) => {
      shared.push(length)
      setImmediate(answer, 0, 0)
    },
  })
  const source = await open(context)
  if (source === null || linux === null) return
  const target = (await open(context, { linux }))!
  assert.equal((await target.exchange.copy(source.store, 4096, 8192, MIB)).error, StoreError.none)
  assert.deepEqual(shared, [MIB])
  assert.equal((await target.exchange.copy(source.store, 512, 8192, MIB)).error, StoreError.none)
  assert.deepEqual(shared, [MIB])
  await target.exchange.close()
  await source.exchange.close()
})

test('a source that is being read is not closed before the copy has ended', async context => {
  const held: (() => void)[] = []
  const linux = await changed({
    clone: (_from, _fromOffset, _to, _toOffset, _length, answer) => void held.push(() => answer(0, 0)),
  })
  const source = await open(context)
  if (source === null || linux === null) return
  const target = (await open(context, { linux }))!
  const copying = target.exchange.copy(source.store, 0, 0, MIB)
  while (held.length === 0) await new Promise(resolve => setImmediate(resolve))
  let closed = false
  const closing = source.store.close().then(() => {
    closed = true
  })
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(closed, false)
  held[0]!()
  assert.equal((await copying).error, StoreError.none)
  await closing
  await target.exchange.close()
})

test('what a source has lost since a copy began is not copied as zeros', async context => {
  const held: (() => void)[] = []
  const linux = await changed({
    clone: (_from, _fromOffset, _to, _toOffset, _length, answer) => setImmediate(answer, -1, EXDEV),
    copy: (_from, _fromOffset, _to, _toOffset, _length, answer) => void held.push(() => answer(65_536, 0)),
  })
  const source = await open(context)
  if (source === null || linux === null) return
  const target = (await open(context, { linux }))!
  const copying = target.exchange.copy(source.store, 0, 0, MIB)
  while (held.length === 0) await new Promise(resolve => setImmediate(resolve))
  await source.store.resize(65_536)
  held[0]!()
  assert.deepEqual(await copying, { error: StoreError.medium, failedAt: 65_536 })
  await source.exchange.close()
  await target.exchange.close()
})
