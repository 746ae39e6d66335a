// SPDX-License-Identifier: Apache-2.0
// I_T nexus and I_T_L nexus as the engine keeps them.
import { AccessState, type SenseCode } from '@lunkit/spec'
import {
  type InitiatorPort,
  type Nexus,
  type NexusUnit,
  type NexusView,
  type ReservedNexus,
  reservedName,
  type TargetPort,
} from '@lunkit/target-api'
import type { Unit } from './logical-unit.ts'
import type { TargetDevice } from './lun-map.ts'
import { reservedNexus } from './reservations/unit-reservations.ts'
import { UnitAttentions } from './unit-attention.ts'

/** LUNs up to here are found by index, the few others by Map. */
const BY_INDEX = 256

export class ItNexus implements Nexus {
  readonly port: TargetPort
  readonly target: TargetDevice
  readonly initiator: InitiatorPort
  /** What reservations know it by. */
  readonly reserved: ReservedNexus
  readonly reservedName: string
  /** What commands reach that name a LUN this initiator does not see. */
  readonly absent: ItlNexus
  credit: number
  /** What `credit` is while the window is open: so many tasks for each unit that the initiator sees, up to a ceiling. */
  room: number
  running = 0
  driverData: unknown = null
  closed = false
  /** What its driver says that it may see; an empty one leaves that to the target's groups. */
  view: NexusView
  /** Bytes charged, waiting tasks that keep the window closed, and the last pass in which its ceiling was short. */
  memory = 0
  waiting = 0
  shortIn = 0
  /** Asymmetric access state of its port, and which commands that leaves (`Route.accessLevel`): 0 all of them. */
  accessState: AccessState = AccessState.optimized
  accessFloor = 0
  readonly #perUnit: number
  readonly #most: number
  #units = 0
  readonly #low: (ItlNexus | null)[] = []
  readonly #high = new Map<number, ItlNexus>()

  constructor(
    port: TargetPort,
    target: TargetDevice,
    initiator: InitiatorPort,
    absent: Unit,
    perUnit: number,
    most: number,
    view: NexusView = {},
  ) {
    this.view = view
    this.port = port
    this.target = target
    this.initiator = initiator
    this.reserved = reservedNexus(this)
    this.reservedName = reservedName(this.reserved)
    this.absent = new ItlNexus(this, absent, -1)
    this.#perUnit = perUnit
    this.#most = most
    this.room = perUnit
    this.credit = perUnit
  }

  /** The unit behind a LUN of this initiator's view; the absent one if there is none. */
  at(lun: number): ItlNexus {
    if (lun >= 0 && lun < this.#low.length) return this.#low[lun] ?? this.absent
    return this.#high.get(lun) ?? this.absent
  }

  set(itl: ItlNexus): void {
    const { lun } = itl
    if (this.at(lun) === this.absent) this.#count(1)
    if (lun >= BY_INDEX) this.#high.set(lun, itl)
    else {
      // No holes: the array stays of the fast kind.
      while (this.#low.length <= lun) this.#low.push(null)
      this.#low[lun] = itl
    }
    itl.unit.nexuses.add(itl)
    itl.unit.reservations.joined(itl)
  }

  /** A stuck unit with as many commands as it may have leaves the window open for the others. */
  #count(units: number): void {
    this.#units += units
    this.room = Math.min(this.#perUnit * Math.max(1, this.#units), this.#most)
    if (this.credit > 0) this.credit = this.room
  }

  remove(itl: ItlNexus): void {
    this.#count(-1)
    if (itl.lun >= BY_INDEX) this.#high.delete(itl.lun)
    else this.#low[itl.lun] = null
    itl.unit.nexuses.delete(itl)
    itl.unit.aca.clear(itl)
    itl.unit.reservations.left(itl)
  }

  /** All units that this initiator sees, by ascending LUN. */
  units(): ItlNexus[] {
    const high = [...this.#high.values()].sort((a, b) => a.lun - b.lun)
    return [...this.#low.filter(itl => itl !== null), ...high]
  }

  luns(): readonly number[] {
    return this.units().map(({ lun }) => lun)
  }
}

export class ItlNexus implements NexusUnit {
  readonly nexus: ItNexus
  readonly unit: Unit
  readonly lun: number
  preventsRemoval = false
  /** Writes are refused; the LUN map or the view of the nexus says so. */
  readonly = false
  readonly attentions = new UnitAttentions()
  /** Tasks in the unit's task set. */
  queued = 0
  /** It has an auto contingent allegiance at the unit. */
  faulted = false
  /** Classes of commands (reservations/admission.ts) that a reservation keeps from this nexus; 0 while there is none. */
  barred = 0
  /** Bytes charged, and the last pass over the waiting tasks in which its ceiling was short. */
  memory = 0
  shortIn = 0

  constructor(nexus: ItNexus, unit: Unit, lun: number) {
    this.nexus = nexus
    this.unit = unit
    this.lun = lun
  }

  /** Establishes a condition that the initiator may want to hear of at once. */
  raise(code: SenseCode): void {
    const { port } = this.nexus
    if (this.attentions.add(code)) port.attentionRaised?.(this.nexus, this.lun, code)
  }

  takeAttention(): SenseCode | null {
    return this.attentions.take()
  }

  /**
   * The condition to end a command with, or null. UA_INTLCK_CTRL (SPC-4, Control mode page) may keep it pending until
   * REQUEST SENSE takes it.
   */
  reportAttention(): SenseCode | null {
    const { attentions, unit } = this
    return unit.device.policies.uaIntlckCtrl === 0 ? attentions.take() : attentions.next
  }
}
