// SPDX-License-Identifier: Apache-2.0
// The reservations of a logical unit as its device sees them: what commands ask for, and what is there.
import type { Nexus } from './nexus.ts'
import type { Task } from './task.ts'

/** An I_T nexus as reservations know it: it may be open or not, and keeps its place when it is not. */
export interface ReservedNexus {
  /** TransportID of the initiator port, in hex digits. */
  readonly transportId: string
  /** Name of the target, and relative target port identifier. */
  readonly target: string
  readonly port: number
}

export interface Registration extends ReservedNexus {
  readonly key: bigint
  /** Registered with ALL_TG_PT. */
  readonly allPorts: boolean
}

/** What persistent reservations of one unit are at one time. Never changed: a change makes a new one. */
export interface PersistentState {
  /** PRGENERATION. */
  readonly generation: number
  /** The last registration asked for APTPL: all of this outlives the process. */
  readonly aptpl: boolean
  /** TYPE of the reservation (spec ReservationType), or 0 if there is none. */
  readonly type: number
  /** Who holds it, by `reservedName`; null if there is none, or it is held by all registrants. */
  readonly holder: string | null
  /** By `reservedName`, in order of registration. */
  readonly registrations: ReadonlyMap<string, Registration>
}

/** What tells I_T nexuses apart: an initiator port at a target port, whichever session it has. */
export const reservedName = ({ transportId, target, port }: ReservedNexus): string =>
  `${transportId},${target},${port}`

/** Service actions of PERSISTENT RESERVE OUT. */
export type ReservationAction =
  | 'register'
  | 'register-and-ignore'
  | 'reserve'
  | 'release'
  | 'clear'
  | 'preempt'
  | 'preempt-and-abort'
  | 'register-and-move'
  | 'replace-lost'

/** PERSISTENT RESERVE OUT, read and well-formed; fields that an action does not have are zero. */
export interface ReservationRequest {
  readonly action: ReservationAction
  readonly key: bigint
  /** SERVICE ACTION RESERVATION KEY. */
  readonly newKey: bigint
  readonly type: number
  readonly aptpl: boolean
  readonly allPorts: boolean
  /** SPEC_I_PT: further initiator ports by their TransportIDs in hex; null if the bit is zero. */
  readonly others: readonly string[] | null
  /** REGISTER AND MOVE. */
  readonly move: { readonly transportId: string; readonly port: number; readonly unregister: boolean } | null
}

/**
 * conflict: RESERVATION CONFLICT. Then faults of fields: the type, the new key, the initiator ports, the target port to move
 * to. release: INVALID RELEASE OF PERSISTENT RESERVATION. resources: no room for so many. action: not applicable now.
 * aptpl: nothing can be saved here. failed: it could not be saved, and nothing has changed.
 */
export type ReservationOutcome =
  | 'good'
  | 'conflict'
  | 'type'
  | 'new-key'
  | 'ports'
  | 'target-port'
  | 'release'
  | 'resources'
  | 'action'
  | 'aptpl'
  | 'failed'

export interface Reservations {
  readonly state: PersistentState
  /** Reservations can be kept beyond the process (PTPL_C). */
  readonly canPersist: boolean
  /**
   * Carries out PERSISTENT RESERVE OUT for the task's nexus; nothing, if the task is aborted before its turn. `done` is called once, when the new state counts and, with APTPL, is
   * durable; for preempt-and-abort, when the preempted commands have ended or been given up.
   */
  perform(task: Task, request: ReservationRequest, done: (outcome: ReservationOutcome) => void): void
  /** RESERVE and RELEASE of SPC-2; false is RESERVATION CONFLICT. */
  reserve(nexus: Nexus): boolean
  release(nexus: Nexus): boolean
}
