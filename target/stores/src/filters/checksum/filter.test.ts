// SPDX-License-Identifier: Apache-2.0
// The filter checksum against the contract: damage is told, good blocks never refused, whatever came in between.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFile, link, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BackingStore, StoreError, type StoreIo, type StoreWatcher } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { openFile } from '../../file/open-file.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter } from './filter.ts'

const MIB = 1 << 20

storeSuite('checksum in memory', () => filter.open(new MemoryStore(8 * MIB), {}))
storeSuite('checksum in a file, of an odd size', async t =>
  filter.open(new MemoryStore(1_500_001), { checksums: join(await scratch(t), 'sums'), checksumblock: 512 }),
)
storeSuite('checksum over slow storage', () =>
  filter.open(new StandInStore({ size: 8 * MIB, later: true, maps: true }), {}),
)

/** Memory that outlives its closing, as a disk does. */
function lasting(size = MIB): MemoryStore {
  const store = new MemoryStore(size)
  return Object.assign(store, { close: async () => {} })
}

async function sides(t: TestContext): Promise<(below: BackingStore) => Promise<StoreExchange>> {
  const checksums = join(await scratch(t), 'sums')
  return async below => new StoreExchange(await filter.open(below, { checksums }))
}

test('a changed byte is a medium error at its block, and the neighbours are read', async t => {
  const below = lasting()
  const open = await sides(t)
  const exchange = await open(below)
  await exchange.wrote(0, pattern(65536, 1))
  await new StoreExchange(below).wrote(8192 + 77, Buffer.of(0))
  const { error, failedAt } = await exchange.read(4096, 16384)
  assert.deepEqual([error, failedAt], [StoreError.medium, 8192])
  assert.equal((await exchange.read(8192 + 512, 512)).error, StoreError.medium, 'any part of it')
  assert.equal(
    (await exchange.write(8192 + 512, pattern(512, 2))).error,
    StoreError.medium,
    'nor mended by half',
  )
  assert.ok((await exchange.bytes(12288, 4096)).equals(pattern(65536, 1).subarray(12288, 16384)))
  await exchange.close()
  const again = await open(below)
  assert.equal(again.store.note, '')
  assert.equal((await again.read(8192, 4096)).error, StoreError.medium, 'and it is not forgotten')
  await again.wrote(8192, pattern(4096, 3))
  assert.ok((await again.bytes(8192, 4096)).equals(pattern(4096, 3)))
  await again.close()
})

test('a run that was killed leaves no good block refused, and says what it does not know', async t => {
  const folder = await scratch(t)
  const checksums = join(folder, 'sums')
  const below = lasting(256 * MIB)
  const first = new StoreExchange(await filter.open(below, { checksums }))
  await first.wrote(0, pattern(8192, 1))
  await first.wrote(128 * MIB, pattern(8192, 2))
  await first.close()
  const killed = new StoreExchange(await filter.open(below, { checksums }))
  await killed.wrote(0, pattern(4096, 3))
  await killed.flush()
  await killed.wrote(4096, pattern(4096, 4))
  await copyFile(checksums, join(folder, 'left'))
  const again = new StoreExchange(await filter.open(below, { checksums: join(folder, 'left') }))
  assert.match(again.store.note!, /^1 groups/)
  assert.ok((await again.bytes(0, 8192)).equals(Buffer.concat([pattern(4096, 3), pattern(4096, 4)])))
  await new StoreExchange(below).wrote(128 * MIB, Buffer.of(1, 2, 3))
  assert.equal((await again.read(128 * MIB, 512)).error, StoreError.medium, 'other groups are known')
  await again.close()
  const closed = new StoreExchange(await filter.open(below, { checksums: join(folder, 'left') }))
  assert.equal(closed.store.note, '')
  await closed.close()
  await killed.close()
})

test('what was given back, or failed, is not known any more', async () => {
  const below = new StandInStore({ size: MIB, maps: true, later: true })
  const exchange = new StoreExchange(await filter.open(below, {}))
  for (const call of ['discard', 'writeZeroes', 'anchor'] as const) {
    await exchange.wrote(0, pattern(16384, 1))
    assert.equal((await exchange.range(call, 4096, 8192)).error, StoreError.none)
    await exchange.bytes(0, 16384)
  }
  await exchange.wrote(0, pattern(8192, 1))
  below.failNext('write', StoreError.medium)
  assert.equal((await exchange.write(0, pattern(4096, 2))).error, StoreError.medium)
  await exchange.bytes(0, 8192)
  await exchange.close()
})

test('a storage that was cut and made longer has no old checksums', async t => {
  const open = await sides(t)
  const exchange = await open(lasting(2 * MIB))
  await exchange.wrote(MIB, pattern(MIB, 1))
  await exchange.store.resize!(MIB)
  await exchange.store.resize!(2 * MIB)
  assert.ok((await exchange.bytes(MIB, MIB)).equals(Buffer.alloc(MIB)))
  await exchange.close()
})

