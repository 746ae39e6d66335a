// SPDX-License-Identifier: Apache-2.0
// Every filter but the overlay, which has a size of its own, has the size of what is below, whoever changes it, and passes the news on.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type FilterType, type ParameterValues, StoreError, type StoreWatcher } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { MemoryStore } from '../memory/store.ts'
import { filter as cache } from './cache/filter.ts'
import { filter as checksum } from './checksum/filter.ts'
import { filter as delay } from './delay/filter.ts'
import { filter as encrypt } from './encrypt/filter.ts'
import { filter as error } from './error/filter.ts'
import { filter as readonly } from './readonly/filter.ts'
import { filter as throttle } from './throttle/filter.ts'
import { filter as trace } from './trace/filter.ts'

const MIB = 1 << 20

const FILTERS: readonly [FilterType, (folder: string) => ParameterValues][] = [
  [cache, () => ({})],
  [checksum, folder => ({ checksums: join(folder, 'sums') })],
  [delay, () => ({ delay: 1 })],
  [encrypt, folder => ({ keyfile: join(folder, 'key'), offset: 4096 })],
  [error, () => ({ errors: 'medium:read:lba=1-2:after=1000' })],
  [readonly, () => ({})],
  [throttle, () => ({ iops: 10_000 })],
  [trace, folder => ({ tracefile: join(folder, 'trace') })],
]

/** Somebody else may give it another size, of which it tells, or is asked. */
class Changing extends MemoryStore {
  wanted = 0
  tell: StoreWatcher = () => {}

  watch(told: StoreWatcher): void {
    this.tell = told
  }

  rescan(): Promise<void> {
    return this.resize(this.wanted)
  }
}

async function opened(t: TestContext, [type, keys]: (typeof FILTERS)[number]) {
  const folder = await scratch(t)
  await writeFile(join(folder, 'key'), randomBytes(64), { mode: 0o600 })
  const below = new Changing(2 * MIB)
  const exchange = new StoreExchange(await type.open(below, keys(folder)))
  return { below, exchange, before: 2 * MIB - exchange.store.size }
}

/** All bytes are there, and none behind them; what can be written is read back. */
async function reaches(exchange: StoreExchange, size: number): Promise<void> {
  const { store } = exchange
  assert.equal(store.size, size)
  const data = pattern(8192, size)
  if (store.canWrite) await exchange.wrote(size - 8192, data)
  const bytes = await exchange.bytes(size - 8192, 8192)
  if (store.canWrite) assert.ok(bytes.equals(data))
  assert.notEqual((await exchange.read(size, 512)).error, StoreError.none)
  if (store.canWrite) assert.notEqual((await exchange.write(size, pattern(512, 1))).error, StoreError.none)
}

for (const row of FILTERS) {
  const [{ name }] = row
  test(`${name}: another size that it is asked for`, async t => {
    const { below, exchange, before } = await opened(t, row)
    const { store } = exchange
    await reaches(exchange, 2 * MIB - before)
    assert.equal(store.resize === undefined, name === 'readonly')
    if (store.resize !== undefined) {
      for (const size of [3 * MIB, MIB, 2 * MIB]) {
        await store.resize(size)
        assert.equal(below.size, size + before)
        await reaches(exchange, size)
      }
      below.resize = async () => {
        throw new Error('it cannot')
      }
      await assert.rejects(store.resize(3 * MIB), /it cannot/)
      await reaches(exchange, 2 * MIB)
    }
    await exchange.close()
  })

  test(`${name}: another size below that is looked for, or tells of itself`, async t => {
    const { below, exchange, before } = await opened(t, row)
    const { store } = exchange
    const told: string[] = []
    store.watch!(event => told.push(`${event} ${store.size}`))
    await reaches(exchange, 2 * MIB - before)
    for (const size of [3 * MIB, MIB]) {
      below.wanted = size
      await store.rescan!()
      await reaches(exchange, size - before)
    }
    for (const size of [4 * MIB, MIB]) {
      await below.resize(size)
      below.tell('resized')
      await reaches(exchange, size - before)
    }
    assert.deepEqual(told, [`resized ${4 * MIB - before}`, `resized ${MIB - before}`])
    await exchange.close()
  })
}
