// SPDX-License-Identifier: Apache-2.0
// The bridge stays as small as it is meant to be.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

test('a bridge has two members: execute and reset', () => {
  const text = readFileSync(new URL('./bridge.ts', import.meta.url), 'utf8')
  const body = /export interface Bridge \{(.*?)\n\}/s.exec(text)?.[1] ?? ''
  const members = [...body.matchAll(/^ {2}(\w+)[(?:]/gm)].map(([, name]) => name)
  assert.deepEqual(members, ['execute', 'reset'])
})
