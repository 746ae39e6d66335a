// SPDX-License-Identifier: Apache-2.0
// Status codes of iSNS responses (RFC 4171, 5.4).

/** Those that a client acts on. */
export const IsnsStatus = Object.freeze({
  success: 0,
  formatError: 2,
  invalidRegistration: 3,
  sourceUnknown: 6,
  noSuchEntry: 9,
  notSupported: 15,
  esiNotAvailable: 21,
  featureNotSupported: 23,
} as const)

const TEXTS: readonly string[] = [
  'Successful',
  'Unknown error',
  'Message format error',
  'Invalid registration',
  'Reserved status 4',
  'Invalid query',
  'Source unknown',
  'Source absent',
  'Source unauthorized',
  'No such entry',
  'Version not supported',
  'Internal error',
  'Busy',
  'Option not understood',
  'Invalid update',
  'Function not supported',
  'SCN event rejected',
  'SCN registration rejected',
  'Attribute not implemented',
  'FC domain ID not available',
  'FC domain ID not allocated',
  'ESI not available',
  'Invalid deregistration',
  'Registration feature not supported',
]

/** Words for a status. */
export const isnsStatusText = (status: number): string => TEXTS[status] ?? `Unknown status ${status}`
