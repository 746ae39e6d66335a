// SPDX-License-Identifier: Apache-2.0
// What the Control mode page says about a unit's tasks, as the engine reads it.

/** Fields of the Control mode page (SPC-4) under their names there; numbers as coded. SWP is `Device.writable`. */
export interface ControlPolicies {
  /** 0: one task set for all nexuses; 1: one for each I_T nexus. */
  tst: number
  /** What happens to the other tasks after CHECK CONDITION: 0 nothing, 1 all aborted, 3 those of the nexus aborted. */
  qerr: number
  /** Tasks aborted by another nexus end with TASK ABORTED; else silently, and a unit attention tells of them. */
  tas: boolean
  /** Whether an auto contingent allegiance can be handled by task management only: no ACA tasks are taken. */
  tmfOnly: boolean
  /** UA_INTLCK_CTRL: 0 cleared when reported, 2 kept, 3 kept and established after BUSY and the like. */
  uaIntlckCtrl: number
  /** QUEUE ALGORITHM MODIFIER: 0 restricted reordering, 1 unrestricted. */
  queueAlgorithm: number
  /** Sense data in descriptor format. */
  dSense: boolean
}

/** What a device without the page does. */
export const defaultPolicies = (): ControlPolicies => ({
  tst: 0,
  qerr: 0,
  tas: false,
  tmfOnly: false,
  uaIntlckCtrl: 0,
  queueAlgorithm: 1,
  dSense: false,
})
