// SPDX-License-Identifier: Apache-2.0
// Events of the Asynchronous Message PDU (RFC 7143, 11.9.1).

/**
 * For `logoutRequested` Parameter3 is the time in seconds to log out in; for `connectionDropped` Parameter1 is the CID,
 * and for it and `sessionDropped` Parameter2 is Time2Wait and Parameter3 Time2Retain; for `negotiationRequested`
 * Parameter3 is the time in seconds to start negotiation in; `tasksTerminated` names the unit in its LUN field.
 */
export const AsyncEvent = Object.freeze({
  /** The data segment carries sense data. */
  scsiEvent: 0,
  logoutRequested: 1,
  connectionDropped: 2,
  sessionDropped: 3,
  negotiationRequested: 4,
  tasksTerminated: 5,
  vendorSpecific: 255,
} as const)

const texts: ReadonlyMap<number, string> = new Map([
  [0, 'SCSI event'],
  [1, 'Target asks for logout'],
  [2, 'Target drops the connection'],
  [3, 'Target drops all connections of the session'],
  [4, 'Target asks for parameter negotiation'],
  [5, 'Target terminates all tasks of a logical unit'],
  [255, 'Vendor-specific event'],
])

/** Events from here to 255 are a vendor's own; AsyncVCode tells more. */
export const FIRST_VENDOR_EVENT = 248

export function asyncEventText(event: number): string {
  const known = texts.get(event)
  if (known !== undefined) return known
  return event >= FIRST_VENDOR_EVENT && event <= 255
    ? `Vendor-specific event ${event}`
    : `Unknown event ${event}`
}
