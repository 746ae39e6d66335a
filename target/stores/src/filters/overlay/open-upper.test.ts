// SPDX-License-Identifier: Apache-2.0
// Files of overlays: which are taken, which go on from which, and which are refused and left as they are.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BackingStore, ParameterValues } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { MemoryStore } from '../../memory/store.ts'
import { PassingStore } from '../passing.ts'
import { type Header, headerBytes, readHeader } from './file-format.ts'
import { filter } from './filter.ts'

const MIB = 1 << 20
const GRAIN = 512
const changed = (): void => undefined

/** A store below that has a name, and the same bytes each time. */
class Named extends PassingStore {
  readonly #name: string

  constructor(name = 'file:/base.img', size = MIB) {
    super(new MemoryStore(size))
    this.#name = name
  }

  override get identity(): string {
    return this.#name
  }
}

async function base(identity?: string, size?: number): Promise<BackingStore> {
  const store = new Named(identity, size)
  await new StoreExchange(store).wrote(0, pattern(size ?? MIB, 4))
  return store
}

async function opened(
  upper: string,
  values: ParameterValues = {},
  below?: BackingStore,
): Promise<StoreExchange> {
  return new StoreExchange(await filter.open(below ?? (await base()), { upper, ...values }))
}

async function made(t: TestContext): Promise<{ folder: string; upper: string }> {
  const folder = await scratch(t)
  const upper = join(folder, 'upper')
  const exchange = await opened(upper, { grain: GRAIN })
  await exchange.wrote(GRAIN, pattern(GRAIN, 1))
  await exchange.range('discard', 4 * GRAIN, GRAIN)
  await exchange.close()
  return { folder, upper }
}

const snapshot = (exchange: StoreExchange, path: string) =>
  exchange.store.controls!['snapshot']!.run([path], changed)

test('changes are there again, with the grain of the file', async t => {
  const { upper } = await made(t)
  const exchange = await opened(upper, { grain: 65536 })
  assert.equal(exchange.store.discardGranularity, GRAIN)
  assert.ok((await exchange.bytes(GRAIN, GRAIN)).equals(pattern(GRAIN, 1)))
  assert.ok((await exchange.bytes(4 * GRAIN, GRAIN)).equals(Buffer.alloc(GRAIN)))
  assert.ok((await exchange.bytes(0, GRAIN)).equals(pattern(MIB, 4).subarray(0, GRAIN)))
  await exchange.close()
})

test('what belongs to something else, or is damaged, is refused and stays as it is', async t => {
  const { folder, upper } = await made(t)
  const whole = readFileSync(upper)
  const other = join(folder, 'other')
  const refused = async (code: string, spoil: (bytes: Buffer) => Buffer, below?: BackingStore) => {
    const bytes = spoil(Buffer.from(whole))
    writeFileSync(other, bytes)
    await assert.rejects(opened(other, {}, below), { code })
    assert.ok(readFileSync(other).equals(bytes), code)
  }
  const header = readHeader(whole.subarray(0, 4096)) as Header
  const withHeader = (change: Partial<Header>) => (bytes: Buffer) => {
    headerBytes({ ...header, ...change }).copy(bytes, 0, 0, 2048)
    return bytes
  }
  await refused('OVERLAY_BASE', bytes => bytes, await base('file:/other.img'))
  await refused('OVERLAY_BASE', bytes => bytes, await base('file:/base.img', 2 * MIB))
  await refused('OVERLAY_NONE', () => Buffer.from('a disk image, perhaps'))
  await refused('OVERLAY_NONE', bytes => bytes.fill(0))
  await refused('OVERLAY_DAMAGED', bytes => bytes.fill('x', 30, 40))
  await refused('OVERLAY_DAMAGED', bytes => bytes.subarray(0, 100_000))
  await refused('OVERLAY_DAMAGED', bytes => bytes.fill(0xff, 4096, 4097))
  await refused('OVERLAY_DAMAGED', withHeader({ grain: 1000 }))
  await refused('OVERLAY_DAMAGED', withHeader({ grain: 1 << 30 }))
  await refused('OVERLAY_DAMAGED', withHeader({ id: 7 as unknown as string }))
  await refused('OVERLAY_DAMAGED', withHeader({ size: 0.5 }))
  await refused('OVERLAY_DAMAGED', withHeader({ size: 1 << 30 }))
  await refused('OVERLAY_DAMAGED', bytes => bytes.fill('{', 3072, 3080))
  await refused('FILE_MISSING', withHeader({ parent: { path: 'nowhere', id: 'x' } }))
  const taken = await opened(upper, { moved: true }, await base('file:/other.img'))
  await assert.rejects(opened(upper), { code: 'FILE_IN_USE' })
  await taken.close()
  for (const values of [
    { grain: 1000 },
    { grain: 256 },
    { most: 100 },
    { per: 'initiator', upper },
    { from: upper },
  ] as const) {
    await assert.rejects(filter.open(await base(), values), { code: /^OVERLAY_/ })
  }
})

