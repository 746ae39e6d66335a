// SPDX-License-Identifier: Apache-2.0
// Who may change blocks now: many plain writes together, or one command that reads, decides and writes.
import { type Task, TaskState } from '@lunkit/target-api'

type Start = (task: Task) => void

interface Waiting {
  readonly task: Task
  readonly start: Start
  readonly alone: boolean
}

/**
 * COMPARE AND WRITE and ORWRITE must not see a write between their reading and their writing (SBC-4: the command is
 * one atomic operation for other commands). They are rare, so the whole disk is the lock and plain writes pay a count.
 */
export class WriteGate {
  #inside = 0
  #alone = false
  readonly #queue: Waiting[] = []
  #draining = false

  /** Calls `start` now or when the task's turn comes. Each needs one `leave`, unless `start` throws. */
  enter(task: Task, start: Start, alone: boolean): void {
    if (this.#queue.length === 0 && this.#mayEnter(alone)) {
      this.#count(alone)
      try {
        start(task)
      } catch (cause) {
        this.leaveFaulty(task)
        throw cause
      }
    } else this.#queue.push({ task, start, alone })
  }

  /** For a task that will not come to its `leave`, because of an exception; unless it has come there before it. */
  leaveFaulty({ state }: Task): void {
    if (state === TaskState.execute) this.leave()
  }

  leave(): void {
    this.#inside--
    this.#alone = false
    if (this.#queue.length > 0) this.#drain()
  }

  /** Whether the task waits here, so that no store request of it can be hurried. */
  holds(task: Task): boolean {
    return this.#queue.some(one => one.task === task)
  }

  #mayEnter(alone: boolean): boolean {
    return alone ? this.#inside === 0 : !this.#alone
  }

  #count(alone: boolean): void {
    this.#inside++
    this.#alone = alone
  }

  #drain(): void {
    // A store may finish inside the call, and leave() then comes here again: the outer loop sees it.
    if (this.#draining) return
    this.#draining = true
    try {
      while (this.#queue.length > 0 && this.#mayEnter(this.#queue[0]!.alone)) {
        const { task, start, alone } = this.#queue.shift()!
        this.#count(alone)
        try {
          start(task)
        } catch (cause) {
          // Not the fault of the one that left.
          this.leaveFaulty(task)
          task.fault(cause)
        }
      }
    } finally {
      this.#draining = false
    }
  }
}
