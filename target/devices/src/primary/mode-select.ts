// SPDX-License-Identifier: Apache-2.0
// MODE SELECT (6) and (10): the whole list is checked before any value of it counts.
import {
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  MODE_PAGE_HEADER,
  MODE_PARAMETERS_CHANGED,
  MODE_SELECT_6,
  MODE_SELECT_10,
  MODE_SUBPAGE_HEADER,
  PARAMETER_LIST_LENGTH_ERROR,
  type SenseCode,
} from '@lunkit/spec'
import { type Binding, type FieldPlace, fail, failParameter, on, type Task } from '@lunkit/target-api'
import { FORM_6, FORM_10, type ModeForm } from './mode-header.ts'
import type { ModePage } from './mode-pages.ts'
import type { PrimaryDevice } from './primary-device.ts'

type Fields = typeof MODE_SELECT_6.cdb.field | typeof MODE_SELECT_10.cdb.field

/** Pages of the list, by the values that they are to have, with their header. */
type Changes = Map<ModePage, Uint8Array>

function modeSelect(task: Task, device: PrimaryDevice, form: ModeForm, fields: Fields) {
  const saves = fields.sp.get(task.cdb, 0) === 1
  if (saves && device.unit.records === null) return fail(task, INVALID_FIELD_IN_CDB, fields.sp)
  const changes: Changes = new Map()
  if (fields.parameterLength.get(task.cdb, 0) > 0 && !readList(task, device, form, fields, changes)) return
  if (saves) saveAndApply(task, device, changes)
  else apply(task, device, changes)
}

/** SPC-4: with SP all pages are saved, those of the list and the others. GOOD only when that is durable. */
function saveAndApply(task: Task, device: PrimaryDevice, changes: Changes): void {
  device.modePages.saver.save(device.unit, changes, error => {
    if (error === null) return apply(task, device, changes)
    task.io.reason = `the mode pages could not be saved: ${error.message}`
    fail(task, INTERNAL_TARGET_FAILURE)
  })
}

function apply(task: Task, device: PrimaryDevice, changes: Changes): void {
  let changed = false
  for (const [page, values] of changes) changed = device.modePages.set(page, values) || changed
  if (changed) device.unit.attention(MODE_PARAMETERS_CHANGED, task.nexus)
  device.modesSelected(task)
}

/** Reads and checks the whole list; false if it is wrong, and the task has ended. */
function readList(
  task: Task,
  device: PrimaryDevice,
  form: ModeForm,
  fields: Fields,
  changes: Changes,
): boolean {
  if (fields.pf.get(task.cdb, 0) === 0) return refused(task, INVALID_FIELD_IN_CDB, fields.pf)
  const promised = fields.parameterLength.get(task.cdb, 0)
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  const head = form.header.length
  if (list.length < promised || list.length < head) return refused(task, PARAMETER_LIST_LENGTH_ERROR)
  const { mediumType, blockDescriptorLength } = form.header.field
  if (mediumType.get(list, 0) !== 0) return wrong(task, mediumType.byte)
  const size = blockDescriptorLength.get(list, 0)
  if (size > 0) {
    const long = form.isLong(list)
    if (size !== device.blockDescriptor(long)?.length) return wrong(task, blockDescriptorLength.byte)
    if (head + size > list.length) return refused(task, PARAMETER_LIST_LENGTH_ERROR)
    const offset = device.checkBlockDescriptor(list.subarray(head, head + size), long)
    if (offset >= 0) return wrong(task, head + offset)
  }
  for (let at = head + size; at < list.length; ) {
    const page = checkPage(task, device, list, at)
    if (page === null) return false
    const end = at + page.current.length
    changes.set(page, list.subarray(at, end))
    at = end
  }
  return true
}

function refused(task: Task, code: SenseCode, place: FieldPlace | null = null): false {
  fail(task, code, place)
  return false
}

function wrong(task: Task, byte: number, bit = -1): false {
  failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, byte, bit)
  return false
}

function checkPage(task: Task, device: PrimaryDevice, list: Buffer, at: number): ModePage | null {
  const spf = (list[at]! & 0x40) !== 0
  const header = spf ? MODE_SUBPAGE_HEADER : MODE_PAGE_HEADER
  if (at + header.length > list.length) {
    fail(task, PARAMETER_LIST_LENGTH_ERROR)
    return null
  }
  const { pageCode } = MODE_PAGE_HEADER.field
  const subpage = spf ? MODE_SUBPAGE_HEADER.field.subpage.get(list, at) : 0
  const page = device.modePages.find(pageCode.get(list, at), subpage)
  // A subpage zero in subpage format is no page either.
  if (page === null || spf !== page.subpage > 0) {
    wrong(task, at, pageCode.bit)
    return null
  }
  const { length } = header.field
  if (length.get(list, at) !== page.current.length - header.length) {
    wrong(task, at + length.byte)
    return null
  }
  if (at + page.current.length > list.length) {
    fail(task, PARAMETER_LIST_LENGTH_ERROR)
    return null
  }
  const place = device.modePages.check(page, list.subarray(at, at + page.current.length))
  if (place === null) return page
  wrong(task, at + place.byte, place.bit)
  return null
}

export const modeSelects: readonly Binding[] = [
  on(MODE_SELECT_6, (task: Task, device: PrimaryDevice) =>
    modeSelect(task, device, FORM_6, MODE_SELECT_6.cdb.field),
  ),
  on(MODE_SELECT_10, (task: Task, device: PrimaryDevice) =>
    modeSelect(task, device, FORM_10, MODE_SELECT_10.cdb.field),
  ),
]
