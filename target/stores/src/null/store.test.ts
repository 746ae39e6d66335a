// SPDX-License-Identifier: Apache-2.0
// The null store against the contract, and its keys.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError, readParameters } from '@lunkit/target-api'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { store } from './store.ts'

storeSuite('null', () => store.open(readParameters('null', store.parameters, { size: '8M' })), {
  forgets: true,
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
