// SPDX-License-Identifier: Apache-2.0
// A store's view of a task: bytes at an offset, never SCSI.
import type { SenseCode, SenseExtra } from '@lunkit/spec'
import type { Task } from './task.ts'

/** Why a store could not do it. The device maps it to sense in one table (`failStore`). */
export const StoreError = Object.freeze({
  none: 0,
  /** The bytes cannot be read or written: bad sector, short read, IO error. */
  medium: 1,
  /** No room for the write. */
  noSpace: 2,
  readOnly: 3,
  /** The storage is not there now: file vanished, server away. */
  gone: 4,
  /** Given up because the task was aborted. */
  aborted: 5,
  /** The store itself is at fault: an exception, a wrong answer. */
  internal: 6,
  /** The device's own check of blocks against their tags failed; which one is in `task.senseCode`. No store says so. */
  protection: 7,
  /** It cannot take the request now, and the same may be asked for again: the initiator is answered BUSY. */
  busy: 8,
  /** None of the others says it: the sense data is in `io.sense` and `io.senseExtra`. */
  sense: 9,
} as const)
export type StoreError = (typeof StoreError)[keyof typeof StoreError]

/**
 * One request to a store; one per task, reused. The device fills it and calls the store; the store answers with
 * `finish`, exactly once, inside the call or later. Until then offset, length and segments belong to the store.
 */
export class StoreIo {
  readonly task: Task
  /** In bytes from the store's start. */
  offset = 0
  /** In bytes; for read and write the sum of the segments' lengths. */
  length = 0
  /**
   * Read: buffers to fill. Write: slices to take, as they arrived. Array and bytes are used again after `finish`: copy
   * what is to be kept.
   */
  segments: Buffer[] = []
  /** Write: durable before finish (SBC FUA). */
  forceUnitAccess = false
  error: StoreError = StoreError.none
  /** Store offset of the first byte that failed, or -1 where the store cannot tell. */
  failedAt = -1
  /** What to tell the initiator where `error` is `sense`. A store made of others hands it up. */
  sense: SenseCode | null = null
  /** What the sense data say besides, or null. INFORMATION is what it says here; else the block of `failedAt`. */
  senseExtra: SenseExtra | null = null
  /** Answer of `map`: the bytes are held (written to), not a hole. */
  held = true
  /** The same: they are not held, but room is kept for them. Only of stores that have `anchor`. */
  anchored = false
  /** Why it failed, for the operator's eyes; set by a store that can say more than its error. */
  reason = ''
  /** For the store's own use while the request is under way. */
  storeData: unknown = null
  /** What the device does next: a module-level function, so that nothing is allocated for it. */
  onFinish: (task: Task) => void = nothing

  constructor(task: Task) {
    this.task = task
  }

  /** Called by the store, exactly once for each call that was given this request. */
  finish(error: StoreError): void {
    this.error = error
    try {
      this.onFinish(this.task)
    } catch (cause) {
      this.task.fault(cause)
    }
  }
}

function nothing(): void {}
