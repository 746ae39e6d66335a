// SPDX-License-Identifier: Apache-2.0
// qcow2 against QEMU: random requests held against a model and qemu-img, and images that qemu-img made.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { need } from '../../../../testing/peers.ts'
import { At } from './layout.ts'
import { numbers, qemu, sound } from './qcow2.test-kit.ts'
import { openImage, type Qcow2Options } from './store.ts'

/** Steps of a random run; LUNKIT_QCOW2_STEPS=5000 for a long one, LUNKIT_QCOW2_SEED for another. */
const STEPS = Number(process.env['LUNKIT_QCOW2_STEPS'] ?? 150)
const SEED = Number(process.env['LUNKIT_QCOW2_SEED'] ?? 1)
const MIB = 2 ** 20

interface Run {
  readonly name: string
  readonly size: number
  /** Makes what is there before, and says how to open it. */
  readonly prepare: (folder: string, path: string) => Promise<Qcow2Options>
}

const made =
  (cluster: number): Run['prepare'] =>
  async (_folder, path) => ({ path, size: 6 * MIB, cluster })

const byQemu =
  (...words: string[]): Run['prepare'] =>
  async (folder, path) => {
    await writeFile(join(folder, 'base.img'), pattern(4 * MIB + 700 * 512, 5))
    await qemu('qemu-img', 'create', '-f', 'qcow2', ...words, path, '6M')
    return { path }
  }

const RUNS: readonly Run[] = [
  { name: 'clusters of 512', size: 6 * MIB, prepare: made(512) },
  { name: 'clusters of 4096', size: 6 * MIB, prepare: made(4096) },
  { name: 'clusters of 64K', size: 6 * MIB, prepare: made(65536) },
  { name: 'clusters of 2M', size: 6 * MIB, prepare: made(2 * MIB) },
  {
    name: 'hardly any tables in memory',
    size: 6 * MIB,
    prepare: async (_folder, path) => ({ path, size: 6 * MIB, cluster: 512, cache: 1 }),
  },
  {
    name: 'hardly any tables in memory, counts of 64 bits',
    size: 6 * MIB,
    prepare: async (folder, path) => ({
      ...(await byQemu('-o', 'refcount_bits=64,cluster_size=512')(folder, path)),
      cache: 1,
    }),
  },
  { name: 'version 2', size: 6 * MIB, prepare: byQemu('-o', 'compat=0.10') },
  { name: 'counts of 1 bit', size: 6 * MIB, prepare: byQemu('-o', 'refcount_bits=1,cluster_size=4096') },
  { name: 'counts of 64 bits', size: 6 * MIB, prepare: byQemu('-o', 'refcount_bits=64,cluster_size=512') },
  { name: 'preallocated', size: 6 * MIB, prepare: byQemu('-o', 'preallocation=metadata,cluster_size=16384') },
  { name: 'lazy refcounts', size: 6 * MIB, prepare: byQemu('-o', 'lazy_refcounts=on') },
  {
    name: 'a raw file behind',
    size: 6 * MIB,
    prepare: (folder, path) => byQemu('-b', join(folder, 'base.img'), '-F', 'raw')(folder, path),
  },
  {
    name: 'version 2 with a raw file behind',
    size: 6 * MIB,
    prepare: (folder, path) =>
      byQemu(
        '-b',
        join(folder, 'base.img'),
        '-F',
        'raw',
        '-o',
        'compat=0.10,cluster_size=1024',
      )(folder, path),
  },
  {
    name: 'compressed, and with snapshots',
    size: 6 * MIB,
    prepare: async (folder, path) => {
      const raw = join(folder, 'raw.img')
      await writeFile(raw, Buffer.concat([pattern(MIB, 3), Buffer.alloc(4 * MIB, 'text '), pattern(MIB, 4)]))
      await qemu('qemu-img', 'convert', '-c', '-O', 'qcow2', '-o', 'cluster_size=8192', raw, path)
      await qemu('qemu-img', 'snapshot', '-c', 'first', path)
      await qemu('qemu-io', '-f', 'qcow2', '-c', 'write -P 7 2M 300k', path)
      await qemu('qemu-img', 'snapshot', '-c', 'second', path)
      return { path }
    },
  },
]

for (const [number, { name, size, prepare }] of RUNS.entries()) {
  test(`random requests: ${name}`, async t => {
    if (!need(t, 'qemu-img', 'qemu-io')) return
    const folder = await scratch(t)
    const path = join(folder, 'disk.qcow2')
    const options = await prepare(folder, path)
    let exchange = new StoreExchange(await openImage(options))
    assert.equal(exchange.store.size, size)
    const model = await exchange.bytes(0, size)
    const before = Buffer.from(model)
    const any = numbers(SEED * 100 + number)
    for (let step = 0; step < STEPS; step++) {
      // A few at once, in places of their own.
      const share = size / 4
      await Promise.all(
        [0, 1, 2, 3].map(async part => {
          const at = any(8) === 0 ? any(share) : any(share / 512) * 512
          const length = 1 + Math.min(any(4) === 0 ? any(300_000) : any(9000), share - at - 1)
          await act(exchange, any(10), part * share + at, length, model, any(2 ** 31))
        }),
      )
      if (any(20) === 0) assert.equal((await exchange.flush()).error, StoreError.none)
      if (any(60) !== 0) continue
      await exchange.close()
      await sound(path)
      exchange = new StoreExchange(await openImage({ path, cache: options.cache ?? 2 ** 24 }))
    }
    assert.ok((await exchange.bytes(0, size)).equals(model))
    await exchange.close()
    await sound(path)
    await writeFile(join(folder, 'model.img'), model)
    await qemu('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', join(folder, 'model.img'), path)
    if (!name.includes('snapshots')) return
    await qemu('qemu-img', 'snapshot', '-a', 'second', path)
    await qemu('qemu-img', 'convert', '-O', 'raw', path, join(folder, 'back.img'))
    assert.ok((await readFile(join(folder, 'back.img'))).equals(before), 'the snapshot is as it was')
  })
}

