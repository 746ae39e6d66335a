// SPDX-License-Identifier: Apache-2.0
// When calls are made inline, and when they go to the threads.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InlineBudget } from './inline-budget.ts'

test('a call that is slow now and then does no harm', () => {
  const budget = new InlineBudget(1)
  for (let now = 0; now < 100_000; now += 100) {
    assert.ok(budget.allows(now))
    budget.spent(now, now + 0.9)
    budget.spent(now + 1, now + 5)
  }
})

test('slow calls send their successors away until time has paid for them', () => {
  const budget = new InlineBudget(1)
  budget.spent(0, 30)
  assert.ok(!budget.allows(30))
  assert.ok(!budget.allows(429))
  assert.ok(budget.allows(431))
  budget.spent(431, 451)
  assert.ok(!budget.allows(451))
  assert.ok(budget.allows(5000))
})

test('quick calls between slow ones do not let these take more than a twentieth of the time', () => {
  for (const slow of [2, 8, 50, 300]) {
    const budget = new InlineBudget(1)
    let lost = 0
    let now = 0
    while (now < 100_000) {
      if (!budget.allows(now)) {
        now += 1
        continue
      }
      budget.spent(now, now + 0.01)
      budget.spent(now, now + slow)
      lost += slow
      now += slow
    }
    assert.ok(lost <= now / 20 + 10 + slow, `${lost} of ${now} ms`)
  }
})
