// SPDX-License-Identifier: Apache-2.0
// The qcow2 store against the contract, with clusters of several sizes and files behind it.
import assert from 'node:assert/strict'
import { stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OperatorError, readParameters, StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { fileCalls } from '../file/file-calls.ts'
import type { Qcow2Store } from './qcow2-store.ts'
import { openImage, store } from './store.ts'

const SIZE = 8 * 2 ** 20

for (const cluster of [512, 65536, 2 ** 21]) {
  storeSuite(`qcow2 with clusters of ${cluster}`, async context => {
    const path = join(await scratch(context), 'disk.qcow2')
    return openImage({ path, size: SIZE, cluster })
  })
}

storeSuite('qcow2 over a raw file', async context => {
  const folder = await scratch(context)
  await writeFile(join(folder, 'base.img'), pattern(SIZE - 1000, 1))
  const path = join(folder, 'disk.qcow2')
  return openImage({ path, size: SIZE, cluster: 4096, backing: 'base.img', backingFormat: 'raw' })
})

test('an image is made as its keys say, sparse, and opened with the same keys again', async t => {
  const path = join(await scratch(t), 'new.qcow2')
  const given = readParameters('qcow2', store.parameters, { path, size: '1T', cluster: '128K' })
  const made = await store.open(given)
  assert.deepEqual([made.size, made.discardGranularity], [2 ** 40, 131_072])
  await made.close()
  assert.ok((await stat(path)).size < 2 ** 20)
  await (await store.open(given)).close()
  const other = openImage({ path, size: 2 ** 30 })
  await assert.rejects(other, { name: 'OperatorError', code: 'QCOW2_SIZE_DIFFERS' })
  await assert.rejects(openImage({ path: join(path, 'x'), size: SIZE }), { code: 'FILE_MISSING' })
  for (const [options, code] of [
    [{ size: 1000 }, 'QCOW2_SIZE'],
    [{ size: SIZE, cluster: 3000 }, 'QCOW2_CLUSTER'],
    [{ size: 2 ** 44, cluster: 512 }, 'QCOW2_SIZE'],
    [{ size: SIZE, backing: 'none.img' }, 'QCOW2_BACKING_FORMAT'],
    [{ size: SIZE, backing: 'none.img', backingFormat: 'raw' }, 'FILE_MISSING'],
  ] as const) {
    await assert.rejects(openImage({ path: `${path}.2`, ...options }), { name: 'OperatorError', code })
  }
  await assert.rejects(stat(`${path}.2`), { code: 'ENOENT' })
})

test('an image of too many clusters to be checked says so', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const made = await openImage({ path, size: SIZE, cluster: 512 })
  assert.equal(made.note.includes('too many'), false)
  await made.close()
  await truncate(path, 512 * (2 ** 24 + 1))
  const exchange = new StoreExchange(await openImage({ path }))
  assert.match(
    (exchange.store as Qcow2Store).note,
    /its 16777217 clusters are too many .* qemu-img check '.*disk.qcow2'/,
  )
  await exchange.wrote(0, pattern(4096, 1))
  assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 1)))
  await exchange.close()
  const reader = await openImage({ path, readonly: true })
  assert.equal(reader.note.includes('too many'), false, 'nothing is checked for reading')
  await reader.close()
})

test('one writer, or several readers', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const writer = await openImage({ path, size: SIZE })
  await assert.rejects(openImage({ path }), { code: 'FILE_IN_USE' })
  await assert.rejects(openImage({ path, readonly: true }), { code: 'FILE_IN_USE' })
  await writer.close()
  const readers = await Promise.all([1, 2].map(() => openImage({ path, readonly: true })))
  await assert.rejects(openImage({ path }), { code: 'FILE_IN_USE' })
  for (const one of readers) await one.close()
  await (await openImage({ path })).close()
})

test('more tables than memory is given for go to the file and come back', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const cluster = 2 ** 21
  const size = 2 ** 44
  const exchange = new StoreExchange(await openImage({ path, size, cluster }))
  const places = Array.from({ length: 12 }, (_, i) => i * 2 ** 40 + 4096)
  for (let round = 0; round < 2; round++) {
    await Promise.all(places.map((at, i) => exchange.wrote(at + round * cluster, pattern(4096, i + round))))
  }
  for (const [i, at] of places.entries()) {
    for (const round of [0, 1])
      assert.ok((await exchange.bytes(at + round * cluster, 4096)).equals(pattern(4096, i + round)))
  }
  await exchange.close()
})

test('a read under way never brings bytes of somebody else, whatever becomes of its cluster', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const first = new StoreExchange(await openImage({ path, size: SIZE, cluster: 4096 }))
  await first.wrote(0, Buffer.alloc(4096, 1))
  await first.close()
  let held: (() => void) | null = null
  let holds = false
  const calls = {
    ...fileCalls,
    readSync: (() => {
      throw Object.assign(new Error('wait'), { code: 'EAGAIN' })
    }) as typeof fileCalls.readSync,
    read: ((...given: Parameters<typeof fileCalls.read>) => {
      if (holds && held === null) held = () => fileCalls.read(...given)
      else fileCalls.read(...given)
    }) as typeof fileCalls.read,
  }
  const exchange = new StoreExchange(await openImage({ path, calls }))
  await exchange.bytes(100, 1)
  holds = true
  const reading = exchange.bytes(0, 4096)
  while (held === null) await new Promise(resolve => setImmediate(resolve))
  assert.equal((await exchange.range('discard', 0, 4096)).error, StoreError.none)
  for (let i = 1; i < 20; i++) {
    await exchange.wrote(i * 4096, Buffer.alloc(4096, 2))
    assert.equal((await exchange.flush()).error, StoreError.none)
  }
  ;(held as () => void)()
  const bytes = await reading
  assert.ok(bytes.equals(Buffer.alloc(4096, 1)) || bytes.equals(Buffer.alloc(4096)), `${bytes[0]}`)
  // Now the cluster may be used again, and is.
  await new Promise(resolve => setTimeout(resolve, 20))
  await exchange.flush()
  const { size } = await stat(path)
  for (let i = 0; i < 2; i++) await exchange.wrote((30 + i) * 4096, Buffer.alloc(4096, 3))
  assert.equal((await stat(path)).size, size)
  await exchange.close()
})

test('a discard that was given up ends between tables, and the next one with the same request does not', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const exchange = new StoreExchange(await openImage({ path, size: SIZE, cluster: 512 }))
  await exchange.wrote(0, pattern(SIZE, 1))
  const io = exchange.io()
  io.length = SIZE
  const answer = exchange.put('discard', io)
  exchange.store.abort!(io)
  assert.equal((await answer).error, StoreError.aborted)
  io.offset = 0
  io.length = SIZE
  assert.equal((await exchange.put('discard', io)).error, StoreError.none)
  assert.ok((await exchange.bytes(0, SIZE)).equals(Buffer.alloc(SIZE)))
  await exchange.close()
})

test('resize refuses what cannot be', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const opened = await openImage({ path, size: SIZE, cluster: 512 })
  for (const size of [0, 1000, 2 ** 50]) await assert.rejects(opened.resize!(size), OperatorError)
  await opened.resize!(2 ** 33)
  await opened.close()
  await (await openImage({ path, size: 2 ** 33 })).close()
})
