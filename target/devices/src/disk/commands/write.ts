// SPDX-License-Identifier: Apache-2.0
// WRITE (6), (10), (12), (16) and (32): the slices as they arrived go to the store.
import {
  type Field,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
} from '@lunkit/spec'
import { type Binding, fail, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import { takeBlocks } from '../data-out.ts'
import type { Disk } from '../disk.ts'

/** `forced`: durable before its answer. `whole`: fewer blocks than the CDB names are none. */
export function write(task: Task, disk: Disk, forced: boolean, whole = false) {
  const length = takeBlocks(task, disk.blockSize)
  if (length < 0) return
  if (whole && length < task.blocks * disk.blockSize)
    return fail(task, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
  if (length === 0) return succeed(task)
  const io = task.io
  io.offset = task.lba * disk.blockSize
  io.forceUnitAccess = forced || disk.writeThrough
  io.onFinish = afterWrite
  disk.store.write(io)
}

function afterWrite(task: Task): void {
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error === StoreError.none) succeed(task)
  else failStore(task, disk.blockSize, true)
}

const writer = (fua: Field<number>) => (task: Task, disk: Disk) =>
  write(task, disk, fua.get(task.cdb, 0) === 1)

const refuses = ['protect'] as const

export const writes: readonly Binding[] = [
  on(WRITE_6, (task: Task, disk: Disk) => write(task, disk, false)),
  on(WRITE_10, writer(WRITE_10.cdb.field.fua), { refuses }),
  on(WRITE_12, writer(WRITE_12.cdb.field.fua), { refuses }),
  on(WRITE_16, writer(WRITE_16.cdb.field.fua), { refuses }),
  on(WRITE_32, writer(WRITE_32.cdb.field.fua), { refuses }),
]
