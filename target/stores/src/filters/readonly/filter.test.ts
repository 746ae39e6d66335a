// SPDX-License-Identifier: Apache-2.0
// The filter readonly against the contract: reads pass, nothing else does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter } from './filter.ts'

storeSuite('readonly', () => filter.open(new MemoryStore(1 << 20), {}))

test('what is below is read, and stays as it was', async () => {
  const below = new MemoryStore(1 << 20)
  const data = Buffer.alloc(4096, 7)
  await new StoreExchange(below).wrote(8192, data)
  const exchange = new StoreExchange(await filter.open(below, {}))
  assert.ok((await exchange.bytes(8192, 4096)).equals(data))
  await exchange.write(8192, Buffer.alloc(4096, 9))
  assert.ok((await exchange.bytes(8192, 4096)).equals(data))
  await exchange.close()
})
