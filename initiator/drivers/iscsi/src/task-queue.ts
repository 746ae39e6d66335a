// SPDX-License-Identifier: Apache-2.0
// Commands that wait for room: first in, first out, with those to be repeated at the front.
import type { Task } from './task.ts'

export class TaskQueue {
  #items: Task[] = []
  #head = 0

  push(task: Task): void {
    this.#items.push(task)
  }

  /** Puts tasks before all others, in their order. */
  unshift(tasks: readonly Task[]): void {
    this.#items = [...tasks, ...this.#items.slice(this.#head)]
    this.#head = 0
  }

  /** The next task, or null. Those that have ended while they waited are left out. */
  shift(): Task | null {
    while (this.#head < this.#items.length) {
      const task = this.#items[this.#head++]!
      if (this.#head === this.#items.length) {
        this.#items = []
        this.#head = 0
      } else if (this.#head > 1024) {
        this.#items = this.#items.slice(this.#head)
        this.#head = 0
      }
      if (task.state === 'waiting') return task
    }
    return null
  }

  get isEmpty(): boolean {
    return this.#head === this.#items.length
  }

  /** Takes all tasks out. */
  clear(): Task[] {
    const tasks = this.#items.slice(this.#head).filter(task => task.state === 'waiting')
    this.#items = []
    this.#head = 0
    return tasks
  }
}
