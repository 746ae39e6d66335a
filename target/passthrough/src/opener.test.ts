// SPDX-License-Identifier: Apache-2.0
// What a person writes finds its opener, or an error that says what there is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError } from '@lunkit/target-api'
import { type BridgeOpener, findOpener } from './opener.ts'

const opener = (): BridgeOpener => ({
  parameters: {},
  open: () => Promise.reject(new Error('not opened here')),
})
const openers = { iscsi: opener(), sg: opener() }

test('a URL finds the opener of its scheme, an absolute path that of SCSI devices', () => {
  assert.equal(findOpener(openers, 'iscsi://host/iqn.2026-11.test:a/0'), openers.iscsi)
  assert.equal(findOpener(openers, '/dev/sg3'), openers.sg)
})

test('anything else is refused, with the forms that there are', () => {
  for (const where of ['disk.img', 'ftp://host', '', 'constructor:x']) {
    assert.throws(
      () => findOpener(openers, where),
      (error: OperatorError) =>
        error instanceof OperatorError &&
        error.code === 'PASSTHROUGH_PLACE' &&
        error.hint.includes('iscsi://HOST/TARGET/LUN') &&
        error.hint.includes('/dev/sgN'),
    )
  }
})
