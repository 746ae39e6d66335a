// SPDX-License-Identifier: Apache-2.0
// When calls are made inline, and when they go to the threads.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InlineBudget } from './inline-budget.ts'

test('a slow inline call sends its successors away, for longer while they stay slow', () => {
  const budget = new InlineBudget(1)
  assert.ok(budget.allows(0))
  budget.spent(0, 0.5)
  assert.ok(budget.allows(1))
  budget.spent(1, 11)
  assert.ok(!budget.allows(60))
  assert.ok(budget.allows(61))
  budget.spent(61, 71)
  assert.ok(!budget.allows(170))
  assert.ok(budget.allows(171))
  budget.spent(171, 171.5)
  budget.spent(172, 182)
  assert.ok(budget.allows(232), 'a quick call begins anew')
  let now = 1000
  for (let i = 0; i < 20; i++) {
    budget.spent(now, now + 10)
    now += 3210
    assert.ok(budget.allows(now), 'no pause is longer than 3.2 s')
  }
})
