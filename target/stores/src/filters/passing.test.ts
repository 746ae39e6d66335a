// SPDX-License-Identifier: Apache-2.0
// A filter that does nothing keeps the contract, and offers exactly what the store below offers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackingStore } from '@lunkit/target-api'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../memory/store.ts'
import { fromObject } from '../object/store.ts'
import { PassingStore } from './passing.ts'

const MAY = [
  'discard',
  'writeZeroes',
  'anchor',
  'map',
  'atomicWrite',
  'discardGranularity',
  'discardedReadsZero',
  'discardDestroys',
  'usage',
  'copiesFrom',
  'copy',
  'resize',
  'rescan',
  'abort',
] as const

const offered = (store: BackingStore): string[] => MAY.filter(name => store[name] !== undefined)

storeSuite('passing filter', async () => new PassingStore(new MemoryStore(1 << 20)))

test('what the store below lacks, the filter lacks', async () => {
  const memory = new MemoryStore(1 << 20)
  const plain = fromObject({ size: 1 << 20, read: () => {} })
  for (const below of [memory, plain]) {
    const above = new PassingStore(below)
    assert.deepEqual(offered(above), offered(below))
    assert.deepEqual([above.discards, above.writesZeroes], [below.discards, below.writesZeroes])
    await above.close()
  }
})

test('what is left out is not there, and nothing claims it', async () => {
  const above = new PassingStore(new MemoryStore(1 << 20), ['discard', 'writeZeroes', 'copy', 'atomicWrite'])
  for (const name of ['discard', 'writeZeroes', 'copy', 'copiesFrom', 'atomicWrite'] as const) {
    assert.equal(above[name], undefined)
  }
  assert.deepEqual([above.discards, above.writesZeroes], ['none', 'emulated'])
  await above.close()
})
