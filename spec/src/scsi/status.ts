// SPDX-License-Identifier: Apache-2.0
// SAM status codes and task attributes.

/** Status codes (SAM-5, status codes). */
export const Status = Object.freeze({
  good: 0x00,
  checkCondition: 0x02,
  conditionMet: 0x04,
  busy: 0x08,
  reservationConflict: 0x18,
  taskSetFull: 0x28,
  acaActive: 0x30,
  taskAborted: 0x40,
} as const)

const STATUS_TEXT: ReadonlyMap<number, string> = new Map([
  [Status.good, 'GOOD'],
  [Status.checkCondition, 'CHECK CONDITION'],
  [Status.conditionMet, 'CONDITION MET'],
  [Status.busy, 'BUSY'],
  [Status.reservationConflict, 'RESERVATION CONFLICT'],
  [Status.taskSetFull, 'TASK SET FULL'],
  [Status.acaActive, 'ACA ACTIVE'],
  [Status.taskAborted, 'TASK ABORTED'],
])

/** SAM's words for a status code; an unknown one in hexadecimal. */
export const statusText = (status: number): string =>
  STATUS_TEXT.get(status) ?? `status ${status.toString(16).padStart(2, '0')}h`

/** Task attributes (SAM-5, task attributes), with the numbers that iSCSI's ATTR field uses (RFC 7143, 11.3.1). */
export const TaskAttribute = Object.freeze({
  untagged: 0,
  simple: 1,
  ordered: 2,
  headOfQueue: 3,
  aca: 4,
} as const)
