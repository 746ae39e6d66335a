// SPDX-License-Identifier: Apache-2.0
// Reads a range of any length through one pooled buffer, piece by piece, and compares it with what was sent.
import { MISCOMPARE_DURING_VERIFY_OPERATION } from '@lunkit/spec'
import { fail, failStore, LARGEST, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from './disk.ts'
import { Walk } from './walk.ts'

/** Slices in order, read byte by byte as the pieces come. */
interface Expected {
  readonly slices: readonly Buffer[]
  /** The slices are one block that stands for all. */
  readonly repeats: boolean
}

/** GOOD, the store's error, or MISCOMPARE with the first wrong LBA in INFORMATION. */
export class Sweep extends Walk {
  /** Length of the range from the task's LBA on, and how much of it is done; bytes. */
  readonly length: number
  done = 0
  /** Bytes of the piece under way. */
  #piece = 0
  /** Offset of the first byte that is not as expected, or -1. */
  protected differsAt = -1
  readonly #expected: Expected | null
  #slice = 0
  #sliceAt = 0

  /** `expected` is null where reading is all that is asked. Takes the task's data over: `segments` is for the pieces. */
  constructor(task: Task, length: number, expected: Expected | null) {
    super()
    this.length = length
    this.#expected = expected
    task.releaseData()
    task.reserve(Math.min(length, LARGEST))
  }

  next(task: Task, disk: Disk): boolean {
    if (this.done === this.length) return false
    const buffer = task.segments[0]!
    this.#piece = Math.min(buffer.length, this.length - this.done)
    const { io } = task
    io.offset = task.lba * disk.blockSize + this.done
    io.length = this.#piece
    io.segments.length = 0
    io.segments.push(this.#piece === buffer.length ? buffer : buffer.subarray(0, this.#piece))
    io.forceUnitAccess = false
    disk.store.read(io)
    return true
  }

  took(task: Task, _disk: Disk): boolean {
    if (this.#expected !== null) {
      const at = this.#compare(this.#expected, task.segments[0]!)
      if (at >= 0) {
        this.differsAt = this.done + at
        return false
      }
    }
    this.done += this.#piece
    return true
  }

  end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, false)
    else if (this.differsAt >= 0) {
      task.information = task.lba + Math.floor(this.differsAt / disk.blockSize)
      fail(task, MISCOMPARE_DURING_VERIFY_OPERATION)
    } else {
      task.releaseData()
      succeed(task)
    }
  }

  /** Offset in `piece` of the first byte that is not as expected, or -1; moves on in the slices. */
  #compare({ slices, repeats }: Expected, piece: Buffer): number {
    for (let at = 0; at < this.#piece; ) {
      const slice = slices[this.#slice]!
      const count = Math.min(this.#piece - at, slice.length - this.#sliceAt)
      if (slice.compare(piece, at, at + count, this.#sliceAt, this.#sliceAt + count) !== 0) {
        for (let i = 0; i < count; i++) if (slice[this.#sliceAt + i] !== piece[at + i]) return at + i
      }
      at += count
      this.#sliceAt += count
      if (this.#sliceAt === slice.length) {
        this.#sliceAt = 0
        this.#slice++
        if (repeats && this.#slice === slices.length) this.#slice = 0
      }
    }
    return -1
  }
}
