// SPDX-License-Identifier: Apache-2.0
// Log page 10h: the results of the last twenty self-tests, newest first.
import { LogCode, SELF_TEST_RESULT } from '@lunkit/spec'
import { type LogPage, laidOut, listPage } from './log-page.ts'
import type { PrimaryDevice } from './primary-device.ts'
import { MOST_RESULTS, SelfTestResult } from './self-test.ts'

export const selfTestPage: LogPage = listPage(LogCode.selfTestResults, ({ selfTests }: PrimaryDevice) => {
  const { current, results } = selfTests
  const rows = current === null ? results : [current, ...results]
  return Array.from({ length: MOST_RESULTS }, (_, index) => {
    const row = rows[index]
    // Rows that nothing has happened for are all zeros.
    if (row === undefined) return laidOut(SELF_TEST_RESULT, index + 1, {})
    const { code, result, minutes, lba, sense } = row
    const parameter = laidOut(SELF_TEST_RESULT, index + 1, {
      testCode: code,
      result,
      segment: result === SelfTestResult.failed ? 1 : 0,
      hours: Math.min(Math.floor(minutes / 60), 0xffff),
      ...(lba >= 0 && { firstFailure: lba }),
      ...(sense !== null && { key: sense.key, asc: sense.asc, ascq: sense.ascq }),
    })
    const { byte } = SELF_TEST_RESULT.field.firstFailure
    if (lba < 0) parameter.fill(0xff, byte, byte + 8)
    return parameter
  })
})
