// SPDX-License-Identifier: Apache-2.0
// Power conditions (SPC-4): idle and standby, reached by timers or by START STOP UNIT, left by any use of the medium.
import {
  IDLE_B_CONDITION_ACTIVATED_BY_COMMAND,
  IDLE_B_CONDITION_ACTIVATED_BY_TIMER,
  IDLE_C_CONDITION_ACTIVATED_BY_COMMAND,
  IDLE_C_CONDITION_ACTIVATED_BY_TIMER,
  IDLE_CONDITION_ACTIVATED_BY_COMMAND,
  IDLE_CONDITION_ACTIVATED_BY_TIMER,
  POWER_CONDITION,
  type SenseCode,
  STANDBY_CONDITION_ACTIVATED_BY_COMMAND,
  STANDBY_CONDITION_ACTIVATED_BY_TIMER,
  STANDBY_Y_CONDITION_ACTIVATED_BY_COMMAND,
  STANDBY_Y_CONDITION_ACTIVATED_BY_TIMER,
} from '@lunkit/spec'
import type { LogicalUnit } from '@lunkit/target-api'
import { isSame } from './mode-pages.ts'

/** From the one that draws most power to the one that draws least. */
export const Condition = Object.freeze({
  active: 0,
  idleA: 1,
  idleB: 2,
  idleC: 3,
  standbyY: 4,
  standbyZ: 5,
} as const)
export type Condition = (typeof Condition)[keyof typeof Condition]

const { idleA, idleB, idleC, standbyY, standbyZ, ...timers } = POWER_CONDITION.field

/** What page 1Ah says of each condition; the timers count in 100 ms. */
const TIMED = [
  { condition: Condition.idleA, enabled: idleA, timer: timers.idleATimer },
  { condition: Condition.idleB, enabled: idleB, timer: timers.idleBTimer },
  { condition: Condition.idleC, enabled: idleC, timer: timers.idleCTimer },
  { condition: Condition.standbyY, enabled: standbyY, timer: timers.standbyYTimer },
  { condition: Condition.standbyZ, enabled: standbyZ, timer: timers.standbyZTimer },
] as const

const TICK_MS = 100

/** Before the mode page is taken over. */
const NO_PAGE = new Uint8Array(POWER_CONDITION.length)

const BY_TIMER: Readonly<Record<Condition, SenseCode | null>> = {
  [Condition.active]: null,
  [Condition.idleA]: IDLE_CONDITION_ACTIVATED_BY_TIMER,
  [Condition.idleB]: IDLE_B_CONDITION_ACTIVATED_BY_TIMER,
  [Condition.idleC]: IDLE_C_CONDITION_ACTIVATED_BY_TIMER,
  [Condition.standbyY]: STANDBY_Y_CONDITION_ACTIVATED_BY_TIMER,
  [Condition.standbyZ]: STANDBY_CONDITION_ACTIVATED_BY_TIMER,
}
const BY_COMMAND: Readonly<Record<Condition, SenseCode | null>> = {
  [Condition.active]: null,
  [Condition.idleA]: IDLE_CONDITION_ACTIVATED_BY_COMMAND,
  [Condition.idleB]: IDLE_B_CONDITION_ACTIVATED_BY_COMMAND,
  [Condition.idleC]: IDLE_C_CONDITION_ACTIVATED_BY_COMMAND,
  [Condition.standbyY]: STANDBY_Y_CONDITION_ACTIVATED_BY_COMMAND,
  [Condition.standbyZ]: STANDBY_CONDITION_ACTIVATED_BY_COMMAND,
}

/**
 * Nothing is done on the road of a command: whether the medium was used is seen from the unit's counters, at each tick
 * and when somebody asks.
 */
