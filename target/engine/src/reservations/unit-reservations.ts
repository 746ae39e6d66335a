// SPDX-License-Identifier: Apache-2.0
// The reservations of one unit, SPC-2's and persistent ones: who may do what, and what a change tells to whom.
import type {
  Nexus,
  PersistentState,
  ReservationOutcome,
  ReservationRequest,
  Reservations,
  ReservedNexus,
  Task,
} from '@lunkit/target-api'
import type { Unit } from '../logical-unit.ts'
import type { ItlNexus, ItNexus } from '../nexus.ts'
import { BARRED_BY_LOSS, BARRED_BY_OWN_RESERVE, BARRED_BY_RESERVE, barredByType } from './admission.ts'
import { type Change, change, isHolder, refused, replaceLost, traitsOf } from './persistent.ts'
import type { ReservationStore } from './reservation-store.ts'
import { specifiedPorts } from './specified-ports.ts'

type Done = (outcome: ReservationOutcome) => void

/** Aborts the tasks of these nexuses at the unit; `over` is called when they have ended or been given up. */
export type AbortPreempted = (unit: Unit, nexuses: ReadonlySet<Nexus>, over: () => void) => void

export class UnitReservations implements Reservations {
  readonly #unit: Unit
  readonly #store: ReservationStore
  readonly #abort: AbortPreempted
  /** Who has reserved the unit by RESERVE. */
  #reserver: Nexus | null = null
  /** Requests that wait for the one under way: each is decided on the state that the one before left. */
  readonly #waiting: (() => void)[] = []
  #busy = false
  #running = false

  constructor(unit: Unit, store: ReservationStore, abort: AbortPreempted) {
    this.#unit = unit
    this.#store = store
    this.#abort = abort
  }

  get state(): PersistentState {
    return this.#store.state
  }

  get canPersist(): boolean {
    return this.#store.canPersist
  }

  get lost(): boolean {
    return this.#store.lost
  }

  // ---- who may do what ----

  /** A nexus sees the unit now. */
  joined(itl: ItlNexus): void {
    itl.barred = this.#barredFor(itl.nexus)
  }

  /** It sees it no more: RESERVE ends with the nexus, registrations do not. */
  left(itl: ItlNexus): void {
    if (this.#reserver === itl.nexus) this.#setReserver(null)
  }

  /** Logical unit reset. */
  reset(): void {
    this.#setReserver(null)
  }

  #barredFor(nexus: ItNexus): number {
    if (this.lost) return BARRED_BY_LOSS
    if (this.#reserver !== null) return this.#reserver === nexus ? BARRED_BY_OWN_RESERVE : BARRED_BY_RESERVE
    const { state } = this
    const traits = traitsOf(state)
    if (traits === null || isHolder(state, nexus.reservedName)) return 0
    return traits.registrantsToo && state.registrations.has(nexus.reservedName) ? 0 : barredByType(traits)
  }

  #refresh(): void {
    for (const itl of this.#unit.nexuses) itl.barred = this.#barredFor(itl.nexus)
  }

  // ---- SPC-2 ----

  reserve(nexus: Nexus): boolean {
    if (this.#isCompatible(nexus)) return true
    if (this.state.registrations.size > 0 || this.#busy) return false
    if (this.#reserver !== null) return this.#reserver === nexus
    this.#setReserver(nexus)
    return true
  }

  release(nexus: Nexus): boolean {
    if (this.#isCompatible(nexus)) return true
    if (this.state.registrations.size > 0) return false
    if (this.#reserver === nexus) this.#setReserver(null)
    return true
  }

  /** SPC-4, exceptions to SPC-2 RESERVE and RELEASE behavior: they do nothing, with success, to who has the access anyway. */
  #isCompatible(nexus: Nexus): boolean {
    const { reservedName: name } = nexus as ItNexus
    const { state } = this
    if (isHolder(state, name)) return true
    return traitsOf(state)?.registrantsToo === true && state.registrations.has(name)
  }

  #setReserver(nexus: Nexus | null): void {
    this.#reserver = nexus
    this.#refresh()
  }

  // ---- PERSISTENT RESERVE OUT ----

  perform(task: Task, request: ReservationRequest, done: Done): void {
    this.#waiting.push(() => {
      if (task.aborted) done('failed')
      else this.#decide(task.nexus as ItNexus, request, done)
    })
    this.#run()
  }

  /** Decides those that wait, until one takes its time. */
  #run(): void {
    if (this.#running) return
    this.#running = true
    try {
      while (!this.#busy && this.#waiting.length > 0) this.#waiting.shift()!()
    } finally {
      this.#running = false
    }
  }

  #decide(nexus: ItNexus, request: ReservationRequest, done: Done): void {
    const result = this.#result(nexus, request)
    if (result.outcome !== 'good' || result.next === this.state) {
      done(result.outcome)
      return
    }
    this.#busy = true
    this.#store.commit(result.next, error => {
      this.#busy = false
      if (error === null) this.#changed(result, request, done)
      else {
        const naa = Buffer.from(this.#unit.identity.naa).toString('hex')
        this.#unit.warn(`The reservations of unit ${naa} could not be saved: ${error.message}`)
        done('failed')
      }
      this.#run()
    })
  }

  #result(nexus: ItNexus, request: ReservationRequest): Change {
    const { state } = this
    // A RESERVE may have come while it waited.
    if (this.#reserver !== null) return refused(state, 'conflict')
    const others = specifiedPorts(request.others, nexus.target)
    if (others === undefined) return refused(state, 'ports')
    const result = this.lost
      ? replaceLost(nexus.reserved, request)
      : change(state, nexus.reserved, { ...request, others }, portsOf(nexus))
    return result.next.aptpl && !this.canPersist ? refused(state, 'aptpl') : result
  }

  #changed(result: Change, request: ReservationRequest, done: Done): void {
    this.#refresh()
    const codes = Map.groupBy(result.told, ({ name }) => name)
    const preempted = new Set<Nexus>()
    for (const { nexus, attentions } of this.#unit.nexuses) {
      for (const { code } of codes.get(nexus.reservedName) ?? []) attentions.add(code)
      if (result.preempted.includes(nexus.reservedName)) preempted.add(nexus)
    }
    if (request.action !== 'preempt-and-abort' || preempted.size === 0) {
      done('good')
      return
    }
    // Who comes next does not wait for tasks that may be stuck.
    this.#abort(this.#unit, preempted, () => done('good'))
  }
}

/** What reservations call the nexus. */
export function reservedNexus({ initiator, target, port }: Nexus): ReservedNexus {
  const transportId = Buffer.from(initiator.transportId).toString('hex')
  return { transportId, target: target.name, port: port.relativeId }
}

/** Relative identifiers of the ports of its target. */
function portsOf({ port, target }: ItNexus): number[] {
  return [...new Set([port.relativeId, ...target.ports.map(({ relativeId }) => relativeId)])]
}
