// SPDX-License-Identifier: Apache-2.0
// Events for what is refused: the first at once, further ones counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TargetEvent } from '@lunkit/target-api'
import { REFUSAL_EVENT_MS, Refusals } from './refusals.ts'

test('a flood gives an event now and then, with its number', () => {
  const events: TargetEvent[] = []
  let now = 0
  const refusals = new Refusals(
    event => void events.push(event),
    () => now,
  )
  for (let i = 0; i < 1000; i++) refusals.add('one', `a${i}`)
  refusals.add('two', 'b')
  now = REFUSAL_EVENT_MS
  refusals.add('one', 'c')
  assert.deepEqual(events, [
    { type: 'refused', address: 'a0', reason: 'one', count: 1 },
    { type: 'refused', address: 'b', reason: 'two', count: 1 },
    { type: 'refused', address: 'c', reason: 'one', count: 1000 },
  ])
})
