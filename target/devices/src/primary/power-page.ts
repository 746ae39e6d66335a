// SPDX-License-Identifier: Apache-2.0
// VPD page 8Ah: the power conditions there are, each of which is left at once.
import { POWER_CONDITION_VPD, VpdCode } from '@lunkit/spec'
import type { PrimaryDevice } from './primary-device.ts'
import { type VpdPage, vpdPage } from './vpd-page.ts'

/** Milliseconds; zero would be: not told. */
const AT_ONCE = 1

export const powerConditionPage: VpdPage = vpdPage(
  VpdCode.powerCondition,
  POWER_CONDITION_VPD,
  () => ({
    standbyY: 1,
    standbyZ: 1,
    idleC: 1,
    idleB: 1,
    idleA: 1,
    stoppedRecovery: AT_ONCE,
    standbyZRecovery: AT_ONCE,
    standbyYRecovery: AT_ONCE,
    idleARecovery: AT_ONCE,
    idleBRecovery: AT_ONCE,
    idleCRecovery: AT_ONCE,
  }),
  ({ power }: PrimaryDevice) => power !== null,
)
