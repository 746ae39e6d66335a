// SPDX-License-Identifier: Apache-2.0
// Any bytes of a storage that moves only whole blocks: what is shorter is read, changed and written back, under a lock.
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { RangeLocks } from './range-locks.ts'
import { Turn } from './turn.ts'

/**
 * What moves whole blocks. Offset and length of each request are multiples of the block, or the request ends with the storage; its
 * segments sum up to the length and may be cut anywhere. Answered as a store answers, by one `finish`.
 */
export interface BlockCalls {
  readBlocks(io: StoreIo): void
  writeBlocks(io: StoreIo): void
  /** MAY. Hurries the end of one of these. */
  abortBlocks?(io: StoreIo): void
  /** MAY. Bytes of the storage, whose last block may be a short one. Not said: all blocks are whole. */
  readonly size?: number
}

/** Told the end of each request instead of its `finish`; `error` is what it is to be finished with. */
export type Ended = (io: StoreIo, error: StoreError) => void

const KEPT = 256
/** Answers inside answers: deeper ones get a stack of their own. */
const MOST_NESTED = 16

/**
 * Readers of a block run together, a writer has its blocks to itself: so what stands beside the bytes of a short write is never lost,
 * and no block is looked at while half of it is new. Requests MUST lie inside the storage.
 */
export class Blockwise {
  /** Bytes; a power of two. */
  readonly block: number
  readonly calls: BlockCalls
  readonly locks = new RangeLocks()
  readonly #ended: Ended
  #free: Turn | null = null
  #kept = 0
  #running = 0
  #nested = 0

  constructor(block: number, calls: BlockCalls, ended: Ended = (io, error) => io.finish(error)) {
    this.block = block
    this.calls = calls
    this.#ended = ended
  }

  /** Requests under way. */
  get running(): number {
    return this.#running
  }

  read(io: StoreIo): void {
    this.#begin(io, 'read', null)
  }

  write(io: StoreIo): void {
    this.#begin(io, 'write', null)
  }

  /** The whole blocks of a range by `whole`, alone with them; the bytes before and behind are left as they are. */
  inner(io: StoreIo, whole: (io: StoreIo) => void): void {
    this.#begin(io, 'inner', whole)
  }

  /** The same, and zeros are written to the bytes before and behind. */
  zero(io: StoreIo, whole: (io: StoreIo) => void): void {
    this.#begin(io, 'zero', whole)
  }

  /** One that waits for its blocks ends at once; false: the request is none of these. */
  abort(io: StoreIo): boolean {
    const turn = io.storeData
    if (!(turn instanceof Turn) || turn.owner !== this) return false
    turn.abort()
    return true
  }

  ended(turn: Turn, error: StoreError): void {
    const { outer } = turn
    this.locks.release(turn)
    if (this.#kept < KEPT) {
      turn.next = this.#free
      this.#free = turn
      this.#kept++
    }
    if (this.#nested < MOST_NESTED) this.#answer(outer, error)
    else setImmediate(() => this.#answer(outer, error))
  }

  /** A turn that ends without an answer. */
  threw(turn: Turn): void {
    this.locks.release(turn)
    this.#running--
  }

  #answer(io: StoreIo, error: StoreError): void {
    this.#running--
    this.#nested++
    try {
      this.#ended(io, error)
    } finally {
      this.#nested--
    }
  }

  #begin(io: StoreIo, what: Turn['what'], whole: Turn['whole']): void {
    if (io.length === 0) {
      this.#ended(io, StoreError.none)
      return
    }
    let turn = this.#free
    if (turn === null) turn = new Turn(this, io)
    else {
      this.#free = turn.next
      turn.next = null
      this.#kept--
    }
    this.#running++
    turn.take(io, what, whole)
  }
}
