// SPDX-License-Identifier: Apache-2.0
// SAM's task management functions and service responses, and the data that lists the supported ones.
import { bit, u8, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** Task management functions (SAM-5, task management functions). A transport maps its own numbers to these names. */
export const TaskManagement = Object.freeze({
  abortTask: 'ABORT TASK',
  abortTaskSet: 'ABORT TASK SET',
  clearAca: 'CLEAR ACA',
  clearTaskSet: 'CLEAR TASK SET',
  nexusReset: 'I_T NEXUS RESET',
  unitReset: 'LOGICAL UNIT RESET',
  queryTask: 'QUERY TASK',
  queryTaskSet: 'QUERY TASK SET',
  queryAsynchronousEvent: 'QUERY ASYNCHRONOUS EVENT',
} as const)

export type TaskManagementFunction = (typeof TaskManagement)[keyof typeof TaskManagement]

/** Service responses (SAM-5, task management function procedure calls). */
export const TaskManagementAnswer = Object.freeze({
  complete: 'FUNCTION COMPLETE',
  succeeded: 'FUNCTION SUCCEEDED',
  rejected: 'FUNCTION REJECTED',
  incorrectLun: 'INCORRECT LOGICAL UNIT NUMBER',
  failure: 'SERVICE DELIVERY OR TARGET FAILURE',
} as const)

export type TaskManagementServiceResponse = (typeof TaskManagementAnswer)[keyof typeof TaskManagementAnswer]

/** REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS data: 4 bytes with REPD zero, all 16 with REPD one. */
export const SUPPORTED_TASK_MANAGEMENT = layout(
  'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS data',
  'SPC-4 REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS parameter data',
  16,
  {
    abortTask: bit(0, 7),
    abortTaskSet: bit(0, 6),
    clearAca: bit(0, 5),
    clearTaskSet: bit(0, 4),
    unitReset: bit(0, 3),
    queryTask: bit(0, 2),
    targetReset: bit(0, 1),
    wakeUp: bit(0, 0),
    queryAsynchronousEvent: bit(1, 2),
    queryTaskSet: bit(1, 1),
    nexusReset: bit(1, 0),
    additionalLength: u8(3),
    /** The two timeouts below count; each bit after it: the function takes the short one, else the long one. */
    timeoutsValid: bit(4, 0),
    abortTaskShort: bit(6, 7),
    abortTaskSetShort: bit(6, 6),
    clearAcaShort: bit(6, 5),
    clearTaskSetShort: bit(6, 4),
    unitResetShort: bit(6, 3),
    queryTaskShort: bit(6, 2),
    queryAsynchronousEventShort: bit(7, 2),
    queryTaskSetShort: bit(7, 1),
    nexusResetShort: bit(7, 0),
    /** In units of 100 ms. */
    longTimeout: u32(8),
    shortTimeout: u32(12),
  },
)
