// SPDX-License-Identifier: Apache-2.0
// Damaged and hostile images: a clear error, MEDIUM ERROR where the damage is, the rest as it was, and nothing made worse.
import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperatorError, StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { need } from '../../../../testing/peers.ts'
import { fileCalls } from '../file/file-calls.ts'
import { At, COPIED, read64, write64 } from './layout.ts'
import { numbers, qemu, sound } from './qcow2.test-kit.ts'
import { openImage } from './store.ts'

const MIB = 2 ** 20
const CLUSTER = 4096
const SIZE = 4 * MIB
/** Spoilt images looked at; LUNKIT_QCOW2_SPOILS=5000 for many. */
const SPOILS = Number(process.env['LUNKIT_QCOW2_SPOILS'] ?? 40)
const SEED = Number(process.env['LUNKIT_QCOW2_SEED'] ?? 1)

interface Image {
  readonly path: string
  /** The file's bytes, to be spoilt. */
  readonly bytes: Buffer
  readonly data: Buffer
  readonly l1: number
  readonly refcountTable: number
  /** Place in the file of the L2 entry of a guest's offset. */
  readonly entryOf: (offset: number) => number
  save(): Promise<void>
}

/** Half of the disk is written; a part is discarded. */
async function image(context: TestContext): Promise<Image> {
  const path = join(await scratch(context), 'disk.qcow2')
  const exchange = new StoreExchange(await openImage({ path, size: SIZE, cluster: CLUSTER }))
  const data = Buffer.concat([pattern(SIZE / 2, 1), Buffer.alloc(SIZE / 2)])
  await exchange.wrote(0, data.subarray(0, SIZE / 2))
  await exchange.close()
  const bytes = await readFile(path)
  const l1 = read64(bytes, At.l1Offset)
  const span = CLUSTER * (CLUSTER / 8)
  return {
    path,
    bytes,
    data,
    l1,
    refcountTable: read64(bytes, At.refcountTableOffset),
    entryOf: offset =>
      (read64(bytes, l1 + Math.floor(offset / span) * 8) % 2 ** 56) +
      (Math.floor(offset / CLUSTER) % (CLUSTER / 8)) * 8,
    save: () => writeFile(path, bytes),
  }
}

const refused = (code: string) => (error: unknown) => {
  assert.ok(error instanceof OperatorError, String(error))
  assert.equal(error.code, code, error.message)
  assert.notEqual(error.hint, '')
  return true
}

const flagged = (bytes: Buffer, at: number, value: number): void => {
  write64(bytes, at, value)
  bytes[at]! |= COPIED >>> 24
}

const BAD_AT = 40 * CLUSTER

for (const [name, spoil] of [
  ['outside the file', ({ bytes }, at) => flagged(bytes, at, 2 ** 40)],
  ['beyond all that can be', ({ bytes }, at) => bytes.fill(0xff, at + 1, at + 6)],
  ['not at a cluster', ({ bytes }, at) => flagged(bytes, at, read64(bytes, at) - 2 ** 63 + 512)],
  ['with reserved bits', ({ bytes }, at) => bytes.writeUInt8(bytes[at + 7]! | 0x10, at + 7)],
  ['with a flag and no place', ({ bytes }, at) => flagged(bytes, at, 0)],
  ['to the L1 table', ({ bytes, l1 }, at) => flagged(bytes, at, l1)],
  ['to the refcount table', ({ bytes, refcountTable }, at) => flagged(bytes, at, refcountTable)],
  ['to its own table', ({ bytes }, at) => flagged(bytes, at, at - (at % CLUSTER))],
  ['compressed, outside the file', ({ bytes }, at) => write64(bytes, at, 2 ** 62 + 2 ** 45)],
  ['compressed, over the header', ({ bytes }, at) => write64(bytes, at, 2 ** 62)],
] as [string, (image: Image, at: number) => void][]) {
  test(`an L2 entry ${name} fails its own cluster and no other`, async t => {
    const made = await image(t)
    spoil(made, made.entryOf(BAD_AT))
    await made.save()
    const exchange = new StoreExchange(await openImage({ path: made.path }))
    const bad = await exchange.read(BAD_AT - CLUSTER, 3 * CLUSTER)
    assert.deepEqual([bad.error, bad.failedAt], [StoreError.medium, BAD_AT])
    const beside = (from: number, to: number) => exchange.bytes(from, to - from)
    assert.ok((await beside(0, BAD_AT)).equals(made.data.subarray(0, BAD_AT)))
    assert.ok((await beside(BAD_AT + CLUSTER, SIZE)).equals(made.data.subarray(BAD_AT + CLUSTER)))
    const written = await exchange.write(BAD_AT + 512, pattern(512, 2))
    assert.deepEqual([written.error, written.failedAt], [StoreError.medium, BAD_AT + 512])
    assert.equal((await exchange.range('discard', BAD_AT, CLUSTER)).error, StoreError.medium)
    await exchange.wrote(BAD_AT + CLUSTER, pattern(CLUSTER, 3))
    await exchange.wrote(3 * MIB, pattern(CLUSTER, 4))
    assert.equal((await exchange.flush()).error, StoreError.none)
    await exchange.close()
    const again = new StoreExchange(await openImage({ path: made.path, readonly: true }))
    assert.ok((await again.bytes(3 * MIB, CLUSTER)).equals(pattern(CLUSTER, 4)))
    assert.ok((await again.bytes(0, BAD_AT)).equals(made.data.subarray(0, BAD_AT)))
    await again.close()
  })
}

