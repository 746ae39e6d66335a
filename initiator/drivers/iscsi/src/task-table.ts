// SPDX-License-Identifier: Apache-2.0
// The tasks in flight on a connection: the slot of a task is part of its tag, so no map is needed to find it.
import type { Task } from './task.ts'

/** Most tasks in flight: the slot is the low half of the tag. */
export const MAX_TASKS = 4096

export class TaskTable {
  readonly #slots: (Task | null)[] = []
  readonly #free: number[] = []
  #generation = 0
  size = 0

  /** Gives the task a tag that no task had for a long time. The tag is never the reserved one. */
  add(task: Task): void {
    const slot = this.#free.pop() ?? this.#slots.push(null) - 1
    this.#generation = (this.#generation + 1) & 0x7fff
    task.itt = ((this.#generation << 16) | slot) >>> 0
    this.#slots[slot] = task
    this.size++
  }

  /** The task of a tag, or null: tags come from the target and may be anything. */
  find(itt: number): Task | null {
    const task = this.#slots[itt & 0xffff] ?? null
    return task !== null && task.itt === itt ? task : null
  }

  remove(task: Task): void {
    const slot = task.itt & 0xffff
    if (this.#slots[slot] !== task) return
    this.#slots[slot] = null
    this.#free.push(slot)
    this.size--
  }

  /** All tasks, in no order. */
  *[Symbol.iterator](): Generator<Task> {
    for (const task of this.#slots) if (task !== null) yield task
  }
}
