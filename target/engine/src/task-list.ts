// SPDX-License-Identifier: Apache-2.0
// A list of tasks in order of arrival, linked through the tasks themselves. A task is in one list at most.
import type { Task } from '@lunkit/target-api'

export class TaskList {
  first: Task | null = null
  last: Task | null = null
  length = 0

  push(task: Task): void {
    task.previous = this.last
    task.next = null
    if (this.last === null) this.first = task
    else this.last.next = task
    this.last = task
    this.length++
  }

  /** `task` MUST be in this list. */
  remove(task: Task): void {
    const { previous, next } = task
    if (previous === null) this.first = next
    else previous.next = next
    if (next === null) this.last = previous
    else next.previous = previous
    task.previous = null
    task.next = null
    this.length--
  }

  shift(): Task | null {
    const task = this.first
    if (task !== null) this.remove(task)
    return task
  }

  /** Adds to `found` the tasks that match. */
  collect(matches: (task: Task) => boolean, found: Task[]): void {
    for (let task = this.first; task !== null; task = task.next) if (matches(task)) found.push(task)
  }
}