test('an L1 entry that leads nowhere fails the clusters of its table', async t => {
  for (const value of [2 ** 45, 512, 0]) {
    const made = await image(t)
    flagged(made.bytes, made.l1, value === 0 ? made.l1 : value)
    await made.save()
    const exchange = new StoreExchange(await openImage({ path: made.path }))
    assert.deepEqual((await exchange.read(100, 512)).error, StoreError.medium)
    assert.equal((await exchange.write(100, pattern(512, 1))).error, StoreError.medium)
    const span = CLUSTER * (CLUSTER / 8)
    assert.ok((await exchange.bytes(span, SIZE - span)).equals(made.data.subarray(span)))
    await exchange.wrote(span + 5 * CLUSTER, pattern(512, 9))
    await exchange.close()
  }
})

for (const [name, spoil] of [
  [
    'a refcount table that leads outside',
    ({ bytes, refcountTable }) => write64(bytes, refcountTable, 2 ** 40),
  ],
  [
    'a refcount table that leads between clusters',
    ({ bytes, refcountTable }) => write64(bytes, refcountTable, 5000),
  ],
  [
    'a refcount block that is the L1 table',
    ({ bytes, refcountTable, l1 }) => write64(bytes, refcountTable, l1),
  ],
  [
    'a count that is too low',
    ({ bytes, refcountTable, entryOf }) => {
      const cluster = (read64(bytes, entryOf(BAD_AT)) % 2 ** 56) / CLUSTER
      bytes.writeUInt16BE(0, read64(bytes, refcountTable) + cluster * 2)
    },
  ],
  ['no counts at all', ({ bytes, refcountTable }) => write64(bytes, refcountTable, 0)],
  [
    'two entries for one cluster',
    ({ bytes, entryOf }) => bytes.copy(bytes, entryOf(BAD_AT), entryOf(0), entryOf(0) + 8),
  ],
  ['the corrupt bit', ({ bytes }) => bytes.writeUInt8(2, At.incompatible + 7)],
] as [string, (image: Image) => void][]) {
  test(`${name}: not written, but read`, async t => {
    const made = await image(t)
    spoil(made)
    await made.save()
    await assert.rejects(openImage({ path: made.path }), refused('QCOW2_CORRUPT'))
    assert.ok((await readFile(made.path)).equals(made.bytes), 'nothing was changed')
    const exchange = new StoreExchange(await openImage({ path: made.path, readonly: true }))
    assert.ok((await exchange.bytes(0, BAD_AT)).equals(made.data.subarray(0, BAD_AT)))
    await exchange.close()
  })
}

