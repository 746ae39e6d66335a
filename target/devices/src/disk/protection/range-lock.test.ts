// SPDX-License-Identifier: Apache-2.0
// The lock of ranges: who may go beside whom, and that everybody comes to go, in a fair order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Held, RangeLock } from './range-lock.ts'

function setUp() {
  const lock = new RangeLock()
  const inside: Held[] = []
  const order: Held[] = []
  const enter = (start: number, end: number, writes: boolean): Held => {
    const one: Held = {
      start,
      end,
      writes,
      go() {
        for (const other of inside) {
          assert.ok(!(one.writes || other.writes) || one.start >= other.end || other.start >= one.end)
        }
        inside.push(one)
        order.push(one)
      },
    }
    lock.enter(one)
    return one
  }
  const leave = (one: Held): void => {
    inside.splice(inside.indexOf(one), 1)
    lock.leave(one)
  }
  return { enter, leave, inside, order }
}

test('readers share a range, a writer has it alone, and others do not wait', () => {
  const { enter, leave, inside } = setUp()
  const first = enter(0, 10, false)
  const second = enter(5, 15, false)
  const writer = enter(9, 11, true)
  const reader = enter(10, 12, false)
  const far = enter(20, 21, true)
  assert.deepEqual(inside, [first, second, far])
  leave(first)
  assert.deepEqual(inside, [second, far])
  leave(second)
  assert.deepEqual(inside, [far, writer])
  leave(writer)
  assert.deepEqual(inside, [far, reader])
})

test('many that end at once need no stack', () => {
  const lock = new RangeLock()
  let ended = 0
  const make = (): Held => {
    const one: Held = {
      start: 0,
      end: 1,
      writes: true,
      go() {
        ended++
        lock.leave(one)
      },
    }
    return one
  }
  const first: Held = { start: 0, end: 1, writes: true, go() {} }
  lock.enter(first)
  for (let i = 0; i < 2000; i++) lock.enter(make())
  lock.leave(first)
  assert.equal(ended, 2000)
})

test('whatever comes, nobody touches and nobody is left over', () => {
  const step = fc.record({
    start: fc.nat(20),
    length: fc.integer({ min: 1, max: 8 }),
    writes: fc.boolean(),
    leaves: fc.nat(3),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { enter, leave, inside, order } = setUp()
      for (const { start, length, writes, leaves } of steps) {
        enter(start, start + length, writes)
        for (let i = 0; i < leaves && inside.length > 0; i++) leave(inside[i % inside.length]!)
      }
      while (inside.length > 0) leave(inside[0]!)
      assert.equal(order.length, steps.length)
    }),
    { seed: 5, numRuns: 200 },
  )
})
