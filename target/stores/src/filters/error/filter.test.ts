// SPDX-License-Identifier: Apache-2.0
// The filter error against the contract without rules, and what its rules do to requests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { ErrorStore, filter } from './filter.ts'

const MIB = 1 << 20

storeSuite('error without rules', () => filter.open(new MemoryStore(MIB), {}))
storeSuite('error with delays', () => filter.open(new MemoryStore(MIB), { errors: 'delay:ms=1:percent=20' }))

test('what a rule meets fails, tells where, and does not reach the store below', async () => {
  const below = new MemoryStore(MIB)
  const store = new ErrorStore(
    below,
    ['medium:write:lba=8-9', 'busy:flush', 'sense=4/3e/1:read:lba=100'],
    512,
  )
  const exchange = new StoreExchange(store)
  const { error, failedAt } = await exchange.write(0, pattern(8192, 1))
  assert.deepEqual([error, failedAt], [StoreError.medium, 4096])
  assert.ok((await new StoreExchange(below).bytes(0, 8192)).equals(Buffer.alloc(8192)))
  assert.equal((await exchange.flush()).error, StoreError.busy)
  const io = exchange.io()
  io.offset = 51_200
  io.length = 512
  io.segments.push(Buffer.alloc(512))
  assert.equal((await exchange.put('read', io)).error, StoreError.sense)
  assert.deepEqual([io.sense?.key, io.sense?.asc], [4, 0x3e])
  const { run } = store.controls['errors']!
  const nothing = (): void => undefined
  assert.deepEqual(await run([], nothing), {
    'medium:write:lba=8-9': 1,
    'busy:flush': 1,
    'sense=4/3e/1:read:lba=100': 1,
  })
  await assert.rejects(run(['medium', 'noise'], nothing), { code: 'ERROR_RULE' })
  assert.equal((await exchange.flush()).error, StoreError.busy)
  assert.deepEqual(await run(['none'], nothing), {})
  await exchange.wrote(0, pattern(8192, 1))
  await exchange.close()
})
