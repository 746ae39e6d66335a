// SPDX-License-Identifier: Apache-2.0
// SYNCHRONIZE CACHE (10) and (16): the whole store is flushed, whatever range is named.
import { type Field, SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16 } from '@lunkit/spec'
import { type Binding, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'

const synchronize = (immed: Field<number>) => (task: Task, disk: Disk) => {
  if (immed.get(task.cdb, 0) === 0) return disk.flush(task, flushed)
  disk.flushInBackground()
  succeed(task)
}

function flushed(task: Task): void {
  if (task.io.error === StoreError.none) succeed(task)
  else failStore(task, task.nexusUnit.unit.device.blockSize, true)
}

export const synchronizations: readonly Binding[] = [
  on(SYNCHRONIZE_CACHE_10, synchronize(SYNCHRONIZE_CACHE_10.cdb.field.immed)),
  on(SYNCHRONIZE_CACHE_16, synchronize(SYNCHRONIZE_CACHE_16.cdb.field.immed)),
]
