// SPDX-License-Identifier: Apache-2.0
// Mistyped names and what was meant by them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean } from './nearest.ts'

test('the nearest name is asked for, and none where nothing is near', () => {
  const names = ['readonly', 'block', 'size', 'serial', 'tls-ca']
  for (const [given, meant] of [
    ['raedonly', 'readonly'],
    ['read-only', 'readonly'],
    ['blocks', 'block'],
    ['sice', 'size'],
    ['tlsca', 'tls-ca'],
  ] as const)
    assert.equal(didYouMean(given, names), `did you mean '${meant}'? `)
  for (const given of ['colour', 'x', 'wait', '']) assert.equal(didYouMean(given, names), '', given)
  assert.equal(didYouMean('a', []), '')
})
