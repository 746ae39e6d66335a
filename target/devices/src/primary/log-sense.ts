// SPDX-License-Identifier: Apache-2.0
// LOG SENSE: the device's log pages, and the lists of them.
import { INVALID_FIELD_IN_CDB, LOG_PAGE_HEADER, LOG_SENSE, LogCode } from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'
import type { LogPage, LogParameter } from './log-page.ts'
import type { PrimaryDevice } from './primary-device.ts'

const { pageControl, pageCode, subpage, parameterPointer, allocation } = LOG_SENSE.cdb.field

/** PAGE CONTROL of LOG SENSE and LOG SELECT. */
export const LogControl = Object.freeze({
  threshold: 0,
  cumulative: 1,
  defaultThreshold: 2,
  defaultCumulative: 3,
} as const)

/** Subpage that lists the subpages. */
const LIST = 0xff

/** The pages that this device has, ascending by code and subpage. */
export const presentPages = (device: PrimaryDevice): readonly LogPage[] =>
  device.logPages.filter(page => page.present(device))

/** Page and subpage codes of all pages, those of the lists included. */
function codesOf(device: PrimaryDevice): readonly (readonly [number, number])[] {
  return [
    [LogCode.supportedPages, 0],
    [LogCode.supportedPages, LIST],
    ...presentPages(device).map(({ code, subpage: sub }) => [code, sub] as const),
  ]
}

export const logSense = on(
  LOG_SENSE,
  (task: Task, device: PrimaryDevice) => {
    const { cdb } = task
    const code = pageCode.get(cdb, 0)
    const sub = subpage.get(cdb, 0)
    const codes = codesOf(device)
    if (!codes.some(one => one[0] === code && one[1] === sub)) {
      return fail(task, INVALID_FIELD_IN_CDB, codes.some(one => one[0] === code) ? subpage : pageCode)
    }
    if (code === LogCode.supportedPages) {
      if (parameterPointer.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, parameterPointer)
      const list = codes.flatMap(one => (sub === LIST ? one : one[1] === 0 ? [one[0]] : []))
      return answer(task, code, sub, [Uint8Array.from(list)])
    }
    const page = presentPages(device).find(one => one.code === code && one.subpage === sub)!
    const control = pageControl.get(cdb, 0)
    const threshold = control === LogControl.threshold || control === LogControl.defaultThreshold
    // SPC-4: PC does not count for parameters that are lists; counters have no thresholds here.
    if (threshold && page.counters.length > 0) return fail(task, INVALID_FIELD_IN_CDB, pageControl)
    const found = page.parameters(device, task, control === LogControl.defaultCumulative)
    if (!(found instanceof Promise)) return answerFrom(task, page, found)
    found.then(
      parameters => answerFrom(task, page, parameters),
      cause => task.fault(cause),
    )
  },
  // Nothing of the log is saved.
  { refuses: ['sp'] },
)

/** From the parameter on that the CDB points to. */
function answerFrom(task: Task, page: LogPage, parameters: readonly LogParameter[]) {
  const first = parameterPointer.get(task.cdb, 0)
  const codeOf = (parameter: LogParameter): number => (parameter[0]! << 8) | parameter[1]!
  const rest = parameters.filter(parameter => codeOf(parameter) >= first)
  if (rest.length === 0 && first > 0) return fail(task, INVALID_FIELD_IN_CDB, parameterPointer)
  answer(task, page.code, page.subpage, rest)
}

function answer(task: Task, code: number, sub: number, parts: readonly Uint8Array[]): void {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(LOG_PAGE_HEADER.length + length)
  // DS: no LOG SELECT saves the page.
  LOG_PAGE_HEADER.write({ ds: 1, spf: sub > 0 ? 1 : 0, pageCode: code, subpage: sub, length }, bytes)
  let at = LOG_PAGE_HEADER.length
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  reply(task, bytes, allocation.get(task.cdb, 0))
}
