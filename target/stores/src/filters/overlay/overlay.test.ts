// SPDX-License-Identifier: Apache-2.0
// The filter overlay against the contract of a store: in memory, in a file, for each initiator, and on top of snapshots.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter as cache } from '../cache/filter.ts'
import { filter as checksum } from '../checksum/filter.ts'
import { filter } from './filter.ts'

const MIB = 1 << 20

/** A store of noise, so that what is below shows. */
async function noise(size = MIB + 5 * 512): Promise<MemoryStore> {
  const store = new MemoryStore(size)
  await new StoreExchange(store).wrote(0, pattern(size, 77))
  return store
}

const changed = (): void => undefined

storeSuite('overlay in memory', async () => filter.open(await noise(), {}))
storeSuite('overlay with grains of 64 KiB', async () => filter.open(await noise(), { grain: 65536 }))
storeSuite('overlay in a file', async context =>
  filter.open(await noise(), { upper: join(await scratch(context), 'upper') }),
)
storeSuite('overlay on snapshots', async context => {
  const store = await filter.open(await noise(), { upper: join(await scratch(context), 'upper') })
  const exchange = new StoreExchange(store)
  for (const name of ['second', 'third']) {
    await exchange.wrote(300_000, pattern(100_000, 5))
    await exchange.range('discard', 100_000, 200_000)
    await store.controls!['snapshot']!.run([join(await scratch(context), name)], changed)
  }
  return store
})

test('what is below stays as it was, and reset shows it again', async () => {
  const below = await noise()
  const before = await new StoreExchange(below).bytes(0, below.size)
  const store = await filter.open(below, {})
  const exchange = new StoreExchange(store)
  await exchange.wrote(1000, pattern(50_000, 1))
  await exchange.range('discard', 200_000, 100_000)
  await exchange.range('writeZeroes', below.size - 700, 700)
  assert.ok((await new StoreExchange(below).bytes(0, below.size)).equals(before))
  let told = 0
  await store.controls!['reset']!.run([], () => told++)
  assert.equal(told, 1)
  assert.ok((await exchange.bytes(0, below.size)).equals(before))
  await exchange.close()
})

test('changes in memory are bounded, and only the write that has no room fails', async () => {
  const store = await filter.open(await noise(), { most: 8 * 4096 })
  const exchange = new StoreExchange(store)
  await exchange.wrote(0, pattern(8 * 4096, 1))
  const { error, failedAt } = await exchange.write(40_960, pattern(4096, 2))
  assert.deepEqual([error, failedAt], [StoreError.noSpace, 40_960])
  await exchange.wrote(0, pattern(8 * 4096, 3))
  await exchange.range('discard', 4096, 4096)
  await exchange.wrote(40_960, pattern(4096, 4))
  assert.equal((await exchange.write(81_920, pattern(512, 5))).error, StoreError.noSpace)
  assert.ok((await exchange.bytes(40_960, 4096)).equals(pattern(4096, 4)))
  await exchange.close()
})

test('filters in front hear of a reset, or do not let it through', async () => {
  const cached = await cache.open(await filter.open(await noise(), {}), {})
  const exchange = new StoreExchange(cached)
  const before = await exchange.bytes(0, 8192)
  await exchange.wrote(0, pattern(8192, 1))
  assert.ok((await exchange.bytes(0, 8192)).equals(pattern(8192, 1)))
  await cached.controls!['reset']!.run([], changed)
  assert.ok((await exchange.bytes(0, 8192)).equals(before))
  await exchange.close()
  const summed = await checksum.open(await filter.open(await noise(), {}), {})
  assert.deepEqual(Object.keys(summed.controls!), ['commit', 'snapshot'])
  await summed.close()
})
