// SPDX-License-Identifier: Apache-2.0
// INQUIRY: the standard data, and the vital product data pages of the device's list.
import {
  EXTENDED_COPY_LID1,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  InquiryVersion,
  Qualifier,
  STANDARD_INQUIRY,
  VPD_HEADER,
  VpdCode,
} from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

const { evpd, pageCode, allocation } = INQUIRY.cdb.field

export const inquiry = on(INQUIRY, (task: Task, device: PrimaryDevice) => {
  const { cdb } = task
  const code = pageCode.get(cdb, 0)
  const room = allocation.get(cdb, 0)
  if (evpd.get(cdb, 0) === 0) {
    if (code !== 0) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
    return reply(task, standardData(device), room)
  }
  const page = code === VpdCode.supportedPages ? listPages(device) : buildPage(device, task, code)
  if (page === null) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
  VPD_HEADER.write(
    {
      qualifier: Qualifier.connected,
      deviceType: device.type.peripheralType,
      pageCode: code,
      length: page.length - 4,
    },
    page,
  )
  reply(task, page, room)
})

/** RESPONSE DATA FORMAT of every standard since SCSI-2. */
const RESPONSE_FORMAT = 2

function standardData(device: PrimaryDevice): Uint8Array {
  const { vendor, product, revision } = device.unit.identity
  const data = STANDARD_INQUIRY.write({
    qualifier: Qualifier.connected,
    deviceType: device.type.peripheralType,
    rmb: device.removable ? 1 : 0,
    version: InquiryVersion.spc4,
    hierarchical: 1,
    responseFormat: RESPONSE_FORMAT,
    additionalLength: STANDARD_INQUIRY.length - 5,
    // SPC-4: some command of the third-party copy opcodes is there.
    thirdPartyCopy: device.type.bindings.some(one => one.command.opcode === EXTENDED_COPY_LID1.opcode)
      ? 1
      : 0,
    commandQueue: 1,
    vendor,
    product,
    revision,
  })
  const first = STANDARD_INQUIRY.field.versionDescriptor1.byte
  device.versions.forEach((version, index) => {
    data[first + 2 * index] = version >> 8
    data[first + 2 * index + 1] = version
  })
  return data
}

function listPages(device: PrimaryDevice): Uint8Array {
  const page = new Uint8Array(5 + device.vpdPages.length)
  page[4] = VpdCode.supportedPages
  device.vpdPages.forEach(({ code }, index) => {
    page[5 + index] = code
  })
  return page
}

function buildPage(device: PrimaryDevice, task: Task, code: number): Uint8Array | null {
  for (const page of device.vpdPages) if (page.code === code) return page.build(device, task)
  return null
}
