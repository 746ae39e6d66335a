// SPDX-License-Identifier: Apache-2.0
// Sense data in words, also where they are broken.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SenseExtra, Status, writeSense } from '@lunkit/spec'
import { ScsiError } from './errors.ts'
import { reportSense } from './sense-report.ts'

function made(descriptor: boolean, key: number, code: number, extra: SenseExtra = {}): Uint8Array {
  const into = new Uint8Array(48)
  const length = writeSense(into, descriptor, { key, asc: code >> 8, ascq: code & 0xff, text: '' }, extra)
  return into.subarray(0, length)
}

for (const descriptor of [false, true]) {
  const format = descriptor ? 'descriptor' : 'fixed'
  const cases: readonly (readonly [number, number, SenseExtra, string])[] = [
    [3, 0x1100, { information: 1234 }, 'MEDIUM ERROR: UNRECOVERED READ ERROR (3h 11h/00h), at LBA 1234'],
    [
      5,
      0x2400,
      { fieldPointer: { byte: 2, bit: 7, inCdb: true } },
      'ILLEGAL REQUEST: INVALID FIELD IN CDB (5h 24h/00h), at byte 2 bit 7 of the CDB',
    ],
    [
      5,
      0x2600,
      { fieldPointer: { byte: 8, bit: -1, inCdb: false } },
      'ILLEGAL REQUEST: INVALID FIELD IN PARAMETER LIST (5h 26h/00h), at byte 8 of the parameter data',
    ],
    [
      0xe,
      0x1d00,
      { information: 512 },
      'MISCOMPARE: MISCOMPARE DURING VERIFY OPERATION (Eh 1Dh/00h), at byte offset 512',
    ],
    [
      2,
      0x0404,
      { progress: 32768 },
      'NOT READY: LOGICAL UNIT NOT READY, FORMAT IN PROGRESS (2h 04h/04h), 50 % done',
    ],
    [
      4,
      0x4400,
      { deferred: true },
      'HARDWARE ERROR: INTERNAL TARGET FAILURE (4h 44h/00h), about an earlier command',
    ],
  ]
  for (const [key, code, extra, text] of cases) {
    test(`${format}: ${text}`, () => {
      assert.deepEqual(reportSense(made(descriptor, key, code, extra)), {
        key,
        asc: code >> 8,
        ascq: code & 0xff,
        text,
      })
    })
  }
}

test('sense data that are missing or broken are said to be', () => {
  assert.equal(reportSense(new Uint8Array(0)).text, 'no sense data came')
  assert.match(reportSense(Uint8Array.of(0x12, 0x34)).text, /^unreadable sense data 12 ?34$/)
})

test('any bytes can be reported', () => {
  for (let first = 0; first < 256; first++) {
    for (const length of [1, 2, 3, 8, 18, 252]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (first + i * 37) & 0xff)
      bytes[0] = first
      assert.ok(reportSense(bytes).text.length > 0)
    }
  }
})

test('an error says the command, the status and the sense', () => {
  const error = new ScsiError(Status.checkCondition, made(false, 6, 0x2900), 'READ (10)')
  assert.equal(error.code, 'SCSI_CHECK_CONDITION')
  assert.deepEqual([error.senseKey, error.asc, error.ascq], [6, 0x29, 0])
  assert.match(error.message, /^READ \(10\) ended with CHECK CONDITION: UNIT ATTENTION: POWER ON/)
  const full = new ScsiError(Status.taskSetFull, new Uint8Array(0), 'WRITE (10)')
  assert.deepEqual([full.code, full.message], ['SCSI_TASK_SET_FULL', 'WRITE (10) ended with TASK SET FULL'])
  assert.equal(new ScsiError(0x99, new Uint8Array(0), 'X').code, 'SCSI_UNKNOWN_STATUS')
})
