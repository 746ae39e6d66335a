// SPDX-License-Identifier: Apache-2.0
// The Control mode page as the engine reads it.
import { CONTROL } from '@lunkit/spec'
import type { ControlPolicies } from '@lunkit/target-api'

const { tst, qerr, tas, tmfOnly, uaInterlock, queueAlgorithm, dSense } = CONTROL.field

/** Fills `policies` from the page's current values. */
export function takePolicies(policies: ControlPolicies, page: Uint8Array): void {
  policies.tst = tst.get(page, 0)
  policies.qerr = qerr.get(page, 0)
  policies.tas = tas.get(page, 0) === 1
  policies.tmfOnly = tmfOnly.get(page, 0) === 1
  policies.uaIntlckCtrl = uaInterlock.get(page, 0)
  policies.queueAlgorithm = queueAlgorithm.get(page, 0)
  policies.dSense = dSense.get(page, 0) === 1
}