test('headers that cannot be are refused with what is wrong, whatever they ask for', async t => {
  const cases: readonly (readonly [string, (bytes: Buffer) => void])[] = [
    ['QCOW2_FORMAT', bytes => bytes.fill(0, 0, 4)],
    ['QCOW2_UNSUPPORTED', bytes => bytes.writeUInt32BE(4, At.version)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(60, At.clusterBits)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(8, At.clusterBits)],
    ['QCOW2_CORRUPT', bytes => write64(bytes, At.size, 2 ** 60)],
    ['QCOW2_CORRUPT', bytes => bytes.fill(0xff, At.size, At.size + 8)],
    ['QCOW2_UNSUPPORTED', bytes => write64(bytes, At.size, 0)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(0xffff_ffff, At.l1Entries)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(0, At.l1Entries)],
    ['QCOW2_CORRUPT', bytes => write64(bytes, At.l1Offset, 2 ** 50)],
    ['QCOW2_CORRUPT', bytes => write64(bytes, At.l1Offset, 777)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(0xffff_ffff, At.refcountTableClusters)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(0, At.refcountTableClusters)],
    ['QCOW2_CORRUPT', bytes => write64(bytes, At.refcountTableOffset, 0)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(7, At.refcountOrder)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(0xffff_fff8, At.headerLength)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(105, At.headerLength)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt32BE(0x7fff_ffff, At.snapshotCount)],
    [
      'QCOW2_CORRUPT',
      bytes => {
        bytes.writeUInt32BE(3, At.snapshotCount)
        write64(bytes, At.snapshotsOffset, 8 * CLUSTER)
      },
    ],
    [
      'QCOW2_CORRUPT',
      bytes => {
        write64(bytes, At.backingOffset, 200)
        bytes.writeUInt32BE(5000, At.backingLength)
      },
    ],
    [
      'QCOW2_CORRUPT',
      bytes => bytes.writeUInt32BE(0x6803_f857, 112) && bytes.writeUInt32BE(0xffff_0000, 116),
    ],
    ['QCOW2_UNSUPPORTED', bytes => bytes.writeUInt32BE(2, At.cryptMethod)],
    ['QCOW2_UNSUPPORTED', bytes => bytes.writeUInt8(4, At.incompatible + 7)],
    ['QCOW2_UNSUPPORTED', bytes => bytes.writeUInt8(16, At.incompatible + 7)],
    ['QCOW2_UNSUPPORTED', bytes => bytes.writeUInt8(1, At.incompatible)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt8(8, At.incompatible + 7)],
    ['QCOW2_CORRUPT', bytes => bytes.writeUInt8(1, At.compressionType)],
  ]
  const made = await image(t)
  for (const [code, spoil] of cases) {
    const bytes = Buffer.from(made.bytes)
    spoil(bytes)
    await writeFile(made.path, bytes)
    for (const readonly of [true, false])
      await assert.rejects(openImage({ path: made.path, readonly }), refused(code), spoil.toString())
  }
  for (const length of [1, 3, 4, 71, 72, 103, 104, 111, 112, CLUSTER, 2 * CLUSTER]) {
    await writeFile(made.path, made.bytes.subarray(0, length))
    await assert.rejects(openImage({ path: made.path }), (error: unknown) => {
      assert.ok(error instanceof OperatorError && /^QCOW2_/.test(error.code), `${length}: ${error}`)
      return true
    })
  }
})

