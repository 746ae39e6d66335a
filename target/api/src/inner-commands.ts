// SPDX-License-Identifier: Apache-2.0
// Commands that a device itself sends to units of the same engine, on behalf of an initiator: third-party copy.
import type { Device } from './device.ts'
import type { NexusUnit } from './nexus.ts'
import type { Task } from './task.ts'

/** What makes a task an inner one. */
export interface InnerCall {
  /** Its answer: `status`, sense and `segments` are set, unless it was aborted. Followed by one `release`. */
  readonly ended: (task: Task) => void
  /** Instead of what its command does, once it is admitted and its range is its own; MUST end the task once. */
  readonly run: ((task: Task, device: Device) => void) | null
}

/**
 * The engine's side. Inner commands are checked like those of the nexus they are for: reservations, access states,
 * write protection, ranges, order. They go ahead of waiting commands, and leave unit attentions to the initiator.
 */
export interface InnerCommands {
  /** A task to fill: `cdb`, `expectedIn`, or `segments` with their length in `received` and `expectedOut`. */
  take(at: NexusUnit): Task
  start(task: Task, call: InnerCall): void
  /** The buffers of an ended task are not needed any more: it goes back to the engine. */
  release(task: Task): void
  /** Hurries the end of a started task. */
  abort(task: Task): void
}
