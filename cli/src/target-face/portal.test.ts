// SPDX-License-Identifier: Apache-2.0
// Portals as people write them: which port is meant where none is written.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePortal } from './portal.ts'

// Requirement: RFC 7143, 15/1.
test('without a port it is 3260, and 860 only where somebody writes it', () => {
  for (const given of ['10.0.0.1', '[2001:db8::1]', '2001:db8::1', '*', '10.0.0.1,2', '10.0.0.1,tls'])
    assert.equal(parsePortal(given).port, 3260, given)
  assert.equal(parsePortal('10.0.0.1:860').port, 860)
  assert.equal(parsePortal(':3261').port, 3261)
})
