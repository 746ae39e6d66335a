// SPDX-License-Identifier: Apache-2.0
// READ (6), (10), (12), (16) and (32).
import { type Field, READ_6, READ_10, READ_12, READ_16, READ_32 } from '@lunkit/spec'
import { type Binding, failStore, on, StoreError, type Task } from '@lunkit/target-api'
import { readBlocks, wantedBytes } from '../../primary/read-blocks.ts'
import type { Disk } from '../disk.ts'

function read(task: Task, disk: Disk, forced: boolean) {
  const { store, blockSize } = disk
  if (!forced || disk.writeThrough || wantedBytes(task, blockSize) === 0) {
    return readBlocks(task, store, blockSize)
  }
  // What the cache holds newer than the medium has to reach the medium before it may be shown.
  task.io.onFinish = afterFlush
  store.flush(task.io)
}

function afterFlush(task: Task): void {
  const { store, blockSize } = task.nexusUnit.unit.device as Disk
  if (task.io.error !== StoreError.none) failStore(task, blockSize, true)
  else readBlocks(task, store, blockSize)
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
