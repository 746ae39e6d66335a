// SPDX-License-Identifier: Apache-2.0
// REASSIGN BLOCKS: blocks that cannot be read are written anew, so that the storage below finds them another place.
import {
  LBA_OUT_OF_RANGE,
  PARAMETER_LIST_LENGTH_ERROR,
  REASSIGN_BLOCKS,
  REASSIGN_LONG_HEADER,
  REASSIGN_SHORT_HEADER,
} from '@lunkit/spec'
import { fail, failParameter, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { Walk, walk } from '../walk.ts'

const { longlba, longlist } = REASSIGN_BLOCKS.cdb.field
/** More LBAs than that are no defects. */
const MOST = 1024
const HEADER = REASSIGN_SHORT_HEADER.length

/** Each block is read; zeros go where that fails, for nothing else is known of it. */
class Reassignment extends Walk {
  readonly #lbas: readonly number[]
  readonly #block: Buffer
  #at = 0
  #lost = false

  constructor(lbas: readonly number[], blockSize: number) {
    super()
    this.#lbas = lbas
    this.#block = Buffer.alloc(blockSize)
  }

  next({ io }: Task, disk: Disk): boolean {
    if (this.#at === this.#lbas.length) return false
    io.offset = this.#lbas[this.#at]! * disk.blockSize
    io.length = disk.blockSize
    io.segments.length = 0
    io.segments.push(this.#block)
    io.forceUnitAccess = this.#lost
    if (this.#lost) disk.store.write(io)
    else disk.store.read(io)
    return true
  }

  took(): boolean {
    this.#lost = false
    this.#at++
    return true
  }

  end(task: Task, disk: Disk) {
    const { io } = task
    if (io.error === StoreError.none) return succeed(task)
    if (io.error !== StoreError.medium || this.#lost) {
      // SBC-4: the first LBA that was not reassigned.
      task.commandSpecific = this.#lbas[this.#at]!
      return failStore(task, disk.blockSize, this.#lost)
    }
    this.#lost = true
    this.#block.fill(0)
    walk(task, disk, this)
  }
}

export const reassignBlocks = on(
  REASSIGN_BLOCKS,
  (task: Task, disk: Disk) => {
    const list = Buffer.concat(task.segments, task.received)
    const lbas = lbasOf(task, list)
    if (lbas === null) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
    const wrong = lbas.findIndex(lba => lba >= disk.blocks)
    if (wrong >= 0) return failParameter(task, LBA_OUT_OF_RANGE, HEADER + wrong * widthOf(task))
    task.releaseData()
    walk(task, disk, new Reassignment(lbas, disk.blockSize))
  },
  // The CDB does not tell the length.
  { dataOut: task => Math.min(task.expectedOut, HEADER + MOST * widthOf(task)) },
)

const widthOf = ({ cdb }: Task): number => (longlba.get(cdb, 0) === 1 ? 8 : 4)

/** Null if the list is not as long as it says, or no number of LBAs. */
function lbasOf(task: Task, list: Buffer): number[] | null {
  if (list.length < HEADER) return null
  const { length } = (longlist.get(task.cdb, 0) === 1 ? REASSIGN_LONG_HEADER : REASSIGN_SHORT_HEADER).field
  const bytes = length.get(list, 0)
  const width = widthOf(task)
  if (bytes % width !== 0 || HEADER + bytes > list.length) return null
  return Array.from({ length: bytes / width }, (_, index) => {
    const at = HEADER + index * width
    return width === 8 ? Number(list.readBigUInt64BE(at)) : list.readUInt32BE(at)
  })
}
