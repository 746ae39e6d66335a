// SPDX-License-Identifier: Apache-2.0
// The wheel against a plain list: everybody is due once, at the tick that was named last.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Timed, TimerWheel } from './timer-wheel.ts'

test('everybody is due at the tick named last, and nobody who was taken out', () => {
  const step = fc.record({
    who: fc.nat(5),
    after: fc.integer({ min: 1, max: 6 }),
    act: fc.constantFrom('put', 'put', 'remove', 'tick'),
  })
  fc.assert(
    fc.property(fc.array(step), steps => {
      const wheel = new TimerWheel<Timed>()
      const all: Timed[] = Array.from({ length: 6 }, () => ({ dueAt: 0 }))
      const due = new Map<Timed, number>()
      let clock = 0
      for (const { who, after, act } of steps) {
        const one = all[who]!
        if (act === 'put') {
          wheel.put(one, clock + after)
          due.set(one, clock + after)
        } else if (act === 'remove') {
          wheel.remove(one)
          due.delete(one)
        } else {
          clock++
          const wanted = all.filter(each => due.get(each) === clock)
          assert.deepEqual(new Set(wheel.take(clock)), new Set(wanted))
          for (const each of wanted) due.delete(each)
        }
      }
    }),
  )
})
