// SPDX-License-Identifier: Apache-2.0
// SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS: self-tests, and the list of diagnostic pages, which is all there is.
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_UNIT_FAILED_SELF_TEST,
  LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS,
  PARAMETER_LIST_LENGTH_ERROR,
  RECEIVE_DIAGNOSTIC_RESULTS,
  SEND_DIAGNOSTIC,
} from '@lunkit/spec'
import { type Binding, fail, failParameter, on, reply, succeed, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'
import { SelfTestCode, type SelfTestRecord, SelfTestResult } from './self-test.ts'

const { selfTestCode, pf, selfTest, parameterLength } = SEND_DIAGNOSTIC.cdb.field
const { pcv, pageCode, allocation } = RECEIVE_DIAGNOSTIC_RESULTS.cdb.field

/** Supported Diagnostic Pages: itself. Page code, a reserved byte, the length, the list. */
const SUPPORTED_PAGES = Uint8Array.of(0, 0, 0, 1, 0)
const PAGE_HEAD = 4

const sendDiagnostic = on(SEND_DIAGNOSTIC, (task: Task, device: PrimaryDevice) => {
  const { cdb } = task
  const code = selfTestCode.get(cdb, 0)
  const byDefault = selfTest.get(cdb, 0) === 1
  const length = parameterLength.get(cdb, 0)
  if (!byDefault && code === SelfTestCode.none) return length === 0 ? succeed(task) : takePage(task)
  if (byDefault && code !== SelfTestCode.none) return fail(task, INVALID_FIELD_IN_CDB, selfTestCode)
  if (length > 0) return fail(task, INVALID_FIELD_IN_CDB, parameterLength)
  if (code === SelfTestCode.abort) return abort(task, device)
  if (!Object.values<number>(SelfTestCode).includes(code)) {
    return fail(task, INVALID_FIELD_IN_CDB, selfTestCode)
  }
  if (device.selfTests.underWay) {
    task.progress = device.selfTests.background?.progress ?? -1
    return fail(task, LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS)
  }
  if (code === SelfTestCode.backgroundShort || code === SelfTestCode.backgroundExtended) {
    device.selfTests.start(code, true, nobody)
    return succeed(task)
  }
  device.selfTests.start(code, false, result => tested(task, result))
})

/** SPC-4: there is something to abort, or the command is wrong. */
function abort(task: Task, { selfTests }: PrimaryDevice) {
  if (selfTests.background === null) return fail(task, INVALID_FIELD_IN_CDB, selfTestCode)
  selfTests.abort(SelfTestResult.aborted)
  succeed(task)
}

function nobody(): void {}

function tested(task: Task, { result, lba }: SelfTestRecord) {
  if (result === SelfTestResult.good) return succeed(task)
  if (lba >= 0) task.information = lba
  fail(task, LOGICAL_UNIT_FAILED_SELF_TEST)
}

/** The only page that can be sent asks for the list of pages. */
function takePage(task: Task) {
  const { cdb } = task
  if (pf.get(cdb, 0) === 0) return fail(task, INVALID_FIELD_IN_CDB, pf)
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  if (list.length < parameterLength.get(cdb, 0) || list.length < PAGE_HEAD) {
    return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  }
  if (list[0] !== SUPPORTED_PAGES[0]) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, 0)
  if (list[1] !== 0) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, 1)
  if (list.readUInt16BE(2) !== 0) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, 2)
  if (list.length > PAGE_HEAD) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  succeed(task)
}

const receiveDiagnosticResults = on(RECEIVE_DIAGNOSTIC_RESULTS, (task: Task) => {
  const { cdb } = task
  if (pcv.get(cdb, 0) === 1 && pageCode.get(cdb, 0) !== SUPPORTED_PAGES[0]) {
    return fail(task, INVALID_FIELD_IN_CDB, pageCode)
  }
  reply(task, Uint8Array.from(SUPPORTED_PAGES), allocation.get(cdb, 0))
})

export const diagnostics: readonly Binding[] = [sendDiagnostic, receiveDiagnosticResults]
