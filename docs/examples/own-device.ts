// SPDX-License-Identifier: Apache-2.0
// Example: a device type of one's own; docs/how-to/add-a-device.md shows it.
import {
  INQUIRY,
  InquiryVersion,
  DeviceType as Peripheral,
  STANDARD_INQUIRY,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { type Device, type DeviceType, defaultPolicies, on, reply, succeed } from '@lunkit/target-api'
import { connect } from 'lunkit/initiator'
import { createTarget, lun } from 'lunkit/target'

export const toaster: DeviceType = {
  apiVersion: 1,
  name: 'toaster',
  peripheralType: Peripheral.processor,
  parameters: { slots: { type: 'integer', help: 'Slices at once', initial: 2 } },
  bindings: [
    on(TEST_UNIT_READY, succeed),
    on(
      INQUIRY,
      task => {
        const standard = STANDARD_INQUIRY.write({
          deviceType: Peripheral.processor,
          version: InquiryVersion.spc4,
          responseFormat: 2,
          additionalLength: STANDARD_INQUIRY.length - 5,
          vendor: 'ACME',
          product: 'TOASTER',
          revision: '1',
        })
        reply(task, standard, INQUIRY.cdb.field.allocation.get(task.cdb, 0))
      },
      { refuses: ['evpd'] }, // it has no VPD pages
    ),
  ],
  open: async (_store, { slots }) => new Toaster(Number(slots)),
}

class Toaster implements Device {
  readonly type = toaster
  readonly blockSize = 0
  readonly blocks = 0
  readonly writable = false
  readonly maxTransfer = 0
  readonly notReady = null
  readonly occupied = null
  readonly policies = defaultPolicies()
  readonly slots: number
  constructor(slots: number) {
    this.slots = slots
  }
  attach(): void {}
  abort(): void {}
  reset(): void {}
  nexusLost(): void {}
  async close(): Promise<void> {}
}

await using target = await createTarget({ luns: [lun({ device: toaster, keys: { slots: 4 } })] })
await using unit = await connect(target.url)
await unit.testReady()
console.log((await unit.inquiry()).product) // TOASTER
