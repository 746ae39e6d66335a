// SPDX-License-Identifier: Apache-2.0
// Access: the entry of a target, and patterns of initiator names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from '../options.ts'
import { accessOf, matches, mayUse } from './access.ts'

test('patterns', () => {
  for (const [glob, name, fits] of [
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
    assert.equal(matches(glob, name), fits, `${glob} ${name}`)
  }
})

test('a hostile pattern takes no time to speak of', () => {
  assert.equal(matches('*a'.repeat(40), 'a'.repeat(200)), true)
  assert.equal(matches(`${'*a'.repeat(40)}b`, 'a'.repeat(200)), false)
})

test("a target's own entry goes before the one for all", () => {
  const settings = settle(
    {
      portals: [{ host: '127.0.0.1', port: 0 }],
      access: { 'iqn.2026-11.org.example:a': { initiators: ['iqn.x:*'] }, '*': { initiators: [] } },
    },
    () => undefined,
  )
  assert.equal(mayUse(accessOf(settings, 'iqn.2026-11.org.example:a'), 'iqn.x:1'), true)
  assert.equal(mayUse(accessOf(settings, 'iqn.2026-11.org.example:b'), 'iqn.x:1'), false)
  assert.equal(mayUse({}, 'iqn.x:1'), true)
  assert.equal(mayUse(accessOf(settings, 'toString'), 'iqn.x:1'), false)
})