async function act(
  { store, ...rest }: StoreExchange,
  kind: number,
  offset: number,
  length: number,
  model: Buffer,
  seed: number,
): Promise<void> {
  const exchange = Object.assign(new StoreExchange(store), rest)
  const end = offset + length
  if (kind < 3) assert.ok((await exchange.bytes(offset, length)).equals(model.subarray(offset, end)))
  else if (kind < 8) {
    const data = pattern(length, seed)
    await exchange.wrote(offset, data, [seed % length], kind === 7 && seed % 4 === 0)
    data.copy(model, offset)
  } else if (store.discards === 'native') {
    const call = kind === 8 ? 'discard' : 'writeZeroes'
    assert.equal((await exchange.range(call, offset, length)).error, StoreError.none)
    model.fill(0, offset, end)
  }
}

const IMAGES: readonly { readonly name: string; readonly words: readonly string[] }[] = [
  { name: 'version 2', words: ['-o', 'compat=0.10'] },
  { name: 'version 3', words: ['-o', 'compat=1.1'] },
  { name: 'clusters of 512', words: ['-o', 'cluster_size=512'] },
  { name: 'clusters of 2M', words: ['-o', 'cluster_size=2M'] },
  { name: 'deflate', words: ['-c'] },
  { name: 'deflate, clusters of 512', words: ['-c', '-o', 'cluster_size=512'] },
  { name: 'deflate, clusters of 2M', words: ['-c', '-o', 'cluster_size=2M'] },
  { name: 'zstd', words: ['-c', '-o', 'compression_type=zstd'] },
  { name: 'preallocated metadata', words: ['-o', 'preallocation=metadata'] },
  { name: 'preallocated whole', words: ['-S', '0', '-o', 'preallocation=full'] },
]

for (const { name, words } of IMAGES) {
  test(`reads what qemu-img made: ${name}`, async t => {
    if (!need(t, 'qemu-img')) return
    const folder = await scratch(t)
    const [raw, path] = [join(folder, 'raw.img'), join(folder, 'disk.qcow2')]
    const bytes = Buffer.concat([
      pattern(700_000, 1),
      Buffer.alloc(900_000),
      Buffer.alloc(800_000, 'compressible '),
      pattern(512 * 100, 2),
      Buffer.alloc(2 * MIB),
    ])
    const data = bytes.subarray(0, bytes.length - (bytes.length % 512))
    await writeFile(raw, data)
    await qemu('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', ...words, raw, path)
    for (const readonly of [true, false]) {
      const exchange = new StoreExchange(await openImage({ path, readonly }))
      assert.equal(exchange.store.size, data.length)
      assert.ok((await exchange.bytes(0, 1000, data.length - 1000)).equals(data))
      await exchange.close()
    }
    await sound(path)
  })
}

test('bitmaps, which are not kept up to date, are marked as such', async t => {
  if (!need(t, 'qemu-img')) return
  const path = join(await scratch(t), 'disk.qcow2')
  await qemu('qemu-img', 'create', '-f', 'qcow2', path, '4M')
  await qemu('qemu-img', 'bitmap', '--add', path, 'changes')
  const bits = async (): Promise<bigint> => (await readFile(path)).readBigUInt64BE(At.autoclear)
  assert.equal(await bits(), 1n)
  await (await openImage({ path, readonly: true })).close()
  assert.equal(await bits(), 1n)
  const exchange = new StoreExchange(await openImage({ path }))
  assert.equal(await bits(), 0n)
  await exchange.wrote(0, pattern(MIB, 1))
  await exchange.close()
  await sound(path)
})

test('reads through a chain of three, the middle one shorter', async t => {
  if (!need(t, 'qemu-img', 'qemu-io')) return
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  await writeFile(at('base.img'), pattern(3 * MIB, 1))
  await qemu('qemu-img', 'create', '-f', 'qcow2', '-b', 'base.img', '-F', 'raw', at('middle.qcow2'), '2M')
  await qemu('qemu-io', '-c', 'write -P 3 100k 70k', '-c', 'write -z 1M 128k', at('middle.qcow2'))
  await qemu('qemu-img', 'create', '-f', 'qcow2', '-b', 'middle.qcow2', '-F', 'qcow2', at('top.qcow2'), '4M')
  await qemu('qemu-io', '-c', 'write -P 4 130k 3k', '-c', 'write -P 5 2500k 100', at('top.qcow2'))
  await qemu('qemu-img', 'convert', '-O', 'raw', at('top.qcow2'), at('flat.img'))
  const exchange = new StoreExchange(await openImage({ path: at('top.qcow2') }))
  const flat = await readFile(at('flat.img'))
  assert.ok((await exchange.bytes(0, 4 * MIB)).equals(flat))
  await exchange.wrote(MIB + 777, pattern(5000, 2))
  pattern(5000, 2).copy(flat, MIB + 777)
  await exchange.close()
  await sound(at('top.qcow2'))
  await writeFile(at('flat.img'), flat)
  await qemu('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', at('flat.img'), at('top.qcow2'))
})
