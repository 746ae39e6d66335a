// SPDX-License-Identifier: Apache-2.0
// Functions and responses of task management (RFC 7143, 11.5.1 and 11.6.1; RFC 7144 adds functions 9 to 12).

/** Functions. Those from `queryTask` on need iSCSIProtocolLevel 2 or higher (RFC 7144). */
export const IscsiTaskFunction = Object.freeze({
  abortTask: 1,
  abortTaskSet: 2,
  clearAca: 3,
  clearTaskSet: 4,
  logicalUnitReset: 5,
  targetWarmReset: 6,
  targetColdReset: 7,
  taskReassign: 8,
  queryTask: 9,
  queryTaskSet: 10,
  itNexusReset: 11,
  queryAsynchronousEvent: 12,
} as const)

export const IscsiTaskResponse = Object.freeze({
  functionComplete: 0,
  taskDoesNotExist: 1,
  lunDoesNotExist: 2,
  taskStillAllegiant: 3,
  reassignmentNotSupported: 4,
  functionNotSupported: 5,
  authorizationFailed: 6,
  /** RFC 7144: the task, task or event that was asked for is there. */
  functionSucceeded: 7,
  functionRejected: 255,
} as const)

/** Lowest iSCSIProtocolLevel at which RFC 7144's functions may be used. */
export const SCSI_FEATURES_LEVEL = 2

const functions = [
  'Reserved function 0',
  'ABORT TASK',
  'ABORT TASK SET',
  'CLEAR ACA',
  'CLEAR TASK SET',
  'LOGICAL UNIT RESET',
  'TARGET WARM RESET',
  'TARGET COLD RESET',
  'TASK REASSIGN',
  'QUERY TASK',
  'QUERY TASK SET',
  'I_T NEXUS RESET',
  'QUERY ASYNCHRONOUS EVENT',
] as const

const responses: ReadonlyMap<number, string> = new Map([
  [0, 'Function complete'],
  [1, 'Task does not exist'],
  [2, 'LUN does not exist'],
  [3, 'Task still allegiant'],
  [4, 'Task allegiance reassignment not supported'],
  [5, 'Function not supported'],
  [6, 'Function authorization failed'],
  [7, 'Function succeeded'],
  [255, 'Function rejected'],
])

export const taskManagementFunctionText = (code: number): string =>
  functions[code] ?? `Unknown task management function ${code}`

export const taskManagementResponseText = (code: number): string =>
  responses.get(code) ?? `Unknown task management response ${code}`
