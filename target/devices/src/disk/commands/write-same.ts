// SPDX-License-Identifier: Apache-2.0
// WRITE SAME (10), (16) and (32): one block, or zeros, over a whole range; with UNMAP, zeros as holes or kept room where they can be.
import {
  type Field,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
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

/** How the range comes to hold the block. */
const Means = { writes: 0, zeroes: 1, discards: 2, anchors: 3 } as const

/** Writes the pattern in a pooled buffer as often as the range needs it, or asks the store for zeros or a hole. */
class Fill extends Walk {
  readonly #length: number
  readonly #means: number
  #done = 0
  #piece = 0

  constructor(task: Task, disk: Disk, block: Buffer | null, fields: Fields) {
    super()
    this.#length = task.blocks * disk.blockSize
    const zeros = block === null || block.every(byte => byte === 0)
    this.#means = zeros ? meansOfZeros(task, disk, fields) : Means.writes
    task.releaseData()
    if (this.#means !== Means.writes) return
    task.reserve(Math.min(this.#length, LARGEST))
    task.segments[0]!.fill(block ?? 0)
  }

  next(task: Task, disk: Disk): boolean {
    if (this.#done === this.#length) return false
    const { io } = task
    io.offset = task.lba * disk.blockSize + this.#done
    io.forceUnitAccess = disk.writeThrough
    io.segments.length = 0
    this.#piece = this.#length - this.#done
    if (this.#means === Means.writes) {
      const buffer = task.segments[0]!
      this.#piece = Math.min(buffer.length, this.#piece)
      io.segments.push(buffer.subarray(0, this.#piece))
    }
    io.length = this.#piece
    if (this.#means === Means.writes) disk.store.write(io)
    else if (this.#means === Means.zeroes) disk.store.writeZeroes!(io)
    else if (this.#means === Means.discards) disk.store.discard!(io)
    else disk.store.anchor!(io)
    return true
  }

  took(): boolean {
    this.#done += this.#piece
    return true
  }

  end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, true)
    else if (this.#means !== Means.writes && disk.writeThrough) disk.flush(task, durable)
    else finish(task)
  }
}

/** A hole is as good as zeros only where it reads as such: what was asked for is written otherwise. */
function meansOfZeros(task: Task, { store, unmappedReadsZero }: Disk, { unmap, anchor }: Fields): number {
  // It can be one only where the store anchors.
  if (anchor.get(task.cdb, 0) === 1) return Means.anchors
  if (unmap.get(task.cdb, 0) === 1 && unmappedReadsZero) return Means.discards
  return store.writesZeroes === 'native' && store.writeZeroes !== undefined ? Means.zeroes : Means.writes
}

function durable(task: Task) {
  if (task.io.error !== StoreError.none) failStore(task, task.nexusUnit.unit.device.blockSize, true)
  else finish(task)
}

function finish(task: Task) {
  task.releaseData()
  succeed(task)
}

interface Fields {
  readonly unmap: Field<number>
  readonly anchor: Field<number>
  readonly blocks: Field<number>
  readonly ndob?: Field<number>
}

/** NDOB: no data-out buffer, and the block is one of zeros. */
const withoutData = (task: Task, { ndob }: Fields): boolean => ndob?.get(task.cdb, 0) === 1

function writeSame(task: Task, disk: Disk, fields: Fields) {
  const { unmap, anchor, blocks } = fields
  const unmaps = unmap.get(task.cdb, 0) === 1
  if (unmaps && !disk.thin) return fail(task, INVALID_FIELD_IN_CDB, unmap)
  if (anchor.get(task.cdb, 0) === 1 && !(unmaps && disk.anchors))
    return fail(task, INVALID_FIELD_IN_CDB, anchor)
  if (task.blocks * disk.blockSize > MAX_WRITE_SAME) return fail(task, INVALID_FIELD_IN_CDB, blocks)
  const bare = withoutData(task, fields)
  // One block: with less or more of them it is not known which was meant.
  if (!bare && task.expectedOut !== task.outLength)
    return fail(task, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
  const block = bare ? null : Buffer.concat(task.segments, disk.blockSize)
  walk(task, disk, new Fill(task, disk, block, fields))
}

const options = (fields: Fields) => ({
  refuses: ['protect'] as const,
  zeroIsRest: true,
  dataOut: (task: Task, disk: Disk) => (withoutData(task, fields) ? 0 : disk.blockSize),
})

const fields10 = WRITE_SAME_10.cdb.field
const fields16 = WRITE_SAME_16.cdb.field
const fields32 = WRITE_SAME_32.cdb.field

export const writeSames: readonly Binding[] = [
  on(WRITE_SAME_10, (task: Task, disk: Disk) => writeSame(task, disk, fields10), options(fields10)),
  on(WRITE_SAME_16, (task: Task, disk: Disk) => writeSame(task, disk, fields16), options(fields16)),
  on(WRITE_SAME_32, (task: Task, disk: Disk) => writeSame(task, disk, fields32), options(fields32)),
]
