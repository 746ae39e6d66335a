// SPDX-License-Identifier: Apache-2.0
// Which commands an asymmetric access state of the target port leaves, and what the others are told.
import {
  AccessState,
  LOGICAL_UNIT_NOT_ACCESSIBLE_ASYMMETRIC_ACCESS_STATE_TRANSITION,
  LOGICAL_UNIT_NOT_ACCESSIBLE_TARGET_PORT_IN_STANDBY_STATE,
  LOGICAL_UNIT_NOT_ACCESSIBLE_TARGET_PORT_IN_UNAVAILABLE_STATE,
  LOGICAL_UNIT_NOT_READY_OFFLINE,
  type SenseCode,
} from '@lunkit/spec'
import { ACCESS_LEVEL } from './dispatch.ts'

/** SPC-4, target port asymmetric access states: below this level a command does not run. */
export function accessFloor(state: AccessState): number {
  switch (state) {
    case AccessState.standby:
      return ACCESS_LEVEL.standby
    case AccessState.unavailable:
    case AccessState.offline:
      return ACCESS_LEVEL.unavailable
    case AccessState.transitioning:
      return ACCESS_LEVEL.always
    default:
      return ACCESS_LEVEL.active
  }
}

export function accessSense(state: AccessState): SenseCode {
  switch (state) {
    case AccessState.standby:
      return LOGICAL_UNIT_NOT_ACCESSIBLE_TARGET_PORT_IN_STANDBY_STATE
    case AccessState.unavailable:
      return LOGICAL_UNIT_NOT_ACCESSIBLE_TARGET_PORT_IN_UNAVAILABLE_STATE
    case AccessState.offline:
      return LOGICAL_UNIT_NOT_READY_OFFLINE
    default:
      return LOGICAL_UNIT_NOT_ACCESSIBLE_ASYMMETRIC_ACCESS_STATE_TRANSITION
  }
}