export class PowerConditions {
  /** Stopped: no condition is entered. */
  readonly #isStopped: () => boolean
  readonly #standby: () => void
  readonly #transitions = [0, 0, 0, 0, 0, 0]
  #unit: LogicalUnit | null = null
  #condition: Condition = Condition.active
  #byTimer = false
  /** `accesses` of the unit when the condition was reached, and at the last tick. */
  #entered = 0
  #seen = 0
  #idleTicks = 0
  /** Enabled timers, by condition; in ticks. */
  #timers: { condition: Condition; ticks: number }[] = []
  #page: Uint8Array = NO_PAGE
  /** The timers run: no START STOP UNIT has chosen a condition for good. */
  #ticking = true
  #clock: ReturnType<typeof setInterval> | null = null

  /** `standby` is called when a timer stops the medium: what is cached has to be written. */
  constructor(isStopped: () => boolean, standby: () => void) {
    this.#isStopped = isStopped
    this.#standby = standby
  }

  attach(unit: LogicalUnit): void {
    this.#unit = unit
  }

  /** The condition now. */
  get condition(): Condition {
    if (this.#condition !== Condition.active && this.#accesses() !== this.#entered)
      this.#reach(Condition.active)
    return this.#condition
  }

  /** How often this condition was reached. */
  countOf(condition: Condition): number {
    // The end of one that was left unseen counts, too.
    void this.condition
    return this.#transitions[condition]!
  }

  /** What REQUEST SENSE tells of it, or null. */
  get sense(): SenseCode | null {
    return (this.#byTimer ? BY_TIMER : BY_COMMAND)[this.condition]
  }

  /** Takes over page 1Ah. Its timers begin anew if it has changed. */
  configure(page: Uint8Array): void {
    if (isSame(page, this.#page)) return
    this.#page = page
    this.#timers = TIMED.filter(({ enabled }) => enabled.get(page, 0) === 1).map(({ condition, timer }) => ({
      condition,
      ticks: timer.get(page, 0),
    }))
    this.#restart()
  }

  /** START STOP UNIT with ACTIVE, IDLE or STANDBY: stays with it, until the medium is used or it gives control back. */
  choose(condition: Condition): void {
    this.#ticking = false
    this.#restart()
    if (condition !== this.condition) this.#reach(condition)
    this.#byTimer = false
  }

  /** START STOP UNIT with LU_CONTROL: the timers decide again. */
  giveControl(): void {
    this.#ticking = true
    this.#restart()
  }

  /** START STOP UNIT with FORCE_IDLE_0 or FORCE_STANDBY_0: as if that timer had run out now. */
  expire(condition: Condition): void {
    this.giveControl()
    this.#lower(condition)
  }

  /** Power on, reset, or started again. */
  activate(): void {
    if (this.condition !== Condition.active) this.#reach(Condition.active)
    this.giveControl()
  }

  stop(): void {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
  }

  #accesses(): number {
    return this.#unit?.counters.accesses ?? 0
  }

  #restart(): void {
    this.#idleTicks = 0
    this.#seen = this.#accesses()
    const needed = this.#ticking && this.#timers.length > 0
    if (!needed) this.stop()
    else if (this.#clock === null) {
      this.#clock = setInterval(() => this.#tick(), TICK_MS)
      this.#clock.unref()
    }
  }

  #tick(): void {
    const accesses = this.#accesses()
    if (accesses !== this.#seen || this.#isStopped()) {
      this.#seen = accesses
      this.#idleTicks = 0
      return
    }
    this.#idleTicks++
    for (const { condition, ticks } of this.#timers) if (this.#idleTicks >= ticks) this.#lower(condition)
  }

  /** A timer leads to conditions of less power only. */
  #lower(condition: Condition): void {
    if (this.#isStopped() || condition <= this.condition) return
    const standby = condition >= Condition.standbyY && this.#condition < Condition.standbyY
    this.#reach(condition)
    this.#byTimer = true
    if (standby) this.#standby()
  }

  #reach(condition: Condition): void {
    this.#condition = condition
    this.#entered = this.#accesses()
    this.#transitions[condition]!++
  }
}
