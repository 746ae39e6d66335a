// SPDX-License-Identifier: Apache-2.0
// VPD page 87h: each mode page is one for all nexuses of its unit, and no other unit's.
import { MODE_PAGE_POLICY, VpdCode } from '@lunkit/spec'
import type { PrimaryDevice } from './primary-device.ts'
import { type VpdPage, vpdBytes } from './vpd-page.ts'

/** MODE PAGE POLICY (SPC-4 Mode Page Policy VPD page). */
const SHARED = 0

export const modePagePolicy: VpdPage = vpdBytes(VpdCode.modePagePolicy, ({ modePages }: PrimaryDevice) => {
  const { length } = MODE_PAGE_POLICY
  const bytes = new Uint8Array(modePages.all.length * length)
  modePages.all.forEach(({ code, subpage }, index) => {
    MODE_PAGE_POLICY.write({ pageCode: code, subpage, policy: SHARED }, bytes, index * length)
  })
  return bytes
})
