// SPDX-License-Identifier: Apache-2.0
// Blocks from a store into pooled buffers, which leave as they are: what every READ of every device type does.
import { type BackingStore, empty, failStore, StoreError, succeed, type Task } from '@lunkit/target-api'

/** Longest transfer of one command, in bytes: the buffers that the engine lets one session hold at one unit. */
export const MAX_TRANSFER = 32 * 1024 * 1024

/** What the initiator takes of the task's blocks, in bytes, in whole blocks: a store is never asked for a part of one. */
export const wantedBytes = (task: Task, blockSize: number): number =>
  Math.min(task.blocks, Math.ceil(task.expectedIn / blockSize)) * blockSize

/** Reads the task's blocks and ends it. */
export function readBlocks(task: Task, store: BackingStore, blockSize: number) {
  task.inLength = task.blocks * blockSize
  const wanted = wantedBytes(task, blockSize)
  if (wanted === 0) return succeed(task)
  const io = task.io
  task.reserve(wanted)
  empty(io.segments)
  for (let i = 0; i < task.segments.length; i++) io.segments.push(task.segments[i]!)
  io.offset = task.lba * blockSize
  io.length = wanted
  io.forceUnitAccess = false
  io.onFinish = afterRead
  store.read(io)
}

function afterRead(task: Task): void {
  if (task.io.error === StoreError.none) succeed(task)
  else failStore(task, task.nexusUnit.unit.device.blockSize, false)
}
