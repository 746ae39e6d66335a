// SPDX-License-Identifier: Apache-2.0
// A request of the guest under way: its parts, its buffers in pieces, and its one answer.
import { type BackingStore, StoreError, type StoreIo } from '@lunkit/target-api'
import type { Fault, Part, PartEnd, PartPool } from './parts.ts'

/** Told when a request has ended in all its parts. */
export interface GatherEnd {
  gathered(gather: Gather): void
}

export class Gather implements PartEnd {
  io: StoreIo = null as unknown as StoreIo
  /** Of the generations of requests. */
  group: 0 | 1 = 0
  /** Durable before it is answered, and that takes a commit. */
  commits = false
  error: StoreError = StoreError.none
  failedAt = -1
  reason = ''
  readonly #parts: PartPool
  readonly #end: GatherEnd
  /** Parts under way, and one for who still makes parts. */
  #left = 0
  /** Where the next piece begins: segment, and byte in it. */
  #segment = 0
  #at = 0

  constructor(parts: PartPool, end: GatherEnd) {
    this.#parts = parts
    this.#end = end
  }

  begin(io: StoreIo, group: 0 | 1): void {
    this.io = io
    this.group = group
    this.commits = false
    this.error = StoreError.none
    this.failedAt = -1
    this.reason = ''
    this.#left = 1
    this.#segment = 0
    this.#at = 0
  }

  /** The next bytes of the request's buffers; all of them are the request's own array. */
  next(length: number): Buffer[] {
    const { segments } = this.io
    if (length === this.io.length && this.#segment === 0 && this.#at === 0) {
      this.#segment = segments.length
      return segments
    }
    const pieces: Buffer[] = []
    for (let left = length; left > 0; ) {
      const segment = segments[this.#segment]!
      const rest = segment.length - this.#at
      const take = Math.min(rest, left)
      if (take > 0)
        pieces.push(take === segment.length ? segment : segment.subarray(this.#at, this.#at + take))
      left -= take
      this.#at += take
      if (this.#at < segment.length) continue
      this.#segment++
      this.#at = 0
    }
    return pieces
  }

  zero(length: number): void {
    for (const piece of this.next(length)) piece.fill(0)
  }

  /** Reads or writes the next bytes below. */
  part(store: BackingStore, call: 'read' | 'write', offset: number, length: number, guest: number): void {
    this.#left++
    const io = this.#parts.take().set(this, offset, length, this.next(length), guest)
    io.forceUnitAccess = call === 'write' && this.io.forceUnitAccess && !this.commits
    store[call](io)
  }

  partEnded(part: Part): void {
    const { io, guest } = part
    const { error, failedAt, offset, reason } = io
    this.#parts.giveBack(part)
    if (error !== StoreError.none) this.fail(error, failedAt < 0 ? guest : guest + failedAt - offset, reason)
    this.release()
  }

  /** The first place that failed is what counts. */
  fail(error: StoreError, at: number, reason = ''): void {
    if (this.error !== StoreError.none && (this.failedAt < 0 || this.failedAt <= at)) return
    this.error = error
    // A cluster may begin before the request does.
    this.failedAt = at < 0 ? at : Math.max(at, this.io.offset)
    this.reason = reason
  }

  failBy({ storeError, failedAt, message }: Fault, at: number): void {
    this.fail(storeError, failedAt < 0 ? at : failedAt, message)
  }

  /** Something goes on that is no part; `release` follows. */
  hold(): void {
    this.#left++
  }

  release(): void {
    if (--this.#left === 0) this.#end.gathered(this)
  }
}
