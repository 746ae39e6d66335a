// SPDX-License-Identifier: Apache-2.0
// The life of one connection as rows (RFC 7143, 8.1, as a target sees it).

export const CONNECTION_STATES = [
  'free',
  'transportUp',
  'inLogin',
  'loggedIn',
  'logoutRequested',
  'inLogout',
  'cleanupWait',
] as const
export type ConnectionState = (typeof CONNECTION_STATES)[number]

export const CONNECTION_EVENTS = [
  'accepted',
  'loginRequest',
  'loginDone',
  'loginFailed',
  'askLogout',
  'logoutRequest',
  'logoutDone',
  'lost',
  'cleaned',
] as const
export type ConnectionEvent = (typeof CONNECTION_EVENTS)[number]

export interface ConnectionRow {
  readonly from: ConnectionState
  readonly on: ConnectionEvent
  readonly to: ConnectionState
  /** Transition in RFC 7143, 8.1.2. */
  readonly ref: string
}

export const CONNECTION_ROWS: readonly ConnectionRow[] = Object.freeze([
  { from: 'free', on: 'accepted', to: 'transportUp', ref: 'T3' },
  { from: 'transportUp', on: 'loginRequest', to: 'inLogin', ref: 'T4' },
  { from: 'transportUp', on: 'lost', to: 'free', ref: 'T6' },
  { from: 'inLogin', on: 'loginDone', to: 'loggedIn', ref: 'T5' },
  { from: 'inLogin', on: 'loginFailed', to: 'free', ref: 'T7' },
  { from: 'inLogin', on: 'lost', to: 'free', ref: 'T7' },
  { from: 'loggedIn', on: 'askLogout', to: 'logoutRequested', ref: 'T11' },
  { from: 'loggedIn', on: 'logoutRequest', to: 'inLogout', ref: 'T9' },
  { from: 'loggedIn', on: 'lost', to: 'cleanupWait', ref: 'T15' },
  { from: 'logoutRequested', on: 'logoutRequest', to: 'inLogout', ref: 'T10' },
  { from: 'logoutRequested', on: 'lost', to: 'cleanupWait', ref: 'T16' },
  { from: 'inLogout', on: 'logoutDone', to: 'free', ref: 'T13' },
  { from: 'inLogout', on: 'lost', to: 'cleanupWait', ref: 'T17' },
  { from: 'cleanupWait', on: 'cleaned', to: 'free', ref: 'M2' },
])

const grid: ReadonlyMap<string, ConnectionState> = new Map(
  CONNECTION_ROWS.map(row => [`${row.from} ${row.on}`, row.to] as const),
)
if (grid.size !== CONNECTION_ROWS.length) throw new RangeError('Two connection rows for one state and event')

/** State after an event; undefined if it cannot come in that state. */
export const nextState = (from: ConnectionState, on: ConnectionEvent): ConnectionState | undefined =>
  grid.get(`${from} ${on}`)
