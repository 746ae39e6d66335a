// SPDX-License-Identifier: Apache-2.0
// Reasons and responses of logout (RFC 7143, 11.14.1 and 11.15.1).

export const LogoutReason = Object.freeze({
  closeSession: 0,
  closeConnection: 1,
  removeConnectionForRecovery: 2,
} as const)

export const LogoutResponse = Object.freeze({
  closed: 0,
  cidNotFound: 1,
  recoveryNotSupported: 2,
  cleanupFailed: 3,
} as const)

const reasons = ['Close the session', 'Close the connection', 'Remove the connection for recovery'] as const
const responses = [
  'Closed',
  'CID not found',
  'Connection recovery not supported',
  'Cleanup failed for other reasons',
] as const

export const logoutReasonText = (reason: number): string =>
  reasons[reason] ?? `Unknown logout reason ${reason}`
export const logoutResponseText = (response: number): string =>
  responses[response] ?? `Unknown logout response ${response}`
