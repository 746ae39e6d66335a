// SPDX-License-Identifier: Apache-2.0
// The null store against the contract, and its keys.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError, readParameters } from '@lunkit/target-api'
import { StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { store } from './store.ts'

storeSuite('null', () => store.open(readParameters('null', store.parameters, { size: '8M' })), {
  forgets: true,
})

test('without zeros it reads what means nothing, promises no zeros, and shows no old memory', async () => {
  const opened = await store.open(readParameters('null', store.parameters, { size: '1M', read_zero: 'no' }))
  const exchange = new StoreExchange(opened)
  assert.equal(opened.discardedReadsZero, false)
  await exchange.wrote(0, Buffer.alloc(4096, 7))
  assert.ok((await exchange.bytes(0, 1000, 3096)).equals(Buffer.alloc(4096, 0xa5)))
  await exchange.close()
  assert.throws(() => readParameters('null', store.parameters, { read_zero: 'often' }), {
    code: 'PARAMETER_VALUE',
  })
})

test('a null store has a tebibyte unless told otherwise', async () => {
  const opened = await store.open(readParameters('null', store.parameters, {}))
  assert.equal(opened.size, 2 ** 40)
  await opened.close()
})

test('a null store of no bytes is refused', async () => {
  await assert.rejects(
    store.open({ size: 0 }),
    (error: unknown) => error instanceof OperatorError && error.code === 'NULL_SIZE' && error.hint !== '',
  )
})
