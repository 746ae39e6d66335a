// SPDX-License-Identifier: Apache-2.0
// COMPARE AND WRITE: the second half of the data is written if the blocks hold the first; nothing comes between.
import { COMPARE_AND_WRITE, INVALID_FIELD_IN_CDB, MISCOMPARE_DURING_VERIFY_OPERATION } from '@lunkit/spec'
import { fail, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import { cut, takeBlocks } from '../data-out.ts'
import type { Disk } from '../disk.ts'
import { Sweep } from '../sweep.ts'
import { walk } from '../walk.ts'

const { fua, blocks } = COMPARE_AND_WRITE.cdb.field

/** A sweep that writes when all was as expected. */
class CompareThenWrite extends Sweep {
  readonly #slices: readonly Buffer[]
  #written = false
  #writing = false

  constructor(task: Task, length: number, slices: readonly Buffer[]) {
    super(task, length, { slices: cut(slices, 0, length), repeats: false })
    this.#slices = cut(slices, length, length)
  }

  override next(task: Task, disk: Disk): boolean {
    if (this.done < this.length) return super.next(task, disk)
    if (this.#written) return false
    this.#writing = true
    const { io } = task
    io.offset = task.lba * disk.blockSize
    io.length = this.length
    io.segments.length = 0
    for (const slice of this.#slices) io.segments.push(slice)
    io.forceUnitAccess = fua.get(task.cdb, 0) === 1 || disk.writeThrough
    disk.store.write(io)
    return true
  }

  override took(task: Task, disk: Disk): boolean {
    if (!this.#writing) return super.took(task, disk)
    this.#written = true
    return true
  }

  override end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, this.#writing)
    else if (this.differsAt >= 0) {
      // For this command INFORMATION is the offset in the data, not an LBA.
      task.information = this.differsAt
      fail(task, MISCOMPARE_DURING_VERIFY_OPERATION)
    } else {
      task.releaseData()
      succeed(task)
    }
  }
}

export const compareAndWrite = on(
  COMPARE_AND_WRITE,
  (task: Task, disk: Disk) => {
    // Other data than the CDB names would not be a smaller command but another one: 256 blocks, for one, are 0 in the field.
    if (task.expectedOut !== task.outLength) return fail(task, INVALID_FIELD_IN_CDB, blocks)
    if (task.blocks === 0) return succeed(task)
    const length = takeBlocks(task, disk.blockSize)
    if (length < 0) return
    walk(task, disk, new CompareThenWrite(task, task.blocks * disk.blockSize, task.segments.slice()))
  },
  { refuses: ['protect'], dataOut: (task, disk) => 2 * task.blocks * disk.blockSize },
)
