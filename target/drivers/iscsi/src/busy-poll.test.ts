// SPDX-License-Identifier: Apache-2.0
// How long the loop is kept from sleeping: while it pays, and no longer.
import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import { type TestContext, test } from 'node:test'
import { BusyPoll } from './busy-poll.ts'

/** A clock and a loop that the test turns: `turn` moves the clock by some milliseconds and runs what was to be run. */
function loop(t: TestContext) {
  let now = 1000
  let next: (() => void) | null = null
  t.mock.method(performance, 'now', () => now)
  t.mock.method(globalThis, 'setImmediate', (act: () => void) => {
    assert.equal(next, null, 'one turn at a time')
    next = act
  })
  return {
    pass(ms: number): void {
      now += ms
    },
    get isKeptAwake(): boolean {
      return next !== null
    },
    turn(ms: number): void {
      now += ms
      const act = next
      next = null
      act?.()
    },
  }
}

test('it looks for its moment after work, and anew after more work', t => {
  const it = loop(t)
  const poll = new BusyPoll(100)
  assert.equal(it.isKeptAwake, false)
  poll.worked()
  for (const ms of [0.05, 0.04]) {
    it.turn(ms)
    assert.ok(it.isKeptAwake)
  }
  poll.worked()
  it.turn(0.05)
  it.turn(0.09)
  assert.ok(it.isKeptAwake, 'from the last work on')
  it.turn(0.02)
  assert.equal(it.isKeptAwake, false)
})

test('with no time it never looks', t => {
  const it = loop(t)
  new BusyPoll(0).worked()
  assert.equal(it.isKeptAwake, false)
})

test('where nothing comes so soon, it stops looking, for longer each time', t => {
  const it = loop(t)
  const poll = new BusyPoll(100)
  /** Requests two milliseconds apart, for ten seconds; the share of time awake. */
  let awake = 0
  for (let at = 0; at < 10_000; at += 2) {
    poll.worked()
    while (it.isKeptAwake) {
      it.turn(0.11)
      awake += 0.11
    }
    it.pass(2)
  }
  assert.ok(awake > 0.5 && awake < 50, `${awake} ms of 10,000`)
})

test('once it pays again, it goes on without a pause', t => {
  const it = loop(t)
  const poll = new BusyPoll(100)
  for (let i = 0; i < 2000; i++) {
    poll.worked()
    while (it.isKeptAwake) it.turn(0.11)
    it.pass(2)
  }
  it.pass(5000)
  for (let i = 0; i < 1000; i++) {
    poll.worked()
    assert.ok(it.isKeptAwake)
    it.turn(0.03)
  }
})
