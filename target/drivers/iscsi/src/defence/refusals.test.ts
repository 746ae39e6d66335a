// SPDX-License-Identifier: Apache-2.0
// Events for what is refused: the first at once, further ones counted, and none forgotten.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TargetEvent } from '@lunkit/target-api'
import { Refusals } from './refusals.ts'

test('a flood gives an event now and then, with its number', () => {
  const events: TargetEvent[] = []
  let waiting: (() => void)[] = []
  const refusals = new Refusals(
    event => void events.push(event),
    act => {
      waiting.push(act)
      return () => {
        waiting = waiting.filter(one => one !== act)
      }
    },
  )
  const pass = (): void => {
    for (const act of waiting.splice(0)) act()
  }
  const told = (): unknown[] =>
    events
      .splice(0)
      .map(event => (event.type === 'refused' ? [event.reason, event.address, event.count] : event))
  for (let i = 0; i < 1000; i++) refusals.add('one', `a${i}`)
  refusals.add('two', 'b')
  assert.deepEqual(told(), [
    ['one', 'a0', 1],
    ['two', 'b', 1],
  ])
  pass()
  // What came meanwhile is told at the end of that time, even if nothing more comes.
  assert.deepEqual(told(), [['one', 'a999', 999]])
  refusals.add('two', 'c')
  assert.deepEqual(told(), [['two', 'c', 1]])
  pass()
  assert.deepEqual(told(), [])
  pass()
  refusals.add('one', 'd')
  refusals.add('one', 'e')
  assert.deepEqual(told(), [['one', 'd', 1]])
  refusals.close()
  assert.deepEqual(told(), [['one', 'e', 1]])
  assert.equal(waiting.length, 0)
})
