// SPDX-License-Identifier: Apache-2.0
// A passed-through disk holds to the contract of a device type.
import { DeviceType, INQUIRY, REQUEST_SENSE } from '@lunkit/spec'
import type { DeviceType as Type } from '@lunkit/target-api'
import { deviceSuite } from '@lunkit/testing/kit/device-suite.ts'
import { LocalBridge } from '@lunkit/testing/kit/local-bridge.ts'
import { bindingsOf } from './bindings.ts'
import { passthrough } from './device-type.ts'

/** What is asked before a unit is open; the suite looks for these rows. */
const listed = bindingsOf(DeviceType.disk, { ownReservations: true, performance: false })
const asked = [INQUIRY, REQUEST_SENSE].map(command => ({ ...listed[0]!, command }))

/** Each unit has a bridge of its own. */
const device: Type = {
  ...passthrough({}),
  bindings: asked,
  open: async (store, values) => passthrough((await LocalBridge.open()).openers).open(store, values),
}

deviceSuite(device, {
  size: null,
  values: { unit: 'local:real', timeout: 60, wait: 20, reservations: 'own', readonly: false },
  rounds: 4,
})
