// SPDX-License-Identifier: Apache-2.0
// Status, reason, event, function and response codes against the numbers of RFC 7143 and RFC 7144, with words for all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AsyncEvent, asyncEventText, FIRST_VENDOR_EVENT } from './async-event.ts'
import { LoginStatus, LoginStatusClass, loginStatusText } from './login-status.ts'
import { LogoutReason, LogoutResponse, logoutReasonText, logoutResponseText } from './logout.ts'
import { RejectReason, rejectAllowsResend, rejectReasonText } from './reject-reason.ts'
import { ScsiResponse, SENSE_SEGMENT, scsiResponseText } from './scsi-response.ts'
import {
  IscsiTaskFunction,
  IscsiTaskResponse,
  taskManagementFunctionText,
  taskManagementResponseText,
} from './task-management.ts'

const numbers = (codes: Readonly<Record<string, number>>): string => Object.values(codes).join(' ')

test('codes have the standard’s numbers', () => {
  const hex = Object.values(LoginStatus).map(code => code.toString(16).padStart(4, '0'))
  assert.equal(
    hex.join(' '),
    '0000 0101 0102 0200 0201 0202 0203 0204 0205 0206 0207 0208 0209 020a 020b 0300 0301 0302',
  )
  assert.equal(numbers(LoginStatusClass), '0 1 2 3')
  assert.equal(numbers(RejectReason), '2 3 4 5 6 7 8 9 10 11 12')
  assert.equal(numbers(AsyncEvent), '0 1 2 3 4 5 255')
  assert.equal(numbers(IscsiTaskFunction), '1 2 3 4 5 6 7 8 9 10 11 12')
  assert.equal(numbers(IscsiTaskResponse), '0 1 2 3 4 5 6 7 255')
  assert.equal(numbers(LogoutReason), '0 1 2')
  assert.equal(numbers(LogoutResponse), '0 1 2 3')
  assert.equal(numbers(ScsiResponse), '0 1 128')
})

const tables: [string, Readonly<Record<string, number>>, (code: number) => string, number][] = [
  ['login status', LoginStatus, loginStatusText, 0x10000],
  ['reject reason', RejectReason, rejectReasonText, 256],
  ['async event', AsyncEvent, asyncEventText, 256],
  ['task management function', IscsiTaskFunction, taskManagementFunctionText, 128],
  ['task management response', IscsiTaskResponse, taskManagementResponseText, 256],
  ['logout reason', LogoutReason, logoutReasonText, 128],
  ['logout response', LogoutResponse, logoutResponseText, 256],
  ['SCSI response', ScsiResponse, scsiResponseText, 256],
]

for (const [name, codes, text, end] of tables) {
  test(`each ${name} has words of its own, and every other number says so`, () => {
    const known = Object.values(codes)
    assert.equal(new Set(known.map(text)).size, known.length)
    for (const code of known) assert.doesNotMatch(text(code), /nknown/)
    for (let code = 0; code < end; code++) {
      if (!known.includes(code))
        assert.match(text(code), /nknown|Reserved|Vendor|login status 0x/, `${name} ${code}`)
    }
  })
}

test('an unknown login detail is named by its class', () => {
  assert.equal(loginStatusText(0x02ff), 'Initiator error (login status 0x02ff)')
  assert.equal(loginStatusText(0x0400), 'Unknown login status 0x0400')
})

test('asynchronous events from 248 on are of vendors', () => {
  assert.match(asyncEventText(247), /^Unknown/)
  assert.equal(asyncEventText(FIRST_VENDOR_EVENT), 'Vendor-specific event 248')
  assert.equal(asyncEventText(254), 'Vendor-specific event 254')
  assert.match(asyncEventText(256), /^Unknown/)
})

test('a refused PDU may be sent again for passing causes only', () => {
  const resend = Object.values(RejectReason).filter(rejectAllowsResend)
  assert.deepEqual(resend, [0x02, 0x03, 0x06, 0x0a])
})

test('sense data follows its length', () => {
  assert.deepEqual(SENSE_SEGMENT.write({ senseLength: 18 }), Uint8Array.of(0, 18))
})
