// SPDX-License-Identifier: Apache-2.0
// Requests made of calls that may take long: in pieces, on threads of the pool, and never on all of them.
import { getSystemErrorName } from 'node:util'
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { errorOf } from '../errno.ts'
import type { FileTurns, Turn } from './pool-turns.ts'

/** Threads that one file uses for them, so that its reads and writes have some. */
const AT_ONCE = 2
const MOST_RETRIES = 100

/** Does a part of the request from its byte `done` on; answers later with how many bytes that were, or an errno. */
export type Piece = (io: StoreIo, done: number, answer: (moved: number, errno: number) => void) => void

class LongCall implements Turn {
  next: Turn | null = null
  readonly owner: LongCalls
  readonly io: StoreIo
  readonly piece: Piece
  done = 0
  retries = 0
  aborted = false
  constructor(owner: LongCalls, io: StoreIo, piece: Piece) {
    this.owner = owner
    this.io = io
    this.piece = piece
  }

  go(): void {
    if (this.aborted) this.owner.cancel(this, true)
    else this.owner.next(this)
  }
}

export class LongCalls {
  readonly #ended: (io: StoreIo, error: StoreError) => void
  readonly #waiting: LongCall[] = []
  readonly #turns: FileTurns
  #running = 0

  /** `ended` is called once for each request, never inside `start`. */
  constructor(turns: FileTurns, ended: (io: StoreIo, error: StoreError) => void) {
    this.#turns = turns
    this.#ended = ended
  }

  get idle(): boolean {
    return this.#running === 0 && this.#waiting.length === 0
  }

  /** `io.storeData` and, on errors, `io.failedAt` are set by this. */
  start(io: StoreIo, piece: Piece): void {
    const call = new LongCall(this, io, piece)
    io.storeData = call
    if (this.#running === AT_ONCE) this.#waiting.push(call)
    else this.#run(call)
  }

  /** The request ends with the piece that is under way, unless that is the last. */
  abort(io: StoreIo): void {
    if (io.storeData instanceof LongCall) io.storeData.aborted = true
  }

  #run(call: LongCall): void {
    this.#running++
    this.#turns.take(call)
  }

  /** One that has a thread, at its begin and after each piece. */
  next(call: LongCall): void {
    call.piece(call.io, call.done, (moved, errno) => this.#moved(call, moved, errno))
  }

  #moved(call: LongCall, moved: number, errno: number): void {
    const { io } = call
    if (errno !== 0) {
      const code = getSystemErrorName(-errno)
      if (code === 'EINTR' && !call.aborted && call.retries++ < MOST_RETRIES) this.next(call)
      else this.#end(call, errorOf({ code }, true))
      return
    }
    call.done += moved
    if (call.done >= io.length) this.#end(call, StoreError.none)
    else if (moved === 0) this.#end(call, StoreError.medium)
    else if (call.aborted) this.#end(call, StoreError.aborted)
    else this.next(call)
  }

  #end(call: LongCall, error: StoreError, hadThread = true): void {
    const { io } = call
    if (hadThread) this.#turns.done()
    io.storeData = null
    if (error !== StoreError.none) io.failedAt = io.offset + call.done
    this.#running--
    const following = this.#waiting.shift()
    if (following?.aborted) this.cancel(following, false)
    else if (following !== undefined) this.#run(following)
    this.#ended(io, error)
  }

  /** One that was given up while it waited. */
  cancel(call: LongCall, hasThread: boolean): void {
    if (!hasThread) this.#running++
    setImmediate(() => this.#end(call, StoreError.aborted, hasThread))
  }
}
