// SPDX-License-Identifier: Apache-2.0
// The budget for command buffers: in total, per nexus and per unit. Who finds it used up waits, first come first served.
import type { Task } from '@lunkit/target-api'
import { type Unit, unitOf } from './logical-unit.ts'
import type { ItNexus } from './nexus.ts'
import { TaskList } from './task-list.ts'

/** Ceilings in bytes. A single task above one of them goes when it is the only one charged there. */
export interface MemoryLimits {
  readonly total: number
  readonly perSession: number
  readonly perUnit: number
}

const fits = (used: number, bytes: number, limit: number): boolean => used === 0 || used + bytes <= limit

export class Memory {
  readonly limits: MemoryLimits
  readonly waiting = new TaskList()
  used = 0
  /** Nexuses that no task waits for any more: their window may open again. */
  readonly restored: ItNexus[] = []
  /** Something was given back since the last pass over the waiting ones. */
  freed = false
  /** The oldest waiting task is short of the total, so nobody may overtake it. */
  #totalShort = false
  #pass = 0

  constructor(limits: MemoryLimits) {
    this.limits = limits
  }

  /** Charges the task; false if it has to wait, and then it is in `waiting`. */
  charge(task: Task, bytes: number): boolean {
    const nexus = task.nexus as ItNexus
    const unit = unitOf(task)
    task.charged = bytes
    if (this.waiting.length > 0 && (this.#totalShort || nexus.waiting > 0 || unit.waiting > 0)) {
      this.#wait(task, nexus, unit)
      return false
    }
    if (this.#take(nexus, unit, bytes)) return true
    this.#totalShort ||= !fits(this.used, bytes, this.limits.total)
    this.#wait(task, nexus, unit)
    return false
  }

  /** Gives back what the task was charged. */
  release(task: Task): void {
    const bytes = task.charged
    task.charged = 0
    this.used -= bytes
    ;(task.nexus as ItNexus).memory -= bytes
    unitOf(task).memory -= bytes
    this.freed = true
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
    const pass = ++this.#pass
    let next: Task | null
    for (let task = this.waiting.first; task !== null; task = next) {
      next = task.next
      const nexus = task.nexus as ItNexus
      const unit = unitOf(task)
      // Behind one of the same nexus or unit that is still short: not before it.
      if (nexus.shortIn === pass || unit.shortIn === pass) continue
      if (!fits(this.used, task.charged, this.limits.total)) {
        this.#totalShort = true
        return
      }
      if (this.#take(nexus, unit, task.charged)) {
        this.#leave(task)
        go(task)
      } else if (!fits(nexus.memory, task.charged, this.limits.perSession)) nexus.shortIn = pass
      else unit.shortIn = pass
    }
  }

  #take(nexus: ItNexus, unit: Unit, bytes: number): boolean {
    const { total, perSession, perUnit } = this.limits
    if (!fits(this.used, bytes, total)) return false
    if (!fits(nexus.memory, bytes, perSession) || !fits(unit.memory, bytes, perUnit)) return false
    this.used += bytes
    nexus.memory += bytes
    unit.memory += bytes
    return true
  }

  #wait(task: Task, nexus: ItNexus, unit: Unit): void {
    nexus.waiting++
    unit.waiting++
    // The window closes behind a task that waits: more of them would only take memory, too.
    nexus.credit = 0
    this.waiting.push(task)
  }

  #leave(task: Task): void {
    const nexus = task.nexus as ItNexus
    if (--nexus.waiting === 0) this.restored.push(nexus)
    unitOf(task).waiting--
    this.waiting.remove(task)
  }
}
