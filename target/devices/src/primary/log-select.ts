// SPDX-License-Identifier: Apache-2.0
// LOG SELECT: sets counters back, or to the values of a parameter list that is checked as a whole first.
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOG_PAGE_HEADER,
  LOG_PARAMETER_HEADER,
  LOG_PARAMETERS_CHANGED,
  LOG_SELECT,
  LogCode,
  PARAMETER_LIST_LENGTH_ERROR,
} from '@lunkit/spec'
import { type FieldPlace, fail, failParameter, on, succeed, type Task } from '@lunkit/target-api'
import { type LogCounter, type LogPage, setCounter } from './log-page.ts'
import { LogControl, presentPages } from './log-sense.ts'
import type { PrimaryDevice } from './primary-device.ts'

const { pcr, pageControl, pageCode, subpage, parameterLength } = LOG_SELECT.cdb.field

interface Change {
  readonly counter: LogCounter
  readonly value: number
}

export const logSelect = on(
  LOG_SELECT,
  (task: Task, device: PrimaryDevice) => {
    const { cdb } = task
    const control = pageControl.get(cdb, 0)
    const resets = pcr.get(cdb, 0) === 1
    const length = parameterLength.get(cdb, 0)
    if (resets && length > 0) return fail(task, INVALID_FIELD_IN_CDB, pcr)
    if (length > 0) return setFromList(task, device, control)
    const pages = pagesOf(task, device)
    if (pages === null) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
    if (!resets && control !== LogControl.cumulative && control !== LogControl.defaultCumulative) {
      return fail(task, INVALID_FIELD_IN_CDB, pageControl)
    }
    if (resets || control === LogControl.defaultCumulative) {
      change(
        task,
        device,
        pages.flatMap(({ counters }) => counters.map(counter => ({ counter, value: 0 }))),
      )
    } else succeed(task)
  },
  { refuses: ['sp'] },
)

/** The pages that the CDB names: all of them for page zero. Null: there is no such page. */
function pagesOf(task: Task, device: PrimaryDevice): readonly LogPage[] | null {
  const code = pageCode.get(task.cdb, 0)
  const sub = subpage.get(task.cdb, 0)
  const pages = presentPages(device)
  if (code === LogCode.supportedPages && sub === 0) return pages
  const named = pages.filter(page => page.code === code && (page.subpage === sub || sub === 0xff))
  return named.length > 0 ? named : null
}

function change(task: Task, device: PrimaryDevice, changes: readonly Change[]): void {
  for (const { counter, value } of changes) setCounter(device, counter, value)
  // SPC-4: the counters are the same for all nexuses.
  if (changes.length > 0) device.unit.attention(LOG_PARAMETERS_CHANGED, task.nexus)
  succeed(task)
}

function setFromList(task: Task, device: PrimaryDevice, control: number) {
  const { cdb } = task
  if (pageCode.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
  if (subpage.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, subpage)
  if (control !== LogControl.cumulative) return fail(task, INVALID_FIELD_IN_CDB, pageControl)
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  const changes: Change[] = []
  const fault = list.length < parameterLength.get(cdb, 0) ? CUT : readPages(device, list, changes)
  if (fault === CUT) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  if (fault !== null) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, fault.byte, fault.bit)
  change(task, device, changes)
}

/** The list ends within a page. */
const CUT: FieldPlace = Object.freeze({ byte: -1, bit: -1 })

/** Null, or what is wrong with the list. */
function readPages(device: PrimaryDevice, list: Buffer, changes: Change[]): FieldPlace | null {
  const head = LOG_PAGE_HEADER
  for (let at = 0; at < list.length; ) {
    if (at + head.length > list.length) return CUT
    const { pageCode: code, subpage: sub, length } = head.read(list, at)
    const page = presentPages(device).find(one => one.code === code && one.subpage === sub)
    if (page === undefined) return { byte: at, bit: head.field.pageCode.bit }
    const end = at + head.length + length
    if (end > list.length) return CUT
    const fault = readParameters(page, list, at + head.length, end, changes)
    if (fault !== null) return fault
    at = end
  }
  return null
}

function readParameters(
  page: LogPage,
  list: Buffer,
  start: number,
  end: number,
  changes: Change[],
): FieldPlace | null {
  const head = LOG_PARAMETER_HEADER
  for (let at = start; at < end; ) {
    if (at + head.length > end) return { byte: at, bit: -1 }
    const { code, length } = head.read(list, at)
    const counter = page.counters.find(one => one.code === code)
    if (counter === undefined) return { byte: at, bit: -1 }
    const next = at + head.length + length
    if (length === 0 || next > end) return { byte: at + head.field.length.byte, bit: -1 }
    let value = 0
    for (const byte of list.subarray(at + head.length, next)) value = value * 256 + byte
    if (!Number.isSafeInteger(value)) return { byte: at + head.length, bit: -1 }
    changes.push({ counter, value })
    at = next
  }
  return null
}
