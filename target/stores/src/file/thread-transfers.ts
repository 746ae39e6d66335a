// SPDX-License-Identifier: Apache-2.0
// Reads and writes through Node's thread pool, continued until every byte has moved or an error says why not.
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { codeOf, errorOf } from '../errno.ts'
import type { FileCalls } from './file-calls.ts'
import type { FileTurns, Turn } from './pool-turns.ts'

/** Interrupted calls are made again, but not for ever. */
const MOST_RETRIES = 100
const KEPT = 256

/** Told how a transfer ended. */
export interface TransferEnd {
  /** `moved` bytes from the request's start are done; `error` is none exactly when that is all of them. */
  transferred(io: StoreIo, error: StoreError, moved: number, writing: boolean): void
  /** A read met the end of the file at this offset, though the store is longer. */
  endMet(offset: number): void
}

/** Transfers under way or waiting for a thread, each an object of a free list with callbacks made once. */
export class ThreadTransfers {
  readonly calls: FileCalls
  readonly end: TransferEnd
  readonly turns: FileTurns
  #free: Transfer | null = null
  #kept = 0
  #running = 0
  constructor(calls: FileCalls, end: TransferEnd, turns: FileTurns) {
    this.calls = calls
    this.end = end
    this.turns = turns
  }

  get running(): number {
    return this.#running
  }

  /** Moves the bytes after the first `moved`. The segments MUST sum up to the request's length. */
  start(io: StoreIo, fd: number, writing: boolean, moved: number): void {
    let transfer = this.#free
    if (transfer === null) transfer = new Transfer(this)
    else {
      this.#free = transfer.next
      transfer.next = null
      this.#kept--
    }
    this.#running++
    transfer.begin(io, fd, writing, moved)
  }

  ended(transfer: Transfer): void {
    this.#running--
    this.turns.done()
    if (this.#kept === KEPT) return
    transfer.next = this.#free
    this.#free = transfer
    this.#kept++
  }
}

class Transfer implements Turn {
  /** In the free list, or among those that wait for a thread. */
  next: Transfer | null = null
  readonly #owner: ThreadTransfers
  #io: StoreIo = null as unknown as StoreIo
  #fd = -1
  #writing = false
  #moved = 0
  #retries = 0
  readonly #done: (error: Error | null, bytes: number) => void

  constructor(owner: ThreadTransfers) {
    this.#owner = owner
    this.#done = (error, bytes) => this.#progress(error, bytes)
  }

  begin(io: StoreIo, fd: number, writing: boolean, moved: number): void {
    this.#io = io
    this.#fd = fd
    this.#writing = writing
    this.#moved = moved
    this.#retries = 0
    this.#owner.turns.take(this)
  }

  go(): void {
    this.#issue()
  }

  #issue(): void {
    const { calls } = this.#owner
    const { segments, offset } = this.#io
    const at = offset + this.#moved
    const rest = this.#moved === 0 ? segments : remaining(segments, this.#moved)
    const first = rest[0]!
    if (this.#writing) {
      if (rest.length === 1) calls.write(this.#fd, first, 0, first.length, at, this.#done)
      else calls.writev(this.#fd, rest, at, this.#done)
    } else if (rest.length === 1) calls.read(this.#fd, first, 0, first.length, at, this.#done)
    else calls.readv(this.#fd, rest, at, this.#done)
  }

  #progress(error: Error | null, bytes: number): void {
    if (error !== null) {
      const code = codeOf(error)
      if ((code === 'EINTR' || code === 'EAGAIN') && this.#retries++ < MOST_RETRIES) {
        this.#issue()
        return
      }
      this.#finish(errorOf(error, this.#writing))
      return
    }
    this.#moved += bytes
    if (this.#moved === this.#io.length) {
      this.#finish(StoreError.none)
      return
    }
    if (bytes > 0) {
      this.#issue()
      return
    }
    if (!this.#writing) this.#owner.end.endMet(this.#io.offset + this.#moved)
    this.#finish(StoreError.medium)
  }

  #finish(error: StoreError): void {
    const io = this.#io
    const moved = this.#moved
    this.#io = null as unknown as StoreIo
    this.#owner.ended(this)
    this.#owner.end.transferred(io, error, moved, this.#writing)
  }
}

/** The segments without their first `moved` bytes. */
export function remaining(segments: readonly Buffer[], moved: number): Buffer[] {
  const rest: Buffer[] = []
  let skip = moved
  for (const part of segments) {
    if (skip >= part.length) skip -= part.length
    else {
      rest.push(skip === 0 ? part : part.subarray(skip))
      skip = 0
    }
  }
  return rest
}
