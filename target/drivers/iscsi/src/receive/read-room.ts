// SPDX-License-Identifier: Apache-2.0
// Where one socket's next bytes go: a small buffer of its own, or a slab while data comes that somebody keeps.
import type { Lease } from '@lunkit/target-api'
import { copyOut } from '../gather.ts'
import { MOST_READERS, type SlabPool } from './slab-pool.ts'
import { SLAB_BYTES, type Slab } from './slab-region.ts'

/** All that an idle connection has; headers alone fit into it by the dozen. */
export const SMALL_BYTES = 8192
/** With less room than this left, the next slab is taken. */
const LEAST_ROOM = 65_536
/** After so many small reads in a row of which nothing was kept the slab goes; or after one, if the last data is so long ago. */
const CALM_READS = 16
const CALM_TICKS = 2

/** Bytes are read into `space`; `advance` is told how many, and finds room for the next. */
export class ReadRoom {
  /** Where the next bytes go; never empty. */
  space: Buffer
  readonly #pool: SlabPool
  readonly #small: Buffer = Buffer.allocUnsafeSlow(SMALL_BYTES)
  #slab: Slab | null = null
  #at = 0
  #wasAsked = false
  #isClosed = false
  #calm = 0
  /** Clock of the pool when something was last kept. */
  #keptAt = 0

  constructor(pool: SlabPool) {
    this.#pool = pool
    this.space = this.#small
  }

  /** A lease for a slice of `length` of the bytes that were read last; null if they are to be copied. */
  lend(length: number): Lease | null {
    this.#wasAsked = true
    return this.#slab === null ? null : this.#slab.lend(length)
  }

  /** A copy of a slice that was not lent. */
  copy(slice: Buffer, leases: Lease[]): Buffer {
    return this.#slab === null ? copyOut(slice) : this.#pool.copy(slice, leases)
  }

  /** So many bytes were read, and nobody looks at them any more but by a lease. */
  advance(length: number): void {
    const wasAsked = this.#wasAsked
    this.#wasAsked = false
    if (this.#isClosed) return
    if (this.#slab === null) {
      if (wasAsked || length === SMALL_BYTES) this.#enlarge()
    } else if (wasAsked || length > SMALL_BYTES) {
      this.#calm = 0
      this.#keptAt = this.#pool.clock
      this.#moveOn(this.#slab, length)
    } else if (++this.#calm >= CALM_READS || this.#pool.clock - this.#keptAt >= CALM_TICKS)
      this.#leave(this.#slab)
    else this.#moveOn(this.#slab, length)
  }

  /** The socket is closed: nothing is read any more. */
  close(): void {
    this.#isClosed = true
    if (this.#slab !== null) this.#leave(this.#slab)
  }

  #enlarge(): void {
    if (this.#pool.readers >= MOST_READERS) return
    this.#pool.readers++
    this.#calm = 0
    this.#keptAt = this.#pool.clock
    this.#begin()
  }

  #begin(): void {
    this.#slab = this.#pool.get()
    this.#at = 0
    this.space = this.#slab.bytes
  }

  #moveOn(slab: Slab, length: number): void {
    if (slab.isAlone) {
      if (this.#at === 0) return
      this.#at = 0
      this.space = slab.bytes
      return
    }
    this.#at += length
    if (SLAB_BYTES - this.#at >= LEAST_ROOM) this.space = slab.bytes.subarray(this.#at)
    else {
      slab.giveBack()
      this.#begin()
    }
  }

  #leave(slab: Slab): void {
    this.#pool.readers--
    this.#slab = null
    this.space = this.#small
    slab.giveBack()
  }
}
