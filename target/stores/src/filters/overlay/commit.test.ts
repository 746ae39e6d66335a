// SPDX-License-Identifier: Apache-2.0
// Commits: what was in the view is below, byte for byte, whatever is written meanwhile and wherever it fails.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { MemoryStore } from '../../memory/store.ts'
import { type Call, PassingStore } from '../passing.ts'
import { filter } from './filter.ts'

const SIZE = (4 << 20) + 1536
const changed = (): void => undefined

async function noise(): Promise<MemoryStore> {
  const store = new MemoryStore(SIZE)
  await new StoreExchange(store).wrote(0, pattern(SIZE, 6))
  return store
}

async function change(exchange: StoreExchange, seed: number): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const offset = ((i * 7919 + seed * 104729) * 512) % (SIZE - 40_000)
    if (i % 5 === 0) await exchange.range('discard', offset, 33_000)
    else await exchange.wrote(offset, pattern(512 + i * 600, seed + i))
  }
  await exchange.wrote(SIZE - 700, pattern(700, seed))
}

/** Answers later, and may fail. */
class Slow extends PassingStore {
  failing: Call | null = null

  protected override pass(call: Call, io: StoreIo): void {
    setImmediate(() => {
      if (this.failing === call) io.finish(StoreError.noSpace)
      else super.pass(call, io)
    })
  }
}

for (const where of ['memory', 'a file'] as const) {
  test(`all changes in ${where} and its snapshots are below, with what was written meanwhile`, async t => {
    const memory = await noise()
    const below = new Slow(memory)
    const folder = await scratch(t)
    const inFile = where === 'a file'
    const upper = join(folder, 'upper')
    const store = await filter.open(below, inFile ? { upper } : {})
    const exchange = new StoreExchange(store)
    const { commit, snapshot } = store.controls! as Record<string, NonNullable<typeof store.controls>[string]>
    await change(exchange, 1)
    await snapshot!.run(inFile ? [join(folder, 'second')] : [], changed)
    await change(exchange, 2)
    below.failing = 'write'
    const before = await exchange.bytes(0, SIZE)
    await assert.rejects(commit!.run([], changed), { code: 'COMMIT' })
    below.failing = null
    assert.ok((await exchange.bytes(0, SIZE)).equals(before))
    let over = false
    const committed = commit!.run([], changed).finally(() => (over = true))
    for (let seed = 3; !over && seed < 8; seed++) await change(exchange, seed)
    await committed
    await change(exchange, 20)
    await commit!.run([], changed)
    const view = await exchange.bytes(0, SIZE)
    assert.ok((await new StoreExchange(memory).bytes(0, SIZE)).equals(view))
    assert.deepEqual(await store.controls!['reset']!.run([], changed), { discardedBytes: 0 })
    // What is written from now on lies on top of nothing older.
    await exchange.wrote(0, pattern(5000, 9))
    assert.ok((await new StoreExchange(memory).bytes(0, SIZE)).equals(view))
    await exchange.flush()
    if (inFile) {
      await store.close()
      const again = new StoreExchange(await filter.open(memoryAgain(view), { upper: join(folder, 'second') }))
      assert.ok((await again.bytes(0, 5000)).equals(pattern(5000, 9)))
      assert.ok((await again.bytes(5000, SIZE - 5000)).equals(view.subarray(5000)))
      await again.close()
    }
  })
}

/** `close` has emptied the store below. */
function memoryAgain(bytes: Buffer): MemoryStore {
  const store = new MemoryStore(SIZE)
  void new StoreExchange(store).wrote(0, bytes)
  return store
}

test('beyond the old end nothing is committed where what is new is no zeros', async () => {
  const below = Object.assign(await noise(), { grownReadsAnything: true })
  const store = await filter.open(below, {})
  await store.resize!(SIZE + 4096)
  await assert.rejects(store.controls!['commit']!.run([], changed), { code: 'BASE_SIZE' })
  assert.equal(below.size, SIZE)
  await store.close()
})
