// SPDX-License-Identifier: Apache-2.0
// The budget for command buffers: in total, per nexus, per unit, and per both. Who finds it used up waits, first come first served.
import type { Task } from '@lunkit/target-api'
import { unitOf } from './logical-unit.ts'
import type { ItlNexus, ItNexus } from './nexus.ts'
import { TaskList } from './task-list.ts'

/** Ceilings in bytes. A single task above one of them goes when it is the only one charged there. */
export interface MemoryLimits {
  readonly total: number
  readonly perSession: number
  readonly perUnit: number
  /** Of one session at one unit: below `perUnit`, so that a session that is stuck there leaves the others some. */
  readonly perSessionAtUnit: number
}

/** Inner tasks get this part of the total, besides it. */
const INNER_SHARE = 4

const fits = (used: number, bytes: number, limit: number): boolean => used === 0 || used + bytes <= limit

export class Memory {
  readonly limits: MemoryLimits
  readonly waiting = new TaskList()
  used = 0
  /** Of inner tasks, which have a budget of their own: see `#tryChargeInner`. */
  #inner = 0
  /** Nexuses that no task waits for any more: their window may open again. */
  readonly restored: ItNexus[] = []
  /** Something was given back since the last pass over the waiting ones. */
  freed = false
  /** The oldest waiting task is short of the total, so nobody may overtake it. */
  #totalShort = false
  #pass = 1
  /** The waiting tasks that closed their nexus's window. */
  readonly #closing = new Set<Task>()

  constructor(limits: MemoryLimits) {
    this.limits = limits
  }

  /** Charges the task; false if it has to wait, and then it is in `waiting`. */
  charge(task: Task, bytes: number): boolean {
    task.charged = bytes
    // What was short for those who waited once is no news.
    if (this.waiting.length === 0) this.#pass++
    if (this.#tryCharge(task)) return true
    this.waiting.push(task)
    if (task.inner !== null) return false
    // The window closes behind a task that waits, or its followers would only fill the memory, too. One that waits for
    // its unit alone leaves it open: the initiator's other units are not stuck.
    if (unitOf(task).shortIn !== this.#pass && (task.nexusUnit as ItlNexus).shortIn !== this.#pass) {
      const nexus = task.nexus as ItNexus
      this.#closing.add(task)
      nexus.waiting++
      nexus.credit = 0
    }
    return false
  }

  /** Gives back what the task was charged. */
  release(task: Task): void {
    const bytes = task.charged
    task.charged = 0
    this.freed = true
    if (task.inner !== null) {
      this.#inner -= bytes
      return
    }
    this.used -= bytes
    ;(task.nexus as ItNexus).memory -= bytes
    unitOf(task).memory -= bytes
    ;(task.nexusUnit as ItlNexus).memory -= bytes
  }

  /** Takes a waiting task out, uncharged. */
  forget(task: Task): void {
    task.charged = 0
    this.#leave(task)
    this.freed = true
  }

  /** Charges the waiting tasks that fit now and hands each to `go`. */
  grant(go: (task: Task) => void): void {
    this.freed = false
    this.#totalShort = false
    this.#pass++
    let next: Task | null
    for (let task = this.waiting.first; task !== null && !this.#totalShort; task = next) {
      next = task.next
      if (!this.#tryCharge(task)) continue
      this.#leave(task)
      go(task)
    }
  }

  /** Charges the task if nobody is before it and it fits; else notes what is short, for those behind it. */
  #tryCharge(task: Task): boolean {
    if (task.inner !== null) return this.#tryChargeInner(task.charged)
    const nexus = task.nexus as ItNexus
    const unit = unitOf(task)
    const bytes = task.charged
    const itl = task.nexusUnit as ItlNexus
    const { total, perSession, perUnit, perSessionAtUnit } = this.limits
    const pass = this.#pass
    const queue = this.waiting.length > 0
    if (
      queue &&
      (this.#totalShort || nexus.shortIn === pass || unit.shortIn === pass || itl.shortIn === pass)
    )
      return false
    this.#totalShort = !fits(this.used, bytes, total)
    if (this.#totalShort) return false
    if (!fits(nexus.memory, bytes, perSession)) nexus.shortIn = pass
    else if (!fits(itl.memory, bytes, perSessionAtUnit)) itl.shortIn = pass
    else if (!fits(unit.memory, bytes, perUnit)) unit.shortIn = pass
    else {
      this.used += bytes
      nexus.memory += bytes
      unit.memory += bytes
      itl.memory += bytes
      return true
    }
    return false
  }

  /**
   * What a copy has read is held until it is written, and that may wait for a command to the same blocks: were they to
   * share a budget, that command could wait for the copy's memory, and neither would end.
   */
  #tryChargeInner(bytes: number): boolean {
    if (!fits(this.#inner, bytes, this.limits.total / INNER_SHARE)) return false
    this.#inner += bytes
    return true
  }

  #leave(task: Task): void {
    this.waiting.remove(task)
    if (!this.#closing.delete(task)) return
    const nexus = task.nexus as ItNexus
    if (--nexus.waiting === 0) this.restored.push(nexus)
  }
}
