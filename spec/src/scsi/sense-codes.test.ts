// SPDX-License-Identifier: Apache-2.0
// T10's list of additional sense codes against rows typed by hand, and the named conditions against the list.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ASC_TEXT } from './additional-sense.ts'
import { SenseKey } from './sense-code.ts'
import * as codes from './sense-codes.ts'

test('golden rows of the list', () => {
  const golden: readonly [number, number, string][] = [
    [0x00, 0x00, 'NO ADDITIONAL SENSE INFORMATION'],
    [0x04, 0x02, 'LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED'],
    [0x0c, 0x0d, 'WRITE ERROR - NOT ENOUGH UNSOLICITED DATA'],
    [0x11, 0x00, 'UNRECOVERED READ ERROR'],
    [0x1a, 0x00, 'PARAMETER LIST LENGTH ERROR'],
    [0x20, 0x00, 'INVALID COMMAND OPERATION CODE'],
    [0x21, 0x00, 'LOGICAL BLOCK ADDRESS OUT OF RANGE'],
    [0x25, 0x00, 'LOGICAL UNIT NOT SUPPORTED'],
    [0x27, 0x07, 'SPACE ALLOCATION FAILED WRITE PROTECT'],
    [0x29, 0x07, 'I_T NEXUS LOSS OCCURRED'],
    [0x2a, 0x09, 'CAPACITY DATA HAS CHANGED'],
    [0x2f, 0x00, 'COMMANDS CLEARED BY ANOTHER INITIATOR'],
    [0x3f, 0x0e, 'REPORTED LUNS DATA HAS CHANGED'],
    [0x47, 0x7f, 'SOME COMMANDS CLEARED BY ISCSI PROTOCOL EVENT'],
    [0x53, 0x02, 'MEDIUM REMOVAL PREVENTED'],
    [0x5d, 0xff, 'FAILURE PREDICTION THRESHOLD EXCEEDED (FALSE)'],
    [0x74, 0x79, 'SECURITY CONFLICT IN TRANSLATED DEVICE'],
  ]
  for (const [asc, ascq, text] of golden) assert.equal(ASC_TEXT.get((asc << 8) | ascq), text)
})

test('the list is whole and in T10’s writing', () => {
  assert.ok(ASC_TEXT.size > 700)
  for (const [code, text] of ASC_TEXT) {
    assert.ok(code >= 0 && code < 0x8000, `${text}: above 7Fh is the vendors'`)
    assert.match(text, /^[A-Z0-9 ,./&_()-]+$/)
  }
})

test('golden conditions', () => {
  const numbers = ({ key, asc, ascq }: { key: number; asc: number; ascq: number }) => [key, asc, ascq]
  assert.deepEqual(numbers(codes.INVALID_FIELD_IN_CDB), [0x5, 0x24, 0x00])
  assert.deepEqual(numbers(codes.LBA_OUT_OF_RANGE), [0x5, 0x21, 0x00])
  assert.deepEqual(numbers(codes.POWER_ON_OCCURRED), [0x6, 0x29, 0x01])
  assert.deepEqual(numbers(codes.MEDIUM_NOT_PRESENT), [0x2, 0x3a, 0x00])
  assert.deepEqual(numbers(codes.UNRECOVERED_READ_ERROR), [0x3, 0x11, 0x00])
  assert.deepEqual(numbers(codes.INTERNAL_TARGET_FAILURE), [0x4, 0x44, 0x00])
  assert.deepEqual(numbers(codes.WRITE_PROTECTED), [0x7, 0x27, 0x00])
  assert.deepEqual(numbers(codes.NOT_ENOUGH_UNSOLICITED_DATA), [0xb, 0x0c, 0x0d])
  assert.deepEqual(numbers(codes.UNEXPECTED_UNSOLICITED_DATA), [0xb, 0x0c, 0x0c])
  assert.deepEqual(numbers(codes.PROTOCOL_SERVICE_CRC_ERROR), [0xb, 0x47, 0x05])
  assert.deepEqual(numbers(codes.MISCOMPARE_DURING_VERIFY_OPERATION), [0xe, 0x1d, 0x00])
})

test('no two named conditions are one', () => {
  const seen = new Map<string, string>()
  for (const [name, code] of Object.entries(codes)) {
    if (typeof code !== 'object' || !('ascq' in code)) continue
    const numbers = `${code.key}/${code.asc}/${code.ascq}`
    assert.equal(seen.get(numbers), undefined, `${name} and ${seen.get(numbers)}`)
    seen.set(numbers, name)
    assert.equal(code.text, ASC_TEXT.get((code.asc << 8) | code.ascq))
    assert.ok(Object.values(SenseKey).includes(code.key as 0))
  }
  assert.ok(seen.size > 150)
})

test('senseText names known, ranged, vendor and unknown codes', () => {
  assert.equal(codes.senseText(5, 0x24, 0), 'ILLEGAL REQUEST: INVALID FIELD IN CDB (5h 24h/00h)')
  assert.equal(codes.ascText(0x40, 0x81), 'DIAGNOSTIC FAILURE ON COMPONENT 81h')
  assert.equal(codes.ascText(0x4d, 0x07), 'TAGGED OVERLAPPED COMMANDS (TASK TAG 07h)')
  assert.equal(codes.ascText(0x70, 0x01), 'DECOMPRESSION EXCEPTION SHORT ALGORITHM ID OF 01h')
  assert.equal(codes.ascText(0x40, 0x00), 'RAM FAILURE')
  assert.equal(codes.ascText(0x80, 0x00), 'VENDOR SPECIFIC')
  assert.equal(codes.ascText(0x24, 0x99), 'VENDOR SPECIFIC')
  assert.equal(codes.ascText(0x01, 0x55), 'UNKNOWN ADDITIONAL SENSE CODE')
})
