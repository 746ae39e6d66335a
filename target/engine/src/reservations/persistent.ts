// SPDX-License-Identifier: Apache-2.0
// Persistent reservations as pure functions: a state, who asks for what, and the state, answer and unit attentions after it.
import {
  REGISTRATIONS_PREEMPTED,
  RESERVATION_TYPES,
  RESERVATIONS_PREEMPTED,
  RESERVATIONS_RELEASED,
  type SenseCode,
} from '@lunkit/spec'
import {
  type PersistentState,
  type Registration,
  type ReservationOutcome,
  type ReservationRequest,
  type ReservedNexus,
  reservedName,
} from '@lunkit/target-api'

/** Registrations of one unit; more are INSUFFICIENT REGISTRATION RESOURCES. */
const MOST = 1024

export const NOTHING_RESERVED: PersistentState = Object.freeze({
  generation: 0,
  aptpl: false,
  type: 0,
  holder: null,
  registrations: new Map(),
})

/** What a request changes. Names are those of `reservedName`. */
export interface Change {
  readonly outcome: ReservationOutcome
  readonly next: PersistentState
  /** Who is told what by a unit attention. */
  readonly told: readonly { readonly name: string; readonly code: SenseCode }[]
  /** Whose tasks PREEMPT AND ABORT aborts. */
  readonly preempted: readonly string[]
}

export const traitsOf = (state: PersistentState) => RESERVATION_TYPES.get(state.type) ?? null

/** Whether that nexus holds the reservation, alone or with all who are registered. */
export function isHolder(state: PersistentState, name: string): boolean {
  return traitsOf(state)?.allHold === true ? state.registrations.has(name) : state.holder === name
}

/** `ports`: the relative target ports of the target. SPC-4, reservations clause; PERSISTENT RESERVE OUT command. */
export function change(
  state: PersistentState,
  self: ReservedNexus,
  request: ReservationRequest,
  ports: readonly number[],
): Change {
  switch (request.action) {
    case 'register':
    case 'register-and-ignore':
      return register(state, self, request, ports)
    case 'replace-lost':
      return refused(state, 'action')
  }
  const name = reservedName(self)
  if (state.registrations.get(name)?.key !== request.key) return refused(state, 'conflict')
  switch (request.action) {
    case 'reserve':
      return reserve(state, name, request)
    case 'release':
      return release(state, name, request)
    case 'clear':
      return clear(state, name)
    case 'register-and-move':
      return move(state, self, request, ports)
    default:
      return preempt(state, name, request)
  }
}

export const refused = (state: PersistentState, outcome: ReservationOutcome): Change => ({
  outcome,
  next: state,
  told: [],
  preempted: [],
})

const good = (
  next: PersistentState,
  told: Change['told'] = [],
  preempted: readonly string[] = [],
): Change => ({
  outcome: 'good',
  next,
  told,
  preempted,
})

/** The one after it: registering, clearing and preempting count, reserving and releasing do not. */
const counted = (state: PersistentState): number => (state.generation + 1) >>> 0

/** Everybody who is registered but `name`. */
const others = ({ registrations }: PersistentState, name: string): string[] =>
  [...registrations.keys()].filter(one => one !== name)

const tell = (names: readonly string[], code: SenseCode): Change['told'] =>
  names.map(name => ({ name, code }))

// ---- registering ----

function register(
  state: PersistentState,
  self: ReservedNexus,
  request: ReservationRequest,
  ports: readonly number[],
): Change {
  const own = state.registrations.get(reservedName(self))
  if (request.action === 'register' && (own?.key ?? 0n) !== request.key) return refused(state, 'conflict')
  // Others are registered together with oneself, not later.
  if (request.others !== null && (own !== undefined || request.newKey === 0n)) return refused(state, 'ports')
  if (own === undefined && request.newKey === 0n) return good(state)
  const mine = (request.allPorts ? ports : [self.port]).map(port => ({ ...self, port }))
  if (request.newKey === 0n) return unregister(state, self, mine.map(reservedName), request)
  const registrations = new Map(state.registrations)
  const { newKey: key, allPorts } = request
  for (const nexus of mine) registrations.set(reservedName(nexus), { ...nexus, key, allPorts })
  for (const transportId of request.others ?? []) {
    for (const { target, port } of mine) {
      const nexus = { transportId, target, port }
      const name = reservedName(nexus)
      if (!registrations.has(name)) registrations.set(name, { ...nexus, key, allPorts })
    }
  }
  if (registrations.size > MOST) return refused(state, 'resources')
  return good({ ...state, generation: counted(state), aptpl: request.aptpl, registrations })
}

function unregister(
  state: PersistentState,
  self: ReservedNexus,
  names: readonly string[],
  { aptpl }: ReservationRequest,
): Change {
  const left = without(state, names)
  const next = { ...left, generation: counted(state), aptpl }
  // SPC-4, unregistering: who shared the holder's access learns that it is gone.
  const shared = state.type !== 0 && next.type === 0 && traitsOf(state)!.registrantsToo
  return good(next, shared ? tell(others(next, reservedName(self)), RESERVATIONS_RELEASED) : [])
}

