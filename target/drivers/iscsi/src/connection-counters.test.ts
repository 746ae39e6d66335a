// SPDX-License-Identifier: Apache-2.0
// Counters: sums over several connections.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionCounters } from './connection-counters.ts'

test('sums add every number but round trips, of which the last and the longest count', () => {
  const one = new ConnectionCounters()
  const other = new ConnectionCounters()
  const names = Object.keys(one) as (keyof ConnectionCounters)[]
  for (const [i, name] of names.entries()) {
    Object.assign(one, { [name]: i + 1 })
    Object.assign(other, { [name]: 100 })
  }
  one.longestRoundTripMs = 500
  const sum = new ConnectionCounters()
  sum.add(one)
  sum.add(other)
  const expected = Object.fromEntries(names.map((name, i) => [name, i + 101]))
  assert.deepEqual({ ...sum }, { ...expected, roundTripMs: 100, longestRoundTripMs: 500 })
})

test('a connection without an answered ping leaves the round trip of the others', () => {
  const sum = new ConnectionCounters()
  sum.pinged()
  sum.answered()
  const before = sum.roundTripMs
  assert.ok(before > 0)
  sum.add(new ConnectionCounters())
  assert.equal(sum.roundTripMs, before)
})

test('an answer to no ping is not counted', () => {
  const one = new ConnectionCounters()
  one.answered()
  one.pinged()
  one.answered()
  one.answered()
  assert.equal(one.pings, 1)
  assert.equal(one.pingsAnswered, 1)
  assert.equal(one.longestRoundTripMs, one.roundTripMs)
})
