// SPDX-License-Identifier: Apache-2.0
// READ (6), (10), (12), (16) and (32): blocks from the store into pooled buffers, which leave as they are.
import { type Field, READ_6, READ_10, READ_12, READ_16, READ_32 } from '@lunkit/spec'
import { type Binding, empty, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'

function read(task: Task, disk: Disk, forced: boolean) {
  const length = task.blocks * disk.blockSize
  const wanted = Math.min(length, wholeBlocks(task, disk))
  task.inLength = length
  if (wanted === 0) return succeed(task)
  const io = task.io
  if (forced && !disk.writeThrough) {
    // What the cache holds newer than the medium has to reach the medium before it may be shown.
    io.onFinish = afterFlush
    disk.store.flush(io)
  } else fetch(task, disk, wanted)
}

/** What the initiator takes, in whole blocks: a store is never asked for a part of one. */
const wholeBlocks = (task: Task, { blockSize }: Disk): number =>
  Math.ceil(task.expectedIn / blockSize) * blockSize

function fetch(task: Task, disk: Disk, wanted: number): void {
  const io = task.io
  task.reserve(wanted)
  empty(io.segments)
  for (let i = 0; i < task.segments.length; i++) io.segments.push(task.segments[i]!)
  io.offset = task.lba * disk.blockSize
  io.length = wanted
  io.forceUnitAccess = false
  io.onFinish = afterRead
  disk.store.read(io)
}

function afterFlush(task: Task): void {
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, true)
  else fetch(task, disk, Math.min(task.inLength, wholeBlocks(task, disk)))
}

function afterRead(task: Task): void {
  if (task.io.error === StoreError.none) succeed(task)
  else failStore(task, task.nexusUnit.unit.device.blockSize, false)
}

const reader = (fua: Field<number>) => (task: Task, disk: Disk) =>
  read(task, disk, fua.get(task.cdb, 0) === 1)

// GROUP NUMBER is taken and not kept, as GROUP_SUP says: what it would group is statistics.
const refuses = ['protect', 'rarc'] as const

export const reads: readonly Binding[] = [
  on(READ_6, (task: Task, disk: Disk) => read(task, disk, false)),
  on(READ_10, reader(READ_10.cdb.field.fua), { refuses }),
  on(READ_12, reader(READ_12.cdb.field.fua), { refuses }),
  on(READ_16, reader(READ_16.cdb.field.fua), { refuses }),
  on(READ_32, reader(READ_32.cdb.field.fua), { refuses }),
]
