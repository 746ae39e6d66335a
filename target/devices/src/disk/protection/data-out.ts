// SPDX-License-Identifier: Apache-2.0
// Data with tags as it was sent: taken apart into blocks and tags, which are checked before anything is done with them.
import { INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT } from '@lunkit/spec'
import { fail, type Task } from '@lunkit/target-api'
import { CHECK_FAILED } from './checks.ts'
import { expectation } from './protect-fields.ts'
import type { CommandTags, Protection } from './protection.ts'
import { findWrong, TAG_LENGTH } from './tags.ts'

/**
 * Leaves the blocks alone in `task.segments`, in a piece, and returns their tags; or null, and the task has its answer:
 * a block or its tags are not whole, or do not fit each other. `runs`: how many times the data has the command's
 * blocks, each time from its LBA on (COMPARE AND WRITE: 2).
 */
export function takeTags(task: Task, protection: Protection, tags: CommandTags, runs: number): Buffer | null {
  const { blockSize } = protection
  const length = Math.min(task.received, task.outLength)
  const count = length / (blockSize + TAG_LENGTH)
  if (!Number.isInteger(count)) {
    fail(task, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
    return null
  }
  const data = Buffer.allocUnsafe(count * blockSize)
  const taken = Buffer.allocUnsafe(count * TAG_LENGTH)
  split(task.segments, blockSize, data, taken)
  task.releaseData()
  task.segments.push(data)
  task.received = data.length
  const part = Math.ceil(count / runs)
  for (let first = 0; first < count; first += part) {
    const wrong = findWrong(
      taken.subarray(first * TAG_LENGTH, (first + part) * TAG_LENGTH),
      [data.subarray(first * blockSize, (first + part) * blockSize)],
      blockSize,
      protection.type,
      expectation(tags, protection, task),
    )
    if (wrong === null) continue
    task.information = task.lba + wrong.block
    fail(task, CHECK_FAILED[wrong.field]!)
    return null
  }
  return taken
}

/** Deals out slices that hold a block, its tags, the next block, and so on. */
function split(slices: readonly Buffer[], blockSize: number, data: Buffer, tags: Buffer): void {
  let [slice, at] = [0, 0]
  const take = (into: Buffer, from: number, count: number): void => {
    for (let done = 0; done < count; ) {
      const source = slices[slice]!
      const copied = source.copy(into, from + done, at, Math.min(source.length, at + count - done))
      done += copied
      at += copied
      if (at === source.length) {
        at = 0
        slice++
      }
    }
  }
  for (let block = 0; block * TAG_LENGTH < tags.length; block++) {
    take(data, block * blockSize, blockSize)
    take(tags, block * TAG_LENGTH, TAG_LENGTH)
  }
}