test("features are refused by name, the image's own names too", async t => {
  if (!need(t, 'qemu-img')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const data = `data_file=${at('data.raw')}`
  await qemu('qemu-img', 'create', '-f', 'qcow2', '-o', data, at('external.qcow2'), '1M')
  await qemu('qemu-img', 'create', '-f', 'qcow2', '-o', 'extended_l2=on', at('sub.qcow2'), '1M')
  for (const [name, words] of [
    ['external', /external data file/],
    ['sub', /subclusters/],
  ] as const) {
    await assert.rejects(openImage({ path: at(`${name}.qcow2`), readonly: true }), (error: unknown) => {
      refused('QCOW2_UNSUPPORTED')(error)
      assert.match((error as OperatorError).message, words)
      return true
    })
  }
  await qemu('qemu-img', 'create', '-f', 'qcow2', at('odd.qcow2'), '1M')
  const odd = await readFile(at('odd.qcow2'))
  odd.writeUInt8(0x20, At.incompatible + 7)
  const names = odd.indexOf(Buffer.of(0x68, 0x03, 0xf8, 0x57))
  odd.writeUInt8(0, names + 8)
  odd.writeUInt8(5, names + 9)
  odd.write('time travel\0', names + 10, 'latin1')
  await writeFile(at('odd.qcow2'), odd)
  await assert.rejects(openImage({ path: at('odd.qcow2') }), /unknown feature 'time travel'/)
})

test('chains that end nowhere, in themselves, or not at all are refused', async t => {
  if (!need(t, 'qemu-img')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const link = async (name: string, behind: string, format = 'qcow2'): Promise<void> => {
    const words = ['-f', 'qcow2', '-u', '-b', behind, '-F', format, at(name), '1M']
    await qemu('qemu-img', 'create', ...words)
  }
  await link('a', 'b')
  await link('b', 'a')
  await link('self', 'self')
  await link('lost', 'nowhere')
  await link('odd', 'base', 'vmdk')
  await link('net', 'nbd://host/x', 'raw')
  await writeFile(at('c0'), '')
  await qemu('qemu-img', 'create', '-f', 'qcow2', at('c0'), '1M')
  for (let i = 1; i <= 33; i++) await link(`c${i}`, `c${i - 1}`)
  const plain = await readFile(at('a'))
  const format = plain.indexOf(Buffer.of(0xe2, 0x79, 0x2a, 0xca))
  plain.writeUInt32BE(0x1234_5678, format)
  await writeFile(at('untold'), plain)
  for (const name of ['a\u001b[2Jb', 'a\0b']) {
    await link('odd name', 'a2345b')
    const image = await readFile(at('odd name'))
    image.write(name.padEnd(6, 'x'), image.indexOf('a2345b'))
    await writeFile(at('odd name'), image)
    await assert.rejects(openImage({ path: at('odd name'), readonly: true }), refused('QCOW2_BACKING'))
  }
  for (const [name, code] of [
    ['a', 'QCOW2_BACKING_LOOP'],
    ['self', 'QCOW2_BACKING_LOOP'],
    ['lost', 'FILE_MISSING'],
    ['odd', 'QCOW2_BACKING_FORMAT'],
    ['net', 'QCOW2_BACKING'],
    ['c33', 'QCOW2_BACKING_DEPTH'],
    ['untold', 'QCOW2_BACKING_FORMAT'],
  ] as const) {
    await assert.rejects(openImage({ path: at(name), readonly: true }), refused(code), name)
  }
  await (await openImage({ path: at('c31') })).close()
  // Nothing is left locked.
  await (await openImage({ path: at('c30') })).close()
})

test('an image that was cut keeps what is left', async t => {
  const made = await image(t)
  const length = Math.floor(made.bytes.length / 2 / CLUSTER) * CLUSTER
  await truncate(made.path, length)
  const exchange = new StoreExchange(await openImage({ path: made.path, readonly: true }))
  let lost = 0
  for (let at = 0; at < SIZE; at += CLUSTER) {
    const { error, bytes } = await exchange.read(at, CLUSTER)
    if (error === StoreError.none) assert.ok(bytes.equals(made.data.subarray(at, at + CLUSTER)))
    else lost++
  }
  assert.ok(lost > 100 && lost < 400, `${lost} clusters`)
  await exchange.close()
})

test('compressed bytes that are none fail their cluster', async t => {
  if (!need(t, 'qemu-img')) return
  const folder = await scratch(t)
  const [raw, path] = [join(folder, 'raw'), join(folder, 'disk.qcow2')]
  const data = Buffer.alloc(MIB, 'abc ')
  await writeFile(raw, data)
  for (const type of ['zlib', 'zstd']) {
    await qemu('qemu-img', 'convert', '-c', '-O', 'qcow2', '-o', `compression_type=${type}`, raw, path)
    const bytes = await readFile(path)
    const l2 = read64(bytes, read64(bytes, At.l1Offset)) % 2 ** 56
    const place = bytes.readUInt32BE(l2 + 12)
    bytes.fill(0xee, place, place + 20)
    await writeFile(path, bytes)
    const exchange = new StoreExchange(await openImage({ path }))
    assert.deepEqual((await exchange.read(65536, 100)).error, StoreError.medium)
    assert.ok((await exchange.bytes(0, 65536)).equals(data.subarray(0, 65536)))
    assert.ok((await exchange.bytes(131_072, MIB - 131_072)).equals(data.subarray(131_072)))
    // A whole cluster heals it.
    await exchange.wrote(65536, pattern(65536, 1))
    assert.ok((await exchange.bytes(65536, 65536)).equals(pattern(65536, 1)))
    await exchange.close()
    await sound(path)
  }
})

test('spoilt bytes in any table end in an answer, never in a crash, and never make an image worse', async t => {
  const made = await image(t)
  const any = numbers(SEED)
  const tables = [0, made.refcountTable, read64(made.bytes, made.refcountTable), made.l1]
  tables.push(read64(made.bytes, made.l1) % 2 ** 56)
  for (let i = 0; i < SPOILS; i++) {
    const bytes = Buffer.from(made.bytes)
    for (let n = 1 + any(3); n > 0; n--) {
      const at = tables[any(tables.length)]! + any(any(2) === 0 ? 112 : CLUSTER)
      bytes[at] = any(2) === 0 ? any(256) : bytes[at]! ^ (1 << any(8))
    }
    for (const readonly of [true, false]) {
      await writeFile(made.path, bytes)
      let opened: Awaited<ReturnType<typeof openImage>>
      try {
        opened = await openImage({ path: made.path, readonly })
      } catch (error) {
        assert.ok(error instanceof OperatorError, String(error instanceof Error ? error.stack : error))
        continue
      }
      const exchange = new StoreExchange(opened)
      const known = [StoreError.none, StoreError.medium, StoreError.readOnly] as number[]
      const size = Math.min(opened.size, SIZE)
      for (let at = 0; at + CLUSTER <= size; at += CLUSTER * 16) {
        assert.ok(known.includes((await exchange.read(at, CLUSTER)).error))
        assert.ok(known.includes((await exchange.write(at + 100, pattern(300, i))).error))
      }
      if (size >= CLUSTER) await exchange.range('discard', CLUSTER, Math.min(20 * CLUSTER, size - CLUSTER))
      assert.equal((await exchange.flush()).error, StoreError.none)
      await exchange.close()
    }
  }
})

test('calls that fail lose no flushed write, and leave a sound image', async t => {
  if (!need(t, 'qemu-img')) return
  const folder = await scratch(t)
  const any = numbers(SEED)
  for (let round = 0; round < 10; round++) {
    const path = join(folder, `disk${round}.qcow2`)
    await (await openImage({ path, size: SIZE, cluster: 512 * 2 ** any(5) })).close()
    let left = 20 + any(400)
    const fails = (code: string) => Object.assign(new Error(code), { code })
    const code = ['ENOSPC', 'EIO'][any(2)]!
    const spent = (): boolean => left-- < 0
    const calls = {
      ...fileCalls,
      writeSync: (() => {
        throw fails('EAGAIN')
      }) as typeof fileCalls.writeSync,
      writevSync: () => {
        throw fails('EAGAIN')
      },
      write: ((...given: Parameters<typeof fileCalls.write>) => {
        if (spent()) (given.at(-1) as unknown as (error: Error) => void)(fails(code))
        else fileCalls.write(...given)
      }) as typeof fileCalls.write,
      writev: ((...given: Parameters<typeof fileCalls.writev>) => {
        if (spent()) (given.at(-1) as unknown as (error: Error) => void)(fails(code))
        else fileCalls.writev(...given)
      }) as typeof fileCalls.writev,
      fdatasync: ((fd: number, done: (error: Error | null) => void) => {
        if (spent()) done(fails(code))
        else fileCalls.fdatasync(fd, done)
      }) as typeof fileCalls.fdatasync,
    }
    const exchange = new StoreExchange(await openImage({ path, calls }))
    const durable = Buffer.alloc(SIZE)
    const maybe = new Map<number, number[]>()
    let failed = false
    for (let step = 1; step < 80; step++) {
      if (step % 20 === 10) {
        const { snapshot } = exchange.store.controls!
        await snapshot!.run([`s${step}`], () => {}).catch(error => assert.match(error.code, /^QCOW2_/))
      }
      const block = any(SIZE / 2048)
      maybe.set(block, [...(maybe.get(block) ?? []), step])
      const { error } = await exchange.write(block * 2048, pattern(2048, step))
      failed ||= error !== StoreError.none
      if (failed || any(6) !== 0 || (await exchange.flush()).error !== StoreError.none) continue
      for (const [one, steps] of maybe) pattern(2048, steps.at(-1)!).copy(durable, one * 2048)
      maybe.clear()
    }
    left = any(2) === 0 ? 1e9 : left
    await exchange.close().catch(error => assert.equal(error.code, 'QCOW2_LOST'))
    await sound(path, true)
    const after = new StoreExchange(await openImage({ path, readonly: true }))
    const found = await after.bytes(0, SIZE)
    await after.close()
    for (let block = 0; block < SIZE / 2048; block++) {
      const bytes = found.subarray(block * 2048, (block + 1) * 2048)
      const was = durable.subarray(block * 2048, (block + 1) * 2048)
      const fits =
        bytes.equals(was) || (maybe.get(block) ?? []).some(step => bytes.equals(pattern(2048, step)))
      assert.ok(fits, `block ${block} of round ${round}`)
    }
  }
})
