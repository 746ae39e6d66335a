// SPDX-License-Identifier: Apache-2.0
// Commands of many store requests, one after another, whether the store answers inside the call or later.
import { StoreError, type Task } from '@lunkit/target-api'
import type { Disk } from './disk.ts'

/** Requests in a row before other work of the process gets its turn. */
const ROUNDS = 8

/** One command's way through its requests; the task's `deviceData` while it is under way. */
export abstract class Walk {
  inCall = false
  answered = false
  /** Waits for its turn and has no request in the store. */
  paused = false

  /** Starts the next request (`io.onFinish` is set), or returns false: there is none left. */
  abstract next(task: Task, disk: Disk): boolean
  /** Takes what a request that went well brought; false if no further one is wanted. */
  abstract took(task: Task, disk: Disk): boolean
  /** Ends the task; `io.error` tells whether a request failed. Called once, whatever happened. */
  abstract end(task: Task, disk: Disk): void
}

export function walk(task: Task, disk: Disk, one: Walk): void {
  task.deviceData = one
  go(task, disk, one)
}

function go(task: Task, disk: Disk, one: Walk) {
  const { io } = task
  for (let round = 0; ; round++) {
    if (task.aborted) {
      io.error = StoreError.aborted
      return one.end(task, disk)
    }
    if (round === ROUNDS) {
      one.paused = true
      disk.turns.wait(task)
      return
    }
    io.error = StoreError.none
    io.onFinish = arrived
    one.answered = false
    one.inCall = true
    const started = one.next(task, disk)
    one.inCall = false
    if (!started) return one.end(task, disk)
    if (!one.answered) return
    if (io.error !== StoreError.none || !one.took(task, disk)) return one.end(task, disk)
  }
}

function arrived(task: Task): void {
  const one = task.deviceData as Walk
  one.answered = true
  // Inside the call the loop goes on by itself, so that the stack does not grow.
  if (one.inCall) return
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error !== StoreError.none || !one.took(task, disk)) one.end(task, disk)
  else go(task, disk, one)
}

/** Long commands of one disk take turns: however many they are, other work waits for the rounds of one of them. */
export class Turns {
  readonly #waiting: Task[] = []

  /** The task goes on when its turn comes. */
  wait(task: Task): void {
    if (this.#waiting.push(task) === 1) setImmediate(this.#next)
  }

  readonly #next = (): void => {
    const task = this.#waiting.shift()!
    // First, for the task may come back to the end of the line at once.
    if (this.#waiting.length > 0) setImmediate(this.#next)
    resume(task)
  }
}

function resume(task: Task): void {
  const one = task.deviceData as Walk
  const disk = task.nexusUnit.unit.device as Disk
  one.paused = false
  try {
    go(task, disk, one)
  } catch (cause) {
    task.fault(cause)
  }
}
