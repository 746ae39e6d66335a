// SPDX-License-Identifier: Apache-2.0
// Copies that the store of the destination does by itself, such as by sharing blocks between two files.
import { failStore, type InnerCall, type NexusUnit, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'

export interface Cloner {
  /** In the source's place, once a read there is admitted: nothing is read. */
  readonly check: NonNullable<InnerCall['run']>
  /** In the destination's place: copies from this byte of the source on. */
  readonly copyFrom: (offset: number) => NonNullable<InnerCall['run']>
}

/** How the destination's store copies from the source's, or null if it cannot. */
export function clonerOf(source: NexusUnit, destination: NexusUnit): Cloner | null {
  const from = source.unit.device as Partial<Disk>
  const to = destination.unit.device as Disk
  const { store } = from
  if (store === undefined || to.store === undefined) return null
  if (to.store.copy === undefined || to.store.copiesFrom?.(store) !== true) return null
  return {
    check: succeed,
    copyFrom: offset => task => {
      const { io } = task
      io.offset = task.lba * to.blockSize
      io.length = task.blocks * to.blockSize
      io.forceUnitAccess = to.writeThrough
      io.onFinish = to.writeThrough ? makeDurable : copied
      to.store.copy!(io, store, offset)
    },
  }
}

function makeDurable(task: Task): void {
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error === StoreError.none) disk.flush(task, copied)
  else copied(task)
}

function copied(task: Task): void {
  if (task.io.error === StoreError.none) succeed(task)
  else failStore(task, task.nexusUnit.unit.device.blockSize, true)
}
