// SPDX-License-Identifier: Apache-2.0
// Reason codes of the Reject PDU (RFC 7143, 11.17.1).

export const RejectReason = Object.freeze({
  dataDigestError: 0x02,
  snackReject: 0x03,
  protocolError: 0x04,
  commandNotSupported: 0x05,
  immediateCommandReject: 0x06,
  taskInProgress: 0x07,
  invalidDataAck: 0x08,
  invalidPduField: 0x09,
  longOperationReject: 0x0a,
  /** No longer sent: RFC 3720 used it to reset a negotiation. */
  negotiationReset: 0x0b,
  waitingForLogout: 0x0c,
} as const)

const texts: ReadonlyMap<number, string> = new Map([
  [0x02, 'Data digest error'],
  [0x03, 'SNACK rejected'],
  [0x04, 'Protocol error'],
  [0x05, 'Command not supported'],
  [0x06, 'Too many immediate commands'],
  [0x07, 'Task in progress'],
  [0x08, 'Invalid data acknowledgement'],
  [0x09, 'Invalid PDU field'],
  [0x0a, 'Out of resources for a long operation'],
  [0x0b, 'Negotiation reset'],
  [0x0c, 'Waiting for logout'],
])

/** Whether the refused PDU can be sent again as it was. */
export const rejectAllowsResend = (reason: number): boolean =>
  reason === RejectReason.dataDigestError ||
  reason === RejectReason.snackReject ||
  reason === RejectReason.immediateCommandReject ||
  reason === RejectReason.longOperationReject

export const rejectReasonText = (reason: number): string =>
  texts.get(reason) ?? `Unknown reject reason 0x${reason.toString(16).padStart(2, '0')}`
