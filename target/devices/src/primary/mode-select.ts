// SPDX-License-Identifier: Apache-2.0
// MODE SELECT (6) and (10): the whole list is checked before any value of it counts.
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  MODE_PAGE_HEADER,
  MODE_PARAMETERS_CHANGED,
  MODE_SELECT_6,
  MODE_SELECT_10,
  MODE_SUBPAGE_HEADER,
  PARAMETER_LIST_LENGTH_ERROR,
} from '@lunkit/spec'
import { type Binding, fail, failParameter, on, succeed, type Task } from '@lunkit/target-api'
import { FORM_6, FORM_10, type ModeForm } from './mode-header.ts'
import type { ModePage } from './mode-pages.ts'
import type { PrimaryDevice } from './primary-device.ts'

type Fields = typeof MODE_SELECT_6.cdb.field | typeof MODE_SELECT_10.cdb.field

/** A page of the list that fits one of the device, at offset `at`. */
interface Change {
  readonly page: ModePage
  readonly at: number
}

function modeSelect(task: Task, device: PrimaryDevice, form: ModeForm, fields: Fields) {
  const promised = fields.parameterLength.get(task.cdb, 0)
  if (promised === 0) return succeed(task)
  if (fields.pf.get(task.cdb, 0) === 0) return fail(task, INVALID_FIELD_IN_CDB, fields.pf)
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  const head = form.header.length
  if (list.length < promised || list.length < head) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  const { mediumType, blockDescriptorLength } = form.header.field
  if (mediumType.get(list, 0) !== 0) return wrong(task, mediumType.byte)
  const size = blockDescriptorLength.get(list, 0)
  if (size > 0) {
    const long = form.isLong(list)
    if (size !== device.blockDescriptor(long)?.length) return wrong(task, blockDescriptorLength.byte)
    if (head + size > list.length) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
    const offset = device.checkBlockDescriptor(list.subarray(head, head + size), long)
    if (offset >= 0) return wrong(task, head + offset)
  }
  const changes = checkPages(task, device, list, head + size)
  if (changes === null) return
  if (apply(list, changes)) device.unit.attention(MODE_PARAMETERS_CHANGED, task.nexus)
  device.modesSelected(task)
}

function wrong(task: Task, byte: number, bit = -1): void {
  failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, byte, bit)
}

/** The pages of the list from `start` on; or null, and the task has ended. */
function checkPages(task: Task, device: PrimaryDevice, list: Buffer, start: number): Change[] | null {
  const changes: Change[] = []
  for (let at = start; at < list.length; ) {
    const page = checkPage(task, device, list, at)
    if (page === null) return null
    changes.push({ page, at })
    at += page.current.length
  }
  return changes
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
  for (let i = header.length; i < page.current.length; i++) {
    const fixed = (list[at + i]! ^ page.current[i]!) & ~page.changeable[i]!
    if (fixed !== 0) {
      wrong(task, at + i, 31 - Math.clz32(fixed))
      return null
    }
  }
  return page
}

/** Takes the values over; whether any is new. */
function apply(list: Buffer, changes: readonly Change[]): boolean {
  let changed = false
  for (const { page, at } of changes) {
    // The header stays as it is: PS is for MODE SENSE alone.
    for (let i = page.subpage > 0 ? 4 : 2; i < page.current.length; i++) {
      if (page.current[i] !== list[at + i]) changed = true
      page.current[i] = list[at + i]!
    }
  }
  return changed
}

const refuses = ['sp'] as const

export const modeSelects: readonly Binding[] = [
  on(
    MODE_SELECT_6,
    (task: Task, device: PrimaryDevice) => modeSelect(task, device, FORM_6, MODE_SELECT_6.cdb.field),
    { refuses },
  ),
  on(
    MODE_SELECT_10,
    (task: Task, device: PrimaryDevice) => modeSelect(task, device, FORM_10, MODE_SELECT_10.cdb.field),
    { refuses },
  ),
]