test('the storage may become longer or shorter while a write is under way', async () => {
  const waiting: (() => void)[] = []
  class Slow extends MemoryStore {
    override write(io: StoreIo): void {
      waiting.push(() => super.write(io))
    }
  }
  const exchange = new StoreExchange(await filter.open(new Slow(MIB + 512), {}))
  const { store } = exchange
  const short = exchange.wrote(MIB, pattern(512, 1))
  await store.resize!(MIB + 4096)
  waiting.shift()!()
  await short
  assert.ok((await exchange.bytes(MIB, 512)).equals(pattern(512, 1)), 'it is no damage that there is more')
  const whole = exchange.wrote(MIB, pattern(4096, 2))
  waiting.shift()!()
  await store.resize!(MIB + 512)
  await whole
  assert.ok((await exchange.bytes(MIB, 512)).equals(pattern(512, 2)))
  await exchange.close()
})

test('another medium below, or another size that comes by itself, leaves no old checksums', async () => {
  const below = new MemoryStore(2 * MIB)
  let tell: StoreWatcher = () => {}
  Object.assign(below, { watch: (told: StoreWatcher) => (tell = told) })
  const exchange = new StoreExchange(await filter.open(below, {}))
  const told: string[] = []
  exchange.store.watch!(event => told.push(event))
  const behind = new StoreExchange(below)
  await exchange.wrote(0, pattern(2 * MIB, 1))
  await below.resize(MIB)
  tell('resized')
  await below.resize(2 * MIB)
  tell('resized')
  await exchange.bytes(MIB, MIB)
  await behind.wrote(0, pattern(4096, 2))
  assert.equal((await exchange.read(0, 4096)).error, StoreError.medium)
  tell('returned')
  assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 2)))
  assert.deepEqual(told, ['resized', 'resized', 'returned'])
  await exchange.close()
})

test('if the blocks cannot be made durable, nothing is said of them', async t => {
  const below = new StandInStore({ size: MIB })
  const checksums = join(await scratch(t), 'sums')
  const exchange = new StoreExchange(await filter.open(below, { checksums }))
  await exchange.wrote(0, pattern(4096, 1))
  below.failNext('flush', StoreError.medium)
  await exchange.close()
  const again = await filter.open(new StandInStore({ size: MIB }), { checksums })
  assert.match(again.note!, /^1 groups/)
  await again.close()
})

test('checksums of another image are refused, unless it is the same that has moved', async t => {
  const checksums = join(await scratch(t), 'sums')
  const named = (identity: string): MemoryStore => Object.assign(lasting(), { identity })
  const open = (identity: string, checksumsmoved = false): Promise<BackingStore> =>
    filter.open(named(identity), { checksums, checksumsmoved })
  const other = { code: 'CHECKSUM_FILE', message: /belongs to "file:\/a\u00e4", not to "file:\/b"/ }
  await (await open('')).close()
  const first = new StoreExchange(await open('file:/a\u00e4'))
  await first.wrote(0, pattern(4096, 1))
  await first.close()
  await assert.rejects(open('file:/b'), other)
  const moved = new StoreExchange(await open('file:/b', true))
  assert.equal((await moved.read(0, 4096)).error, StoreError.medium, 'and has the checksums')
  await moved.close()
  await (await open('file:/b')).close()
  await (await open(`file:/${'long'.repeat(1000)}`, true)).close()
  await (await open('file:/b')).close()
  await assert.rejects(open('file:/a\u00e4'), { code: 'CHECKSUM_FILE' })
})

test('files that are no checksums, or of other blocks, are refused and left alone', async t => {
  const path = join(await scratch(t), 'other')
  await writeFile(path, 'something dear')
  const refused = { name: 'OperatorError', code: 'CHECKSUM_FILE' }
  await assert.rejects(filter.open(new MemoryStore(MIB), { checksums: path }), refused)
  assert.equal(await readFile(path, 'utf8'), 'something dear')
  await assert.rejects(filter.open(new MemoryStore(MIB), { checksums: '/nowhere/sums' }), refused)
  const sums = join(await scratch(t), 'sums')
  await (await filter.open(new MemoryStore(MIB), { checksums: sums })).close()
  await assert.rejects(filter.open(new MemoryStore(MIB), { checksums: sums, checksumblock: 512 }), refused)
  await assert.rejects(filter.open(new MemoryStore(2 ** 41), {}), { code: 'CHECKSUM_SIZE' })
  const own = Object.assign(new MemoryStore(MIB), { perNexus: true })
  await assert.rejects(filter.open(own, {}), { code: 'CHECKSUM_SHARED' })
})

test('a file of checksums belongs to one filter, and is no image and no FIFO', async t => {
  const folder = await scratch(t)
  const checksums = join(folder, 'sums')
  const refused = (path: string, code: string): Promise<void> =>
    assert.rejects(filter.open(new MemoryStore(MIB), { checksums: path }), { name: 'OperatorError', code })
  const first = await filter.open(new MemoryStore(MIB), { checksums })
  await refused(checksums, 'FILE_IN_USE')
  await first.close()
  await (await filter.open(new MemoryStore(MIB), { checksums })).close()
  const image = await openFile({ path: join(folder, 'disk'), size: 4096 })
  await refused(join(folder, 'disk'), 'FILE_IN_USE')
  await link(join(folder, 'disk'), join(folder, 'another-name'))
  await refused(join(folder, 'another-name'), 'FILE_IN_USE')
  await image.close()
  if (process.platform === 'win32') return
  execFileSync('mkfifo', [join(folder, 'fifo')])
  await refused(join(folder, 'fifo'), 'FILE_NOT_REGULAR')
})
