// SPDX-License-Identifier: Apache-2.0
// ORWRITE (16): reads, sets the bits that were sent, and writes; nothing comes between.
import { ORWRITE_16 } from '@lunkit/spec'
import { failStore, LARGEST, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import { cut, takeBlocks } from '../data-out.ts'
import type { Disk } from '../disk.ts'
import { Walk, walk } from '../walk.ts'

const { fua } = ORWRITE_16.cdb.field

/** Piece by piece: each is read, changed, and written back. */
class SetBits extends Walk {
  readonly #length: number
  readonly #slices: readonly Buffer[]
  #done = 0
  #piece = 0
  #writing = false

  constructor(task: Task, length: number, slices: readonly Buffer[]) {
    super()
    this.#length = length
    this.#slices = slices
    task.releaseData()
    task.reserve(Math.min(length, LARGEST))
  }

  next(task: Task, disk: Disk): boolean {
    if (this.#done === this.#length) return false
    const buffer = task.segments[0]!
    this.#piece = Math.min(buffer.length, this.#length - this.#done)
    const { io } = task
    io.offset = task.lba * disk.blockSize + this.#done
    io.length = this.#piece
    io.segments.length = 0
    io.segments.push(buffer.subarray(0, this.#piece))
    io.forceUnitAccess = this.#writing && (fua.get(task.cdb, 0) === 1 || disk.writeThrough)
    if (this.#writing) disk.store.write(io)
    else disk.store.read(io)
    return true
  }

  took(task: Task): boolean {
    if (this.#writing) this.#done += this.#piece
    else this.#setBits(task.segments[0]!)
    this.#writing = !this.#writing
    return true
  }

  #setBits(piece: Buffer): void {
    let at = 0
    for (const slice of cut(this.#slices, this.#done, this.#piece)) {
      for (let i = 0; i < slice.length; i++) piece[at + i]! |= slice[i]!
      at += slice.length
    }
  }

  end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, this.#writing)
    else {
      task.releaseData()
      succeed(task)
    }
  }
}

export const orWrite16 = on(
  ORWRITE_16,
  (task: Task, disk: Disk) => {
    const length = takeBlocks(task, disk.blockSize)
    if (length < 0) return
    if (length === 0) return succeed(task)
    walk(task, disk, new SetBits(task, length, task.segments.slice()))
  },
  { refuses: ['protect'] },
)
