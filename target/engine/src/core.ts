// SPDX-License-Identifier: Apache-2.0
// What the stages of the road share: the queue of tasks that can go on, memory, pools, and who waits for a drain.
import {
  BufferPool,
  type Device,
  type Management,
  type Observer,
  type TargetEvent,
  Task,
  TaskState,
} from '@lunkit/target-api'
import { Memory, type MemoryLimits } from './memory.ts'
import type { ItNexus } from './nexus.ts'
import { TaskList } from './task-list.ts'

export interface Limits extends MemoryLimits {
  /** What a session may have under way: so many for each of its units, up to a ceiling. */
  readonly tasksPerUnit: number
  readonly tasksPerSession: number
  /** Tasks in the task set of one unit, and of one session there. */
  readonly queuePerUnit: number
  readonly queuePerSession: number
  /** Longest time from a task management function to its answer, in ms. */
  readonly managementMs: number
}

/** Free tasks that are kept; more go to the garbage collector. */
const MOST_FREE = 1024

/** Somebody who waits until these tasks have ended. */
export interface Wait {
  readonly tasks: Set<Task>
  readonly over: () => void
  /** Ends the wait by time; null where it lasts as long as it takes. */
  timer: NodeJS.Timeout | null
}

export class Core {
  readonly limits: Limits
  readonly memory: Memory
  /** Tasks that can go on now, by stage in their state. */
  readonly ready = new TaskList()
  /** Answers to task management that are due. */
  readonly answers: Management[] = []
  readonly waits = new Set<Wait>()
  /** Aborted tasks that their devices did not end in time. */
  readonly lost = new Set<Task>()
  /** Tasks that met an exception: a late answer may still come, so they are never used again. */
  readonly tainted = new Set<Task>()
  /** Auto contingent allegiances in all: plain, because every step asks. */
  acas = 0
  /** Walks the road, should tasks have become ready outside of it. */
  wake: () => void = () => {}
  /** The road is being walked further up the stack. */
  walking = false
  readonly #observe: Observer
  readonly #buffers = new BufferPool()
  readonly #done: (task: Task) => void
  readonly #fault: (task: Task, cause: unknown) => void
  #free: Task | null = null
  #freeLength = 0

  constructor(
    limits: Limits,
    observe: Observer,
    done: (task: Task) => void,
    fault: (task: Task, cause: unknown) => void,
  ) {
    this.limits = limits
    this.memory = new Memory(limits)
    this.#observe = observe
    this.#done = done
    this.#fault = fault
  }

  takeTask(nexus: ItNexus): Task {
    const task = this.#free ?? new Task(this.#buffers, this.#done, this.#fault)
    if (task === this.#free) {
      this.#free = task.next
      this.#freeLength--
      task.next = null
    }
    task.nexus = nexus
    return task
  }

  giveTask(task: Task): void {
    // The longest CDBs are rare; the drivers that write 16 bytes rely on zeros behind them.
    if (task.cdb[0] === 0x7f) task.cdb.fill(0)
    task.reset()
    if (this.tainted.size > 0 && this.tainted.delete(task)) return
    if (this.#freeLength >= MOST_FREE) return
    task.next = this.#free
    this.#free = task
    this.#freeLength++
  }

  /** The task and its buffers may still be in somebody's hands: neither is used again. */
  taint(task: Task): void {
    this.tainted.add(task)
    task.forfeitData()
  }

  /** Sends on a task whose turn has come in its task set. */
  readonly admit = (task: Task): void => this.proceed(task, TaskState.admit)

  /** Queues a task for the stage that `state` names. */
  proceed(task: Task, state: TaskState): void {
    task.state = state
    this.ready.push(task)
  }

  /** An observer that throws breaks its own promise, not the road. */
  report(event: TargetEvent): void {
    try {
      this.#observe(event)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  reportFailed(task: Task, reason: string): void {
    const name = task.binding?.command.name ?? `opcode ${task.cdb[0]!.toString(16).padStart(2, '0')}h`
    this.report({
      type: 'command-failed',
      target: task.nexus.target.name,
      initiator: task.nexus.initiator.name,
      lun: task.lun,
      command: name,
      reason,
    })
  }

  /** A call that the contracts do not allow now: it is told and has no other effect. */
  reportMisuse(call: string, task: Task): void {
    const state = Object.entries(TaskState).find(([, value]) => value === task.state)?.[0]
    this.report({ type: 'warning', reason: `${call} was called for a task in state ${state}: ignored` })
  }

  /** Calls a driver outside the road of a command; an exception is told. */
  guardPort(what: string, call: () => void): void {
    try {
      call()
    } catch (error) {
      this.report({ type: 'warning', reason: `The driver failed in ${what}: ${describe(error)}` })
    }
  }

  /** Calls a device outside the road of a command; an exception is told. */
  guardDevice(what: string, device: Device, call: () => void): void {
    try {
      call()
    } catch (error) {
      const reason = `Device type '${device.type.name}' failed in ${what}: ${describe(error)}`
      this.report({ type: 'warning', reason })
    }
  }
}

/** An exception for a log: with its stack, for it is a bug. */
export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
