// SPDX-License-Identifier: Apache-2.0
// INQUIRY: the standard data, and the vital product data pages of the device's list.
import {
  EXTENDED_COPY_LID1,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  InquiryVersion,
  Qualifier,
  STANDARD_INQUIRY,
  VersionDescriptor,
  VPD_HEADER,
  VpdCode,
} from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'
import type { VpdPage } from './vpd-page.ts'

const { evpd, pageCode, allocation } = INQUIRY.cdb.field

export const inquiry = on(INQUIRY, (task: Task, device: PrimaryDevice) => {
  const { cdb } = task
  const code = pageCode.get(cdb, 0)
  const room = allocation.get(cdb, 0)
  if (evpd.get(cdb, 0) === 0) {
    if (code !== 0) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
    return reply(task, standardData(device, task), room)
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

/** TPGS: implicit asymmetric access alone, or explicit as well. */
const Tpgs = { none: 0, implicit: 1, both: 3 } as const

/** The TPGS field for who asks. */
export function tpgsOf({ nexus }: Task): number {
  const { portGroups } = nexus.target
  if (portGroups === null) return Tpgs.none
  return portGroups.explicit ? Tpgs.both : Tpgs.implicit
}

function standardData(device: PrimaryDevice, task: Task): Uint8Array {
  const { vendor, product, revision } = device.unit.identity
  const data = STANDARD_INQUIRY.write({
    qualifier: Qualifier.connected,
    deviceType: device.type.peripheralType,
    rmb: device.removable ? 1 : 0,
    version: InquiryVersion.spc4,
    hierarchical: 1,
    // The engine establishes an auto contingent allegiance where NACA asks for it.
    normalAca: 1,
    responseFormat: RESPONSE_FORMAT,
    additionalLength: STANDARD_INQUIRY.length - 5,
    // SPC-4: some command of the third-party copy opcodes is there.
    thirdPartyCopy: device.type.bindings.some(one => one.command.opcode === EXTENDED_COPY_LID1.opcode)
      ? 1
      : 0,
    tpgs: tpgsOf(task),
    multiPort: task.nexus.target.ports.length > 1 ? 1 : 0,
    protect: device.hasProtection ? 1 : 0,
    commandQueue: 1,
    vendor,
    product,
    revision,
  })
  const first = STANDARD_INQUIRY.field.versionDescriptor1.byte
  device.versions.forEach((one, index) => {
    const version = one === VersionDescriptor.iscsi ? (task.nexus.initiator.version ?? one) : one
    data[first + 2 * index] = version >> 8
    data[first + 2 * index + 1] = version
  })
  return data
}

function listPages(device: PrimaryDevice): Uint8Array {
  const pages = device.vpdPages.filter(page => isOffered(page, device)).sort((a, b) => a.code - b.code)
  const page = new Uint8Array(5 + pages.length)
  page[4] = VpdCode.supportedPages
  pages.forEach(({ code }, index) => {
    page[5 + index] = code
  })
  return page
}

function buildPage(device: PrimaryDevice, task: Task, code: number): Uint8Array | null {
  const page = device.vpdPages.find(one => one.code === code)
  return page !== undefined && isOffered(page, device) ? page.build(device, task) : null
}

const isOffered = ({ offered }: VpdPage, device: PrimaryDevice): boolean =>
  offered === null || offered(device)
