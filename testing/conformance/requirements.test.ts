// SPDX-License-Identifier: Apache-2.0
// Requirement tags: how they are read, and that docs/compliance/requirements.md lists what the tree holds.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../../architecture/sources.ts'
import { pageOf, requirements, requirementsIn } from './requirements.ts'

const PAGE = join(ROOT, 'docs/compliance/requirements.md')

test('a tag belongs to the test or the row that follows it', () => {
  const source = `
// Requirement: SPC-4, RESERVE(6) command: a reservation keeps others out,
// whatever they send.
// Requirement: SAM-5, Task attributes: more than one is allowed.
test('others are kept out', () => {})

// Requirement: SBC-4, READ (10) command.
test('says it all', () => {})

  // Requirement: SBC-4, UNMAP command: a row has a name
  {
    name: \`a row\`,
  },
`
  assert.deepEqual(
    requirementsIn('x.test.ts', source).map(({ document, clause, text, test: name }) => [
      document,
      clause,
      text,
      name,
    ]),
    [
      [
        'SPC-4',
        'RESERVE(6) command',
        'a reservation keeps others out, whatever they send.',
        'others are kept out',
      ],
      ['SAM-5', 'Task attributes', 'more than one is allowed.', 'others are kept out'],
      ['SBC-4', 'READ (10) command', 'says it all', 'says it all'],
      ['SBC-4', 'UNMAP command', 'a row has a name', 'a row'],
    ],
  )
})

test('a malformed tag, an unknown document and a tag before nothing are told by file and line', () => {
  for (const [line, message] of [
    ['// Requirement SPC-4, x: y\ntest("a")', /x\.test\.ts:1: not \/\/ Requirement/],
    ['// Requirement: SPC-4 x y\ntest("a")', /x\.test\.ts:1: not \/\/ Requirement/],
    ['// Requirement: SPC-4\ntest("a")', /x\.test\.ts:1: not \/\/ Requirement/],
    ['// Requirement: SPQ-4, x: y\ntest("a")', /x\.test\.ts:1: no document SPQ-4/],
    ['// Requirement: SPC-4, x: y', /x\.test\.ts:1: a requirement stands before no test/],
  ] as const) {
    assert.throws(() => requirementsIn('x.test.ts', line), message)
  }
})

test('docs/compliance/requirements.md lists every tag of the tree', () => {
  const all = requirements()
  assert.ok(all.length > 50, `only ${all.length} tags were seen`)
  const page = pageOf(all)
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
