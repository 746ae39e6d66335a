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

/** No unit can be here: qualifier 011b and type 1Fh, and no page tells more. */
const STANDARD = STANDARD_INQUIRY.write({
  qualifier: Qualifier.impossible,
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

const inquiry = on(INQUIRY, (task: Task) => {
  if (evpd.get(task.cdb, 0) === 1) return fail(task, INVALID_FIELD_IN_CDB, evpd)
  if (pageCode.get(task.cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, pageCode)
  reply(task, Uint8Array.from(STANDARD), allocation.get(task.cdb, 0))
})

/** GOOD, and the reason as parameter data: this command is never refused for its LUN. */
const requestSense = on(REQUEST_SENSE, (task: Task) => replySense(task, LOGICAL_UNIT_NOT_SUPPORTED))

export const device: DeviceType = {
  apiVersion: 1,
  name: 'absent',
  peripheralType: Peripheral.unknown,
  parameters: {},
  bindings: [inquiry, reportLuns, requestSense],
  otherwise: task => fail(task, LOGICAL_UNIT_NOT_SUPPORTED),
  open: async () => new Absent(),
}

class Absent implements Device {
  readonly type = device
  readonly blockSize = 0
  readonly blocks = 0
  readonly writable = false
  readonly maxTransfer = 0
  readonly notReady = null
  readonly occupied = null
  readonly policies = defaultPolicies()
  attach(): void {}
  abort(): void {}
  reset(): void {}
  nexusLost(): void {}
  async close(): Promise<void> {}
}
