// SPDX-License-Identifier: Apache-2.0
// An overlay's file after a loss of power: any part of what was written since the last flush may be missing, in any order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BackingStore, StoreError, type StoreIo } from '@lunkit/target-api'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { MemoryStore } from '../../memory/store.ts'
import { type Call, PassingStore } from '../passing.ts'
import { ask } from './ask.ts'
import { FileChanges } from './file-changes.ts'
import { fileBytes, type Header } from './file-format.ts'
import { OverlayStore } from './overlay-store.ts'
import { baseView, SharedView } from './views.ts'

const SECTOR = 512
const SIZE = 96 * SECTOR
const GRAIN = 4096
const HEADER: Header = { grain: GRAIN, size: SIZE, base: '', baseSize: SIZE, id: 'x' }

/** Numbers from 0 to below `below`, the same for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A file that forgets: writes are on the disk by chance until they are flushed, sector by sector. */
class Forgetful extends PassingStore {
  /** What the disk has for sure, and writes since. */
  readonly durable: MemoryStore
  #pending: { readonly offset: number; readonly bytes: Buffer }[] = []

  constructor(now: MemoryStore, durable: MemoryStore) {
    super(now, ['copy'])
    this.durable = durable
  }

  protected override pass(call: Call, io: StoreIo): void {
    if (call === 'write') this.#note(io.offset, Buffer.concat(io.segments), io.forceUnitAccess)
    if (call === 'discard') this.#note(io.offset, Buffer.alloc(io.length), false)
    if (call === 'flush') this.settle(() => true)
    super.pass(call, io)
  }

  #note(offset: number, bytes: Buffer, forced: boolean): void {
    for (let at = 0; at < bytes.length; at += SECTOR) {
      const one = { offset: offset + at, bytes: bytes.subarray(at, at + SECTOR) }
      if (forced) {
        this.#pending = this.#pending.filter(other => other.offset !== one.offset)
        void ask(this.durable, 'write', one)
      } else this.#pending.push(one)
    }
  }

  /** Puts those sectors on the disk that `lives` says, in order, and forgets the others. */
  settle(lives: () => boolean): void {
    for (const one of this.#pending) if (lives()) void ask(this.durable, 'write', one)
    this.#pending = []
  }
}

const open = (below: BackingStore, changes: FileChanges): StoreExchange =>
  new StoreExchange(
    new OverlayStore(new SharedView({ ...baseView(below, GRAIN), layers: [changes] }), {
      below,
      size: SIZE,
      grain: GRAIN,
      identity: '',
      volatileCache: true,
      perNexus: false,
      note: '',
    }),
  )

async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = new MemoryStore(store.size)
  await new StoreExchange(copy).copy(store, 0, 0, store.size)
  return copy
}

/** Every value that each sector has had since it was last durable. */
class Allowed {
  readonly #values: Buffer[][] = []

  constructor(all: Buffer) {
    for (let at = 0; at < all.length; at += SECTOR)
      this.#values.push([Buffer.from(all.subarray(at, at + SECTOR))])
  }