test('a file whose making or clearing was cut short is taken as empty', async t => {
  const { folder, upper } = await made(t)
  truncateSync(upper, 4096)
  const cleared = await opened(upper)
  assert.ok((await cleared.bytes(0, MIB)).equals(pattern(MIB, 4)))
  await cleared.close()
  writeFileSync(join(folder, 'empty'), Buffer.alloc(4096))
  const empty = await opened(join(folder, 'empty'))
  await empty.wrote(0, pattern(512, 1))
  await empty.close()
})

test('snapshots go on from each other, wherever they lie, and branch', async t => {
  const { folder, upper } = await made(t)
  const second = join(folder, 'second')
  const exchange = await opened(upper)
  await snapshot(exchange, second)
  await assert.rejects(snapshot(exchange, upper), { code: 'OVERLAY_EXISTS' })
  await exchange.wrote(2 * GRAIN + 200, pattern(200, 2))
  const now = await exchange.bytes(0, MIB)
  await exchange.close()
  await assert.rejects(opened(upper), { code: 'OVERLAY_FROZEN' })
  await assert.rejects(opened(join(folder, 'x'), { from: second }), { code: 'OVERLAY_FROZEN' })
  const moved = join(folder, 'moved')
  mkdirSync(moved)
  for (const name of ['upper', 'second']) renameSync(join(folder, name), join(moved, name))
  const [there, from] = [join(moved, 'second'), join(moved, 'upper')]
  const again = await opened(there)
  assert.ok((await again.bytes(0, MIB)).equals(now))
  // Another branch, while the first is used.
  const branch = await opened(join(folder, 'branch'), { from })
  assert.ok((await branch.bytes(GRAIN, GRAIN)).equals(pattern(GRAIN, 1)))
  assert.ok((await branch.bytes(2 * GRAIN, GRAIN)).equals(pattern(MIB, 4).subarray(2 * GRAIN, 3 * GRAIN)))
  await branch.wrote(GRAIN, pattern(GRAIN, 9))
  await branch.close()
  await again.store.controls!['reset']!.run([], changed)
  assert.ok((await again.bytes(GRAIN, GRAIN)).equals(pattern(GRAIN, 1)))
  await again.close()
  const once = await opened(join(folder, 'branch'), { from })
  assert.ok((await once.bytes(GRAIN, GRAIN)).equals(pattern(GRAIN, 9)))
  await once.close()
  await assert.rejects(opened(join(folder, 'branch'), { from: there }), { code: 'OVERLAY_EXISTS' })
})

test('another size is kept, over snapshots too, and nothing that was cut off comes back', async t => {
  const { folder, upper } = await made(t)
  const size = MIB + 300_000
  let exchange = await opened(upper)
  await exchange.store.resize!(size)
  await exchange.wrote(size - 512, pattern(512, 3))
  await snapshot(exchange, join(folder, 'second'))
  await exchange.close()
  exchange = await opened(join(folder, 'second'))
  assert.equal(exchange.store.size, size)
  assert.ok((await exchange.bytes(size - 512, 512)).equals(pattern(512, 3)))
  assert.ok((await exchange.bytes(MIB, 1000)).equals(Buffer.alloc(1000)))
  await exchange.store.resize!(700)
  await exchange.close()
  exchange = await opened(join(folder, 'second'))
  assert.equal(exchange.store.size, 700)
  assert.ok((await exchange.bytes(512, 188)).equals(pattern(GRAIN, 1).subarray(0, 188)))
  await exchange.store.resize!(size)
  assert.ok((await exchange.bytes(700, size - 700)).equals(Buffer.alloc(size - 700)))
  await assert.rejects(exchange.store.resize!(2 ** 50), { code: 'OVERLAY_SIZE' })
  await exchange.close()
})

test('a commit makes the store below as long as the overlay has become', async t => {
  const { upper } = await made(t)
  const below = new Named()
  const kept = new StoreExchange(below)
  const exchange = await opened(upper, {}, below)
  await exchange.store.resize!(2 * MIB)
  await exchange.wrote(2 * MIB - 512, pattern(512, 8))
  await exchange.store.controls!['commit']!.run([], changed)
  assert.equal(below.size, 2 * MIB)
  assert.ok((await kept.bytes(0, 2 * MIB)).equals(await exchange.bytes(0, 2 * MIB)))
  await exchange.close()
  const again = await opened(upper, {}, await base(undefined, 2 * MIB))
  assert.equal(again.store.size, 2 * MIB)
  await again.close()
})

test('a parent that is not what it was is refused', async t => {
  const { folder, upper } = await made(t)
  const exchange = await opened(upper)
  await snapshot(exchange, join(folder, 'second'))
  await exchange.close()
  const fresh = await opened(join(folder, 'fresh'), { grain: GRAIN })
  await fresh.close()
  copyFileSync(join(folder, 'fresh'), upper)
  await assert.rejects(opened(join(folder, 'second')), {
    code: 'OVERLAY_DAMAGED',
    message: /not what it was/,
  })
})
