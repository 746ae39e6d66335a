// SPDX-License-Identifier: Apache-2.0
// Large pieces of memory that sockets are read into, lent to what was received, and used again.
import type { Lease } from '@lunkit/target-api'

/** Bytes of one slab. */
export const SLAB_BYTES = 262_144
/** Free slabs that are kept for the next ones. */
const KEPT = 32
/** Sockets that may have a slab to read into at a time: an idle one would keep it from being used. */
export const MOST_READERS = 256
/**
 * While no more slabs than this are in use, a slice of any size may hold one. Above, a small one is copied, so that few bytes
 * do not hold much memory for long.
 */
const EASY = 128
/** What is small then: less than this share of a slab. */
const PIN_FACTOR = 4

/** One piece of memory. In use as long as a socket reads into it or somebody has a lease on it. */
export class Slab implements Lease {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  next: Slab | null = null
  readonly #pool: SlabPool
  #users = 0
  #isAbandoned = false

  constructor(pool: SlabPool) {
    this.#pool = pool
  }

  /** Nobody but the one that asks uses it; of an abandoned one that is never known. */
  get isAlone(): boolean {
    return this.#users === 1 && !this.#isAbandoned
  }

  /** Its first user has it. */
  begin(): this {
    this.#users = 1
    return this
  }

  /** A lease for a slice of `length` bytes; null if it is to be copied. */
  lend(length: number): Lease | null {
    if (this.#pool.inUse > EASY && length * PIN_FACTOR < SLAB_BYTES) return null
    this.#users++
    return this
  }

  giveBack(): void {
    if (--this.#users === 0) this.#pool.take(this, this.#isAbandoned)
  }

  abandon(): void {
    this.#isAbandoned = true
    this.giveBack()
  }
}

export class SlabPool {
  /** Slabs that are held by a socket or by a lease. */
  inUse = 0
  /** Sockets that read into one. */
  readers = 0
  /** For tests: a slab that comes back is filled with this, so that whoever still looks at it sees nonsense. */
  scrub: number | null = null
  #free: Slab | null = null
  #kept = 0

  /** A slab with one user. */
  get(): Slab {
    const slab = this.#free ?? new Slab(this)
    if (slab === this.#free) {
      this.#free = slab.next
      this.#kept--
      slab.next = null
    }
    this.inUse++
    return slab.begin()
  }

  /** One that nobody uses any more; called by the slab. */
  take(slab: Slab, isAbandoned: boolean): void {
    this.inUse--
    if (isAbandoned || this.#kept === KEPT) return
    if (this.scrub !== null) slab.bytes.fill(this.scrub)
    slab.next = this.#free
    this.#free = slab
    this.#kept++
  }
}
