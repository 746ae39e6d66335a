// SPDX-License-Identifier: Apache-2.0
// Login as a table: which request may come in which stage, and where it leads (RFC 7143, 6.3 and 11.12.3).
import { LoginStage } from '@lunkit/spec'

export const LOGIN_STATES = ['start', 'security', 'operational', 'fullFeature'] as const
export type LoginState = (typeof LOGIN_STATES)[number]

export const LOGIN_EVENTS = [
  'security',
  'securityToOperational',
  'securityToFullFeature',
  'operational',
  'operationalToFullFeature',
] as const
export type LoginEvent = (typeof LOGIN_EVENTS)[number]

export interface LoginRow {
  readonly from: LoginState
  readonly on: LoginEvent
  /** Stage whose keys the request carries. */
  readonly at: 'security' | 'operational'
  /** Where login is afterwards if the target has nothing left to settle in this stage; else it stays at `at`. */
  readonly to: LoginState
}

export const LOGIN_ROWS: readonly LoginRow[] = Object.freeze([
  { from: 'start', on: 'security', at: 'security', to: 'security' },
  { from: 'start', on: 'securityToOperational', at: 'security', to: 'operational' },
  { from: 'start', on: 'securityToFullFeature', at: 'security', to: 'fullFeature' },
  { from: 'start', on: 'operational', at: 'operational', to: 'operational' },
  { from: 'start', on: 'operationalToFullFeature', at: 'operational', to: 'fullFeature' },
  { from: 'security', on: 'security', at: 'security', to: 'security' },
  { from: 'security', on: 'securityToOperational', at: 'security', to: 'operational' },
  { from: 'security', on: 'securityToFullFeature', at: 'security', to: 'fullFeature' },
  { from: 'operational', on: 'operational', at: 'operational', to: 'operational' },
  { from: 'operational', on: 'operationalToFullFeature', at: 'operational', to: 'fullFeature' },
])

const grid: ReadonlyMap<string, LoginRow> = new Map(
  LOGIN_ROWS.map(row => [`${row.from} ${row.on}`, row] as const),
)
if (grid.size !== LOGIN_ROWS.length) throw new RangeError('Two login rows for one state and event')

/** The row for a request in a state; undefined if it may not come there. */
export const loginRow = (state: LoginState, event: LoginEvent): LoginRow | undefined =>
  grid.get(`${state} ${event}`)

/** What a request's stage bits ask for; null if the standard has no such request. */
export function loginEvent(transit: boolean, csg: number, nsg: number): LoginEvent | null {
  if (csg === LoginStage.security) {
    if (!transit) return 'security'
    if (nsg === LoginStage.operational) return 'securityToOperational'
    return nsg === LoginStage.fullFeature ? 'securityToFullFeature' : null
  }
  if (csg !== LoginStage.operational) return null
  if (!transit) return 'operational'
  return nsg === LoginStage.fullFeature ? 'operationalToFullFeature' : null
}
