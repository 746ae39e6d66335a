// SPDX-License-Identifier: Apache-2.0
// Patterns of names: single ones, lists, and both against a naive model.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesPattern, namesInclude } from './name-patterns.ts'

test('patterns', () => {
  for (const [pattern, name, fits] of [
    ['*', 'iqn.2026-11.org.example:a', true],
    ['iqn.2026-11.org.example:a', 'iqn.2026-11.org.example:a', true],
    ['iqn.2026-11.org.example:a', 'iqn.2026-11.org.example:ab', false],
    ['iqn.*:a', 'iqn.2026-11.org.example:a', true],
    ['iqn.*:a', 'iqn.2026-11.org.example:b', false],
    ['iqn.*.example:*', 'iqn.2026-11.org.example:a.b', true],
    ['IQN.*:A', 'iqn.x:a', true],
    ['iqn.x:?', 'iqn.x:a', true],
    ['iqn.x:?', 'iqn.x:', false],
    ['iqn.x:?', 'iqn.x:ab', false],
    ['*a*b', 'xaxxbxb', true],
    ['*a*b', 'xaxxbxc', false],
    ['iqn.x', 'iqn-x', false],
    ['', '', true],
    ['', 'a', false],
  ] as const) {
    assert.equal(matchesPattern(pattern, name), fits, `${pattern} ${name}`)
  }
})

test('a hostile pattern takes no time to speak of', () => {
  assert.equal(matchesPattern('*a'.repeat(40), 'a'.repeat(200)), true)
  assert.equal(matchesPattern(`${'*a'.repeat(40)}b`, 'a'.repeat(200)), false)
})

test('lists', () => {
  for (const [patterns, name, listed] of [
    [[], 'a', false],
    [['a', 'b'], 'b', true],
    [['a', 'b'], 'c', false],
    [['!a'], 'a', false],
    [['!a'], 'b', true],
    [['a*', '!ab'], 'ab', false],
    [['!ab', 'a*'], 'ab', false],
    [['!ab', 'a*'], 'ac', true],
    [['!ab', 'a*'], 'c', false],
    [['!*'], 'a', false],
  ] as const) {
    assert.equal(namesInclude(patterns, name), listed, `${patterns} ${name}`)
  }
})

/** A pattern letter by letter, by its definition. */
function model(pattern: string, name: string): boolean {
  if (pattern === '') return name === ''
  const rest = pattern.slice(1)
  if (pattern[0] === '*') return model(rest, name) || (name !== '' && model(pattern, name.slice(1)))
  return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && model(rest, name.slice(1))
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 })
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 6 })

test('a pattern is what its model says', () => {
  fc.assert(
    fc.property(pattern, name, (one, text) => assert.equal(matchesPattern(one, text), model(one, text))),
    { numRuns: 2000 },
  )
})

test('a list is what its model says, in any order', () => {
  const row = fc.record({ negated: fc.boolean(), pattern })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 4 }), name, (rows, text) => {
      const list = rows.map(({ negated, pattern }) => (negated ? `!${pattern}` : pattern))
      const out = rows.some(one => one.negated && model(one.pattern, text))
      const allOut = rows.length > 0 && rows.every(one => one.negated)
      const wanted = !out && (allOut || rows.some(one => !one.negated && model(one.pattern, text)))
      assert.equal(namesInclude(list, text), wanted)
      assert.equal(namesInclude(list.toReversed(), text), wanted)
    }),
    { numRuns: 2000 },
  )
})
