// SPDX-License-Identifier: Apache-2.0
// The blocks that came with a command: as slices for the store, trimmed, and never a part of a block.

import { INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT } from '@lunkit/spec'
import { empty, fail, type Task } from '@lunkit/target-api'

/**
 * Fills `io.segments` and `io.length` with the whole blocks that came, at most `outLength` bytes, and returns their
 * length. The initiator may have promised less than the command needs (an overflow residual); then fewer blocks are
 * done, but a broken block cannot be: the task has ended and -1 is returned.
 */
export function takeBlocks(task: Task, blockSize: number): number {
  const { io, segments } = task
  empty(io.segments)
  io.length = 0
  const length = Math.min(task.received, task.outLength)
  if (length % blockSize !== 0) {
    fail(task, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
    return -1
  }
  io.length = length
  for (let i = 0, left = length; left > 0; i++) {
    const slice = segments[i]!
    io.segments.push(slice.length <= left ? slice : slice.subarray(0, left))
    left -= slice.length
  }
  return length
}

/** The slices that make up `length` bytes of `slices` from `start` on. */
export function cut(slices: readonly Buffer[], start: number, length: number): Buffer[] {
  const found: Buffer[] = []
  let skip = start
  let left = length
  for (const slice of slices) {
    if (skip >= slice.length) skip -= slice.length
    else if (left > 0) {
      const part = slice.subarray(skip, skip + left)
      found.push(part)
      left -= part.length
      skip = 0
    }
  }
  return found
}