/** The state without these registrations; a reservation goes with its holder, or with the last of its holders. */
function without(state: PersistentState, names: readonly string[]): PersistentState {
  const registrations = new Map(state.registrations)
  for (const name of names) registrations.delete(name)
  const allHold = traitsOf(state)?.allHold === true
  const gone = allHold ? registrations.size === 0 : state.holder !== null && names.includes(state.holder)
  return gone ? { ...state, registrations, type: 0, holder: null } : { ...state, registrations }
}

// ---- reserving and releasing ----

/** The reservation of that type, held by that nexus, or by all if it is of such a type. */
const held = (type: number, name: string): Pick<PersistentState, 'type' | 'holder'> => ({
  type,
  holder: RESERVATION_TYPES.get(type)!.allHold ? null : name,
})

function reserve(state: PersistentState, name: string, { type }: ReservationRequest): Change {
  if (!RESERVATION_TYPES.has(type)) return refused(state, 'type')
  if (state.type === 0) return good({ ...state, ...held(type, name) })
  return isHolder(state, name) && state.type === type ? good(state) : refused(state, 'conflict')
}

function release(state: PersistentState, name: string, { type }: ReservationRequest): Change {
  if (!isHolder(state, name)) return good(state)
  if (type !== state.type) return refused(state, 'release')
  const next = { ...state, type: 0, holder: null }
  return good(next, traitsOf(state)!.registrantsToo ? tell(others(state, name), RESERVATIONS_RELEASED) : [])
}

function clear(state: PersistentState, name: string): Change {
  const next = {
    ...NOTHING_RESERVED,
    aptpl: state.aptpl,
    generation: counted(state),
  }
  return good(next, tell(others(state, name), RESERVATIONS_PREEMPTED))
}

// ---- preempting ----

function preempt(state: PersistentState, name: string, { type, newKey }: ReservationRequest): Change {
  const allHold = traitsOf(state)?.allHold === true
  const victims = victimsOf(state, name, newKey)
  if (victims === null) return refused(state, 'new-key')
  const takes = allHold ? newKey === 0n : isHolderKey(state, newKey)
  if (!takes) {
    if (victims.length === 0) return refused(state, 'conflict')
    const hit = victims.filter(one => one !== name)
    const next = { ...without(state, victims), generation: counted(state) }
    return good(next, tell(hit, REGISTRATIONS_PREEMPTED), hit)
  }
  if (!RESERVATION_TYPES.has(type)) return refused(state, 'type')
  const next = { ...without(state, victims), ...held(type, name), generation: counted(state) }
  const told = tell(victims, REGISTRATIONS_PREEMPTED)
  const changed = type === state.type ? [] : tell(others(next, name), RESERVATIONS_RELEASED)
  return good(next, [...told, ...changed], victims)
}

const isHolderKey = ({ holder, registrations }: PersistentState, key: bigint): boolean =>
  holder !== null && registrations.get(holder)!.key === key

/**
 * Whose registrations go. Key zero names all holders, where all registrants hold, and nobody else. The nexus that
 * preempts keeps its own registration if it takes the reservation.
 */
function victimsOf(state: PersistentState, name: string, newKey: bigint): string[] | null {
  if (newKey === 0n) return traitsOf(state)?.allHold === true ? others(state, name) : null
  const named = [...state.registrations].filter(([, { key }]) => key === newKey).map(([one]) => one)
  return isHolderKey(state, newKey) ? named.filter(one => one !== name) : named
}

// ---- moving ----

function move(
  state: PersistentState,
  self: ReservedNexus,
  { newKey, aptpl, move: to }: ReservationRequest,
  ports: readonly number[],
): Change {
  const name = reservedName(self)
  if (state.type === 0) return refused(state, 'action')
  if (state.holder !== name) return refused(state, 'conflict')
  if (newKey === 0n) return refused(state, 'new-key')
  const { transportId, port, unregister: leaves } = to!
  if (!ports.includes(port)) return refused(state, 'target-port')
  const nexus = { transportId, target: self.target, port }
  const heir = reservedName(nexus)
  if (heir === name) return refused(state, 'ports')
  const registrations = new Map(state.registrations)
  const registration: Registration = { ...nexus, key: newKey, allPorts: false }
  registrations.set(heir, registration)
  if (leaves) registrations.delete(name)
  if (registrations.size > MOST) return refused(state, 'resources')
  return good({ ...state, generation: counted(state), aptpl, registrations, holder: heir })
}

// ---- after a loss ----

/** SPC-4, replacing lost reservations: the only thing that can be done without knowing them, and nobody else is registered after it. */
export function replaceLost(
  self: ReservedNexus,
  { action, key, newKey, type, aptpl }: ReservationRequest,
): Change {
  if (action !== 'replace-lost' || key !== 0n) return refused(NOTHING_RESERVED, 'conflict')
  if (newKey === 0n) return refused(NOTHING_RESERVED, 'new-key')
  if (!RESERVATION_TYPES.has(type)) return refused(NOTHING_RESERVED, 'type')
  const name = reservedName(self)
  const registrations = new Map([[name, { ...self, key: newKey, allPorts: false }]])
  return good({ ...NOTHING_RESERVED, generation: 1, aptpl, ...held(type, name), registrations })
}
