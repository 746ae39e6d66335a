// SPDX-License-Identifier: Apache-2.0
// Status class and detail of a login response (RFC 7143, 11.13.5).

/** Status of a login response: class in the high byte, detail in the low one. */
export const LoginStatus = Object.freeze({
  success: 0x0000,
  targetMovedTemporarily: 0x0101,
  targetMovedPermanently: 0x0102,
  initiatorError: 0x0200,
  authenticationFailure: 0x0201,
  authorizationFailure: 0x0202,
  notFound: 0x0203,
  targetRemoved: 0x0204,
  unsupportedVersion: 0x0205,
  tooManyConnections: 0x0206,
  missingParameter: 0x0207,
  cannotIncludeInSession: 0x0208,
  sessionTypeNotSupported: 0x0209,
  sessionDoesNotExist: 0x020a,
  invalidDuringLogin: 0x020b,
  targetError: 0x0300,
  serviceUnavailable: 0x0301,
  outOfResources: 0x0302,
} as const)

/** Classes, the high byte: what the initiator does next depends on it alone. */
export const LoginStatusClass = Object.freeze({
  success: 0,
  redirection: 1,
  initiatorError: 2,
  targetError: 3,
} as const)

const texts: ReadonlyMap<number, string> = new Map([
  [0x0000, 'Success'],
  [0x0101, 'Target moved temporarily'],
  [0x0102, 'Target moved permanently'],
  [0x0200, 'Initiator error'],
  [0x0201, 'Authentication failure'],
  [0x0202, 'Authorization failure: this initiator may not use the target'],
  [0x0203, 'Target not found'],
  [0x0204, 'Target removed'],
  [0x0205, 'Unsupported version'],
  [0x0206, 'Too many connections'],
  [0x0207, 'Missing parameter'],
  [0x0208, 'Cannot include the connection in the session'],
  [0x0209, 'Session type not supported'],
  [0x020a, 'Session does not exist'],
  [0x020b, 'Invalid request during login'],
  [0x0300, 'Target error'],
  [0x0301, 'Service unavailable'],
  [0x0302, 'Out of resources'],
])
const classes = ['Success', 'Redirection', 'Initiator error', 'Target error'] as const

/** Words for a login status (class in the high byte); an unknown detail is named by its class. */
export function loginStatusText(status: number): string {
  const known = texts.get(status)
  if (known !== undefined) return known
  const code = `0x${status.toString(16).padStart(4, '0')}`
  const name = classes[status >> 8]
  return name === undefined ? `Unknown login status ${code}` : `${name} (login status ${code})`
}
