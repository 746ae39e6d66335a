// SPDX-License-Identifier: Apache-2.0
// Log pages against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as log from './log-page.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('golden headers', () => {
  const { LOG_PAGE_HEADER, LOG_PARAMETER_HEADER, LogCode, LogFormat } = log
  assert.equal(hex(LOG_PAGE_HEADER.write({ pageCode: LogCode.temperature, length: 12 })), '0d00000c')
  assert.equal(
    hex(LOG_PAGE_HEADER.write({ ds: 1, spf: 1, pageCode: 0, subpage: 0xff, length: 4 })),
    'c0ff0004',
  )
  assert.equal(
    hex(LOG_PARAMETER_HEADER.write({ code: 0x0102, format: LogFormat.binary, length: 2 })),
    '01020302',
  )
  assert.equal(hex(LOG_PARAMETER_HEADER.write({ du: 1, tsd: 1, etc: 1, tmc: 3 })), '0000bc00')
})

test('golden parameters', () => {
  assert.equal(hex(log.TEMPERATURE.write({ format: 3, length: 2, celsius: 25 })), '000003020019')
  assert.equal(
    hex(log.PROVISIONING_RESOURCE.write({ code: 1, format: 3, length: 8, count: 100, scope: 1 })),
    '0001030800000064' + '01000000',
  )
  assert.equal(
    hex(log.EXCEPTIONS_LOG.write({ format: 3, length: 4, asc: 0x5d, ascq: 0x10, celsius: 40 })),
    '000003045d102800',
  )
  assert.equal(hex(log.TAPE_ALERT.write({ code: 4, length: 1, flag: 1 })), '0004000101')
  assert.equal(
    hex(log.SOLID_STATE_ENDURANCE.write({ code: 1, format: 3, length: 4, percentageUsed: 7 })),
    '0001030400000007',
  )
  const test = log.SELF_TEST_RESULT.write({
    code: 1,
    format: 3,
    length: 16,
    testCode: 1,
    result: 7,
    hours: 5,
    firstFailure: 2,
    key: 3,
    asc: 0x11,
  })
  assert.equal(hex(test), '00010310' + '27000005' + '0000000000000002' + '03110000')
  const general = log.GENERAL_STATISTICS.write({
    code: 1,
    format: 3,
    length: 64,
    reads: 1,
    writes: 2,
    blocksSent: 3,
  })
  assert.equal(
    hex(general.subarray(0, 36)),
    '00010340' + '0000000000000001' + '0000000000000002' + '0000000000000000' + '0000000000000003',
  )
  const scan = log.BACKGROUND_SCAN_STATUS.write({
    format: 3,
    length: 12,
    minutes: 9,
    status: 1,
    progress: 0x8000,
  })
  assert.equal(hex(scan), '0000030c' + '00000009' + '00010000' + '80000000')
})
