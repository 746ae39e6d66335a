// SPDX-License-Identifier: Apache-2.0
// The tasks in flight in a session: the slot of a task is part of its tag, so no map is needed to find it.
import type { Task } from './task.ts'

/** Most tasks in flight: the slot is the low half of the tag. */
export const MAX_TASKS = 4096
/** The low half of the tags of requests that are no tasks. */
const NO_SLOT = 0xffff
/** Tags remembered of tasks that ended while PDUs for them may still be under way. */
const MAX_BURIED = 2 * MAX_TASKS

export class TaskTable {
  readonly #slots: (Task | null)[] = []
  readonly #free: number[] = []
  readonly #buried = new Set<number>()
  readonly #others = new Set<number>()
  #generation = 0
  size = 0

  /** Gives the task a tag that no task had for a long time. The tag is never the reserved one. */
  add(task: Task): void {
    const slot = this.#free.pop() ?? this.#slots.push(null) - 1
    task.itt = this.#tag(slot)
    this.#slots[slot] = task
    this.size++
  }

  /** A tag for a request that is no task; nothing else in the session has it until it is freed. */
  otherTag(): number {
    let tag: number
    do tag = this.#tag(NO_SLOT)
    while (this.#others.has(tag))
    this.#others.add(tag)
    return tag
  }

  freeOther(tag: number): void {
    this.#others.delete(tag)
  }

  #tag(slot: number): number {
    this.#generation = (this.#generation + 1) & 0x7fff
    return ((this.#generation << 16) | slot) >>> 0
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

  /** Takes a task out whose last PDUs may still come, on any connection: they are to be let pass. */
  bury(task: Task): void {
    this.remove(task)
    this.#buried.add(task.itt)
    if (this.#buried.size > MAX_BURIED) this.#buried.delete(this.#buried.values().next().value!)
  }

  isBuried(itt: number): boolean {
    return this.#buried.has(itt)
  }

  /** All tasks, in no order. */
  *[Symbol.iterator](): Generator<Task> {
    for (const task of this.#slots) if (task !== null) yield task
  }
}
