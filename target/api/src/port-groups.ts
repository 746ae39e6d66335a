// SPDX-License-Identifier: Apache-2.0
// Target port groups as devices see them: asymmetric access to the units of one target (SPC-4).
import type { AccessState } from '@lunkit/spec'
import type { Nexus } from './nexus.ts'

/** Ports that always share one asymmetric access state. */
export interface PortGroup {
  /** TARGET PORT GROUP, 0 to 65535. */
  readonly id: number
  readonly state: AccessState
  readonly preferred: boolean
  /** STATUS CODE: spec AccessStatus. */
  readonly statusCode: number
  /** Relative target port identifiers. */
  readonly ports: readonly number[]
  /** States that it can be put in; transitioning is among them if changes take time. */
  readonly states: readonly AccessState[]
}

/** One change that SET TARGET PORT GROUPS or the operator asks for. */
export interface PortGroupChange {
  readonly id: number
  readonly state: AccessState
}

/** All groups of a target. */
export interface PortGroups {
  readonly all: readonly PortGroup[]
  /** Initiators may change states by SET TARGET PORT GROUPS; the operator may in any case. */
  readonly explicit: boolean
  /** How long a change takes at most, in seconds; 0 if it takes no time. */
  readonly transitionSeconds: number
  /** LOGICAL UNIT GROUP of the target's units: all of them share the groups. */
  readonly unitGroup: number
  /** The group of a relative target port identifier, or null. */
  groupOf(relativePort: number): PortGroup | null
  /** Whether the group exists and can be put in that state. */
  allows(change: PortGroupChange): boolean
  /**
   * Puts groups into states, all of which are allowed; through transitioning, if changes take time. Every nexus but
   * `by` is told with a unit attention; `done` is called once, in the call or later. `by` null: the operator's will.
   */
  change(changes: readonly PortGroupChange[], by: Nexus | null, done: () => void): void
}
