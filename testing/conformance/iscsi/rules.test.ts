// SPDX-License-Identifier: Apache-2.0
// Every rule has a test or a reason, every tag names a rule, every planned test of UNH-IOL is shown; and the page says so.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../../../architecture/sources.ts'
import { ruleTests } from '../requirements.ts'
import { pageOf } from './page.ts'
import { RULES } from './rules.ts'
import { SUITES } from './unh-iol.ts'

const PAGE = join(ROOT, 'docs/compliance/rfc7143.md')
const tests = ruleTests()
const ids = new Set(RULES.map(({ id }) => id))

test('each rule has a number of its own', () => {
  assert.equal(ids.size, RULES.length)
})

test('each rule has a test, or a reason for having none, and not both', () => {
  const wrong = RULES.filter(({ id, leftOut }) => tests.has(id) === (leftOut !== null))
  assert.deepEqual(
    wrong.map(({ id }) => id),
    [],
  )
})

test('each tag names a rule that there is', () => {
  assert.deepEqual(
    [...tests].filter(([id]) => !ids.has(id)).map(([id, [first]]) => `${id} in ${first!.file}`),
    [],
  )
})

test('each planned test of UNH-IOL is shown by rules that have tests', () => {
  for (const { name, tests: planned } of SUITES) {
    assert.equal(new Set(planned.map(({ number }) => number)).size, planned.length, name)
    for (const { number, shows } of planned) {
      assert.ok(shows.length > 0, `${name} ${number}`)
      for (const id of shows) assert.ok(tests.has(id), `${name} ${number}: rule ${id} has no test`)
    }
  }
})

test('docs/compliance/rfc7143.md is what the tables and tags say', () => {
  const page = pageOf(RULES, tests)
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
