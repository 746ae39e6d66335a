// SPDX-License-Identifier: Apache-2.0
// What answers for a LUN without a logical unit (SPC-4, incorrect logical unit selection).
import {
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  InquiryVersion,
  LOGICAL_UNIT_NOT_SUPPORTED,
  DeviceType as Peripheral,
  Qualifier,
  REQUEST_SENSE,
  STANDARD_INQUIRY,
} from '@lunkit/spec'
import { type Device, type DeviceType, defaultPolicies, fail, on, reply, type Task } from '@lunkit/target-api'
import { reportLuns } from '../primary/report-luns.ts'
import { replySense } from '../primary/request-sense.ts'

const { evpd, pageCode, allocation } = INQUIRY.cdb.field

/** What INQUIRY says where no unit is: type 1Fh, and no page tells more. */
function inquiryOf(qualifier: number) {
  const standard = STANDARD_INQUIRY.write({
    qualifier,
    deviceType: Peripheral.unknown,
    version: InquiryVersion.spc4,
    hierarchical: 1,
    responseFormat: 2,
    additionalLength: STANDARD_INQUIRY.length - 5,
    commandQueue: 1,
    vendor: '',
    product: '',
    revision: '',
  })
  return on(INQUIRY, (task: Task) => {
    if (evpd.get(task.cdb, 0) === 1) return fail(task, INVALID_FIELD_IN_CDB, evpd)
    if (pageCode.get(task.cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
    reply(task, Uint8Array.from(standard), allocation.get(task.cdb, 0))
  })
}

/** GOOD, and the reason as parameter data: this command is never refused for its LUN. */
const requestSense = on(REQUEST_SENSE, (task: Task) => replySense(task, LOGICAL_UNIT_NOT_SUPPORTED))

/** A LUN that answers and has no unit, with this peripheral qualifier. */
export function withoutUnit(name: string, qualifier: number): DeviceType {
  const type: DeviceType = {
    apiVersion: 1,
    name,
    peripheralType: Peripheral.unknown,
    parameters: {},
    bindings: [inquiryOf(qualifier), reportLuns, requestSense],
    otherwise: task => fail(task, LOGICAL_UNIT_NOT_SUPPORTED),
    open: async () => new Absent(type),
  }
  return type
}

/** No unit can be here: qualifier 011b. */
export const device: DeviceType = withoutUnit('absent', Qualifier.impossible)

class Absent implements Device {
  readonly type: DeviceType
  readonly blockSize = 0
  readonly blocks = 0
  readonly writable = false
  readonly maxTransfer = 0
  readonly notReady = null
  readonly occupied = null
  readonly policies = defaultPolicies()
  constructor(type: DeviceType) {
    this.type = type
  }
  attach(): void {}
  abort(): void {}
  reset(): void {}
  nexusLost(): void {}
  async close(): Promise<void> {}
}
