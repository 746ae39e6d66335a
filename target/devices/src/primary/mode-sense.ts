// SPDX-License-Identifier: Apache-2.0
// MODE SENSE (6) and (10): header, block descriptor and pages, in the values that PC asks for.
import {
  INVALID_FIELD_IN_CDB,
  MODE_PAGE_HEADER,
  MODE_SENSE_6,
  MODE_SENSE_10,
  ModeCode,
  PageControl,
  SAVING_PARAMETERS_NOT_SUPPORTED,
} from '@lunkit/spec'
import { type Binding, fail, on, reply, type Task } from '@lunkit/target-api'
import { FORM_6, FORM_10, type ModeForm } from './mode-header.ts'
import type { ModePage } from './mode-pages.ts'
import type { PrimaryDevice } from './primary-device.ts'

type Fields = typeof MODE_SENSE_6.cdb.field | typeof MODE_SENSE_10.cdb.field

const NONE = new Uint8Array(0)

function modeSense(task: Task, device: PrimaryDevice, form: ModeForm, fields: Fields, long: boolean) {
  const { cdb } = task
  const control = fields.pageControl.get(cdb, 0)
  const saves = device.unit.records !== null
  if (control === PageControl.saved && !saves) {
    return fail(task, SAVING_PARAMETERS_NOT_SUPPORTED, fields.pageControl)
  }
  const code = fields.pageCode.get(cdb, 0)
  const pages = device.modePages.select(code, fields.subpage.get(cdb, 0))
  if (pages.length === 0) {
    const known = device.modePages.select(code, ModeCode.allSubpages).length > 0
    return fail(task, INVALID_FIELD_IN_CDB, known ? fields.subpage : fields.pageCode)
  }
  const descriptor = fields.dbd.get(cdb, 0) === 1 ? NONE : (device.blockDescriptor(long) ?? NONE)
  const head = form.header.length
  const length = pages.reduce((sum, { current }) => sum + current.length, head + descriptor.length)
  const { field } = form.header
  // SPC-4: MODE DATA LENGTH of the short form cannot tell of more.
  if (length - form.uncounted >= 2 ** field.dataLength.width)
    return fail(task, INVALID_FIELD_IN_CDB, fields.pageCode)
  const list = new Uint8Array(length)
  field.dataLength.set(list, 0, length - form.uncounted)
  list[field.writeProtect.byte] = device.modeParameter(task.nexusUnit.readonly)
  field.blockDescriptorLength.set(list, 0, descriptor.length)
  if (long && descriptor.length > 0) form.setLong(list)
  list.set(descriptor, head)
  let at = head + descriptor.length
  for (const page of pages) {
    list.set(valuesOf(page, control), at)
    if (saves && page.variable) MODE_PAGE_HEADER.field.ps.set(list, at, 1)
    at += page.current.length
  }
  reply(task, list, fields.allocation.get(cdb, 0))
}

function valuesOf(page: ModePage, control: number): Uint8Array {
  if (control === PageControl.changeable) return page.changeable
  if (control === PageControl.saved) return page.saved
  return control === PageControl.defaults ? page.initial : page.current
}

const fields10 = MODE_SENSE_10.cdb.field

export const modeSenses: readonly Binding[] = [
  on(MODE_SENSE_6, (task: Task, device: PrimaryDevice) =>
    modeSense(task, device, FORM_6, MODE_SENSE_6.cdb.field, false),
  ),
  on(MODE_SENSE_10, (task: Task, device: PrimaryDevice) =>
    modeSense(task, device, FORM_10, fields10, fields10.llbaa.get(task.cdb, 0) === 1),
  ),
]