  add(offset: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += SECTOR)
      this.#values[(offset + at) / SECTOR]!.push(Buffer.from(bytes.subarray(at, at + SECTOR)))
  }

  flushed(): void {
    for (const values of this.#values) values.splice(0, values.length - 1)
  }

  durable(sector: number, sectors: number): void {
    for (const values of this.#values.slice(sector, sector + sectors)) values.splice(0, values.length - 1)
  }

  check(all: Buffer, what: string): void {
    for (const [sector, values] of this.#values.entries()) {
      const found = all.subarray(sector * SECTOR, (sector + 1) * SECTOR)
      assert.ok(
        values.some(value => value.equals(found)),
        `${what}: sector ${sector} is none of the ${values.length} that it may be`,
      )
    }
  }
}

test('after a loss of power each sector is as it was durable, or as it was written since', async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const next = random(seed * 7919)
    const below = new MemoryStore(SIZE)
    await new StoreExchange(below).wrote(0, pattern(SIZE, 1000 + seed))
    let disk = new MemoryStore(fileBytes(SIZE, GRAIN))
    const allowed = new Allowed(pattern(SIZE, 1000 + seed))
    // Several lives of the machine, one after another.
    for (let life = 0; life < 3; life++) {
      const file = new Forgetful(await copyOf(disk), disk)
      const changes = new FileChanges('upper', file, HEADER)
      await changes.load(false)
      const exchange = open(below, changes)
      const now = await exchange.bytes(0, SIZE)
      allowed.check(now, `seed ${seed}, life ${life}`)
      // What is read now is what there is: it cannot change any more.
      allowed.add(0, now)
      await exchange.flush()
      allowed.flushed()
      for (let step = 0; step < 12; step++) {
        const sector = next(SIZE / SECTOR)
        const sectors = 1 + next(Math.min(24, SIZE / SECTOR - sector))
        const what = next(6)
        const bytes =
          what >= 4 ? Buffer.alloc(sectors * SECTOR) : pattern(sectors * SECTOR, seed * 100 + step)
        // A flush, alone or with a write beside it that it need not reach.
        const flush = what === 3 || what >= 8 ? exchange.flush() : null
        if (flush !== null) allowed.flushed()
        if (what === 3) {
          await flush
          continue
        }
        allowed.add(sector * SECTOR, bytes)
        if (what === 4 || what === 5) await exchange.range('discard', sector * SECTOR, bytes.length)
        else await exchange.wrote(sector * SECTOR, bytes, [], what === 2 || what === 6)
        if (what === 2 || what === 6) allowed.durable(sector, sectors)
        await flush
      }
      // The end comes amid a flush, and a write that is newer.
      void exchange.flush()
      const sector = next(SIZE / SECTOR)
      allowed.add(sector * SECTOR, pattern(SECTOR, life))
      void exchange.write(sector * SECTOR, pattern(SECTOR, life))
      for (let turns = next(16); turns > 0; turns--) await Promise.resolve()
      file.settle(() => next(2) === 1)
      disk = file.durable
    }
  }
})

test('a flush that fails tells it, and what it was to make durable is tried again by the next', async () => {
  const below = new MemoryStore(SIZE)
  const disk = new MemoryStore(fileBytes(SIZE, GRAIN))
  let failing: string | null = null
  class Failing extends PassingStore {
    protected override pass(call: Call, io: StoreIo): void {
      if (failing === call) io.finish(StoreError.noSpace)
      else super.pass(call, io)
    }
  }
  const changes = new FileChanges('upper', new Failing(disk), HEADER)
  const exchange = open(below, changes)
  for (const call of ['flush', 'write']) {
    await exchange.wrote(0, pattern(GRAIN, 1))
    failing = call
    assert.equal((await exchange.flush()).error, StoreError.noSpace)
    failing = null
    assert.equal((await exchange.flush()).error, StoreError.none)
    const again = new FileChanges('upper', new PassingStore(await copyOf(disk)), HEADER)
    await again.load(false)
    assert.ok((await open(below, again).bytes(0, GRAIN)).equals(pattern(GRAIN, 1)))
    await exchange.range('discard', 0, GRAIN)
    await exchange.flush()
  }
})

test('a full disk refuses a write and loses nothing', async () => {
  const below = new MemoryStore(SIZE)
  await new StoreExchange(below).wrote(0, pattern(SIZE, 5))
  let room = 2
  class Full extends PassingStore {
    protected override pass(call: Call, io: StoreIo): void {
      if (call === 'write' && io.length >= GRAIN && room-- <= 0) io.finish(StoreError.noSpace)
      else super.pass(call, io)
    }
  }
  const exchange = open(
    below,
    new FileChanges('upper', new Full(new MemoryStore(fileBytes(SIZE, GRAIN))), HEADER),
  )
  await exchange.wrote(0, pattern(SECTOR, 1))
  await exchange.wrote(GRAIN, pattern(SECTOR, 2))
  const before = await exchange.bytes(0, SIZE)
  const { error, failedAt } = await exchange.write(3 * GRAIN + SECTOR, pattern(SECTOR, 3))
  assert.deepEqual([error, failedAt], [StoreError.noSpace, -1])
  assert.ok((await exchange.bytes(0, SIZE)).equals(before))
  await exchange.wrote(SECTOR, pattern(SECTOR, 4))
  assert.equal((await exchange.flush()).error, StoreError.none)
})
