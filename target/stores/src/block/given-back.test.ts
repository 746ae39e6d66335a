// SPDX-License-Identifier: Apache-2.0
// Runs that were given back, held against an array of bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GivenBack } from './given-back.ts'

const SPACE = 64
const step = fc.record({
  adds: fc.boolean(),
  from: fc.integer({ min: 0, max: SPACE }),
  length: fc.integer({ min: 0, max: 20 }),
})

test('it knows of every byte what happened to it last', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const runs = new GivenBack()
      const held = Array<boolean>(SPACE).fill(true)
      for (const { adds, from, length } of steps) {
        const to = Math.min(from + length, SPACE)
        if (adds) runs.add(from, to)
        else runs.remove(from, to)
        held.fill(!adds, from, Math.max(from, to))
      }
      for (let at = 0; at < SPACE; ) {
        const run = runs.at(at, SPACE)
        assert.ok(run.end > at)
        for (; at < run.end; at++) assert.equal(held[at], run.held, `byte ${at}`)
      }
    }),
  )
})

test('what is too much to remember counts as held', () => {
  const runs = new GivenBack()
  for (let i = 0; i < 10_000; i++) runs.add(2 * i, 2 * i + 1)
  assert.equal(runs.at(0, 1).held, false)
  assert.equal(runs.at(2 * 9999, 2 * 9999 + 1).held, true)
  runs.add(0, 20_000)
  assert.deepEqual(runs.at(0, 20_000), { held: false, end: 20_000 })
  for (let i = 0; i < 10_000; i++) runs.remove(2 * i, 2 * i + 1)
  for (let i = 0; i < 10_000; i++) assert.equal(runs.at(2 * i, 2 * i + 1).held, true)
})
