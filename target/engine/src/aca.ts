// SPDX-License-Identifier: Apache-2.0
// Auto contingent allegiance (SAM-5, ACA): who has one at a unit, and the tasks that it holds up.
import { type Task, TaskState } from '@lunkit/target-api'
import type { Core } from './core.ts'
import type { ItlNexus } from './nexus.ts'
import { TaskList } from './task-list.ts'
import { Kind, kindOf } from './task-set.ts'

export class Aca {
  readonly suspended = new TaskList()
  /** How many nexuses have one here: more than one only where each nexus has its own task set. */
  #count = 0
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  establish(itl: ItlNexus): void {
    if (itl.faulted) return
    itl.faulted = true
    this.#count++
    this.#core.acas++
  }

  /** Ends the one of this nexus, if it has one; what it held up goes on. */
  clear(itl: ItlNexus): void {
    if (!itl.faulted) return
    itl.faulted = false
    this.#count--
    this.#core.acas--
    for (let task = this.suspended.first; task !== null; ) {
      const { next } = task
      if (!this.concerns(task.nexusUnit as ItlNexus)) {
        this.suspended.remove(task)
        this.#core.proceed(task, task.suspendedIn)
      }
      task = next
    }
    this.#core.wake()
  }

  /** Whether the task set of that nexus is held up. */
  concerns(itl: ItlNexus): boolean {
    if (this.#count === 0) return false
    return itl.unit.device.policies.tst === 0 || itl.faulted
  }

  /** True if the task, which was about to go on, has to wait. */
  suspend(task: Task): boolean {
    const itl = task.nexusUnit as ItlNexus
    if (!this.concerns(itl)) return false
    const kind = kindOf(task)
    if (kind === 0 || kind === Kind.aca || kind === Kind.inner) return false
    task.suspendedIn = task.state
    task.state = TaskState.waitAca
    this.suspended.push(task)
    return true
  }
}
