// SPDX-License-Identifier: Apache-2.0
// Errors of the system about files, in words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileTrouble, peerTrouble } from './file-trouble.ts'

test('codes have words, and errors without a known one keep their own', () => {
  const missing = Object.assign(new Error("ENOENT: no such file or directory, stat '/x'"), { code: 'ENOENT' })
  assert.equal(fileTrouble(missing), 'there is no such file')
  assert.equal(fileTrouble(missing, true), 'its directory does not exist')
  assert.equal(fileTrouble('EACCES'), 'permission denied')
  assert.equal(fileTrouble(new Error('odd')), 'odd')
  assert.equal(fileTrouble('EODD'), 'EODD')
  assert.equal(fileTrouble(null), 'null')
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
  assert.equal(peerTrouble(refused), 'nobody listens there')
  assert.equal(peerTrouble(new Error('it closed the connection')), 'it closed the connection')
})
