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
  budget.spent(1, 3)
  assert.ok(!budget.allows(52))
  assert.ok(budget.allows(53))
  budget.spent(53, 55)
  assert.ok(!budget.allows(154))
  assert.ok(budget.allows(155))
  budget.spent(155, 155.5)
  budget.spent(156, 158)
  assert.ok(budget.allows(208), 'a quick call begins anew')
  let now = 1000
  for (let i = 0; i < 20; i++) {
    budget.spent(now, now + 10)
    now += 3210
    assert.ok(budget.allows(now), 'no pause is longer than 3.2 s')
  }
})

test('quick calls between slow ones do not let these take more than a twentieth of the time', () => {
  const budget = new InlineBudget(1)
  let lost = 0
  let now = 0
  while (now < 100_000) {
    if (!budget.allows(now)) {
      now += 1
      continue
    }
    budget.spent(now, now + 0.01)
    budget.spent(now, now + 50)
    lost += 50
    now += 50
  }
  assert.ok(lost <= now / 20, `${lost} of ${now} ms`)
})
