// SPDX-License-Identifier: Apache-2.0
// WRITE SAME (10) and (16): one block, or zeros, over a whole range.
import {
  type Field,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  WRITE_SAME_10,
  WRITE_SAME_16,
} from '@lunkit/spec'
import {
  type Binding,
  fail,
  failStore,
  LARGEST,
  on,
  StoreError,
  succeed,
  type Task,
} from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { MAX_WRITE_SAME } from '../limits.ts'
import { Walk, walk } from '../walk.ts'

/** Writes the pattern in a pooled buffer as often as the range needs it, or asks the store for zeros. */
class Fill extends Walk {
  readonly #length: number
  readonly #zeros: boolean
  #done = 0
  #piece = 0

  constructor(task: Task, disk: Disk, block: Buffer | null) {
    super()
    this.#length = task.blocks * disk.blockSize
    const zeros = block === null || block.every(byte => byte === 0)
    this.#zeros = zeros && disk.store.writesZeroes === 'native' && disk.store.writeZeroes !== undefined
    task.releaseData()
    if (this.#zeros) return
    task.reserve(Math.min(this.#length, LARGEST))
    task.segments[0]!.fill(block ?? 0)
  }

  next(task: Task, disk: Disk): boolean {
    if (this.#done === this.#length) return false
    const { io } = task
    io.offset = task.lba * disk.blockSize + this.#done
    io.forceUnitAccess = disk.writeThrough
    io.segments.length = 0
    if (this.#zeros) {
      this.#piece = this.#length
      io.length = this.#length
      disk.store.writeZeroes!(io)
      return true
    }
    const buffer = task.segments[0]!
    this.#piece = Math.min(buffer.length, this.#length - this.#done)
    io.length = this.#piece
    io.segments.push(buffer.subarray(0, this.#piece))
    disk.store.write(io)
    return true
  }

  took(): boolean {
    this.#done += this.#piece
    return true
  }

  end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, true)
    else if (this.#zeros && disk.writeThrough) disk.flush(task, durable)
    else finish(task)
  }
}

function durable(task: Task): void {
  if (task.io.error !== StoreError.none) failStore(task, task.nexusUnit.unit.device.blockSize, true)
  else finish(task)
}

function finish(task: Task): void {
  task.releaseData()
  succeed(task)
}

interface Fields {
  readonly unmap: Field<number>
  readonly blocks: Field<number>
}

function writeSame(task: Task, disk: Disk, { unmap, blocks }: Fields, withoutData: boolean) {
  // What is unmapped may read as zeros or not (LBPRZ is zero), so UNMAP writes what it is asked to: the store may know better.
  if (unmap.get(task.cdb, 0) === 1 && !disk.thin) return fail(task, INVALID_FIELD_IN_CDB, unmap)
  // Page B0h says so: WSNZ, and the longest WRITE SAME.
  const length = task.blocks * disk.blockSize
  if (length === 0 || length > MAX_WRITE_SAME) return fail(task, INVALID_FIELD_IN_CDB, blocks)
  if (!withoutData && task.received < disk.blockSize)
    return fail(task, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
  const block = withoutData ? null : Buffer.concat(task.segments, disk.blockSize)
  walk(task, disk, new Fill(task, disk, block))
}

const refuses = ['protect', 'anchor'] as const
const fields16 = WRITE_SAME_16.cdb.field

export const writeSames: readonly Binding[] = [
  on(WRITE_SAME_10, (task: Task, disk: Disk) => writeSame(task, disk, WRITE_SAME_10.cdb.field, false), {
    refuses,
    dataOut: (_task, disk) => disk.blockSize,
  }),
  on(
    WRITE_SAME_16,
    (task: Task, disk: Disk) => writeSame(task, disk, fields16, fields16.ndob.get(task.cdb, 0) === 1),
    { refuses, dataOut: (task, disk) => (fields16.ndob.get(task.cdb, 0) === 1 ? 0 : disk.blockSize) },
  ),
]
