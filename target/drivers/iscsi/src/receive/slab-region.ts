// SPDX-License-Identifier: Apache-2.0
// Slabs, and the memory of many of them in one piece, which goes back to the system when all of them are free.
import type { Lease } from '@lunkit/target-api'
import type { SlabPool } from './slab-pool.ts'

/** Bytes of one slab. */
export const SLAB_BYTES = 262_144
/**
 * While no more slabs than this are in use, a slice of any size may hold one. Above, a small one is copied, so that few bytes
 * do not hold much memory for long.
 */
const EASY = 256
/** What is small then: less than this share of a slab. */
const PIN_FACTOR = 4
/** With more in use nothing holds one any more: a peer that has little kept of each would hold many times what its limits say. */
export const MOST_LENT = 512

/** One piece of memory. In use as long as a socket reads into it or somebody has a lease on it. */
export class Slab implements Lease {
  readonly bytes: Buffer
  readonly region: SlabRegion
  next: Slab | null = null
  readonly #pool: SlabPool
  #users = 0
  #isAbandoned = false

  constructor(pool: SlabPool, region: SlabRegion, bytes: Buffer) {
    this.#pool = pool
    this.region = region
    this.bytes = bytes
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
    const { inUse } = this.#pool
    if (inUse > MOST_LENT || (inUse > EASY && length * PIN_FACTOR < SLAB_BYTES)) return null
    return this.share()
  }

  /** It has one more user. */
  share(): this {
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

/**
 * More than 32 MiB: C libraries map pieces of that size by themselves, take memory for them only where they are touched,
 * and unmap them when they are freed. Smaller ones come from a heap whose gaps stay resident: four times what was in use.
 */
const SLABS = (33 * 1024 * 1024) / SLAB_BYTES

export class SlabRegion {
  /** It has been used since it was last looked at. */
  wasUsed = true
  readonly #memory: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(SLABS * SLAB_BYTES)
  readonly #pool: SlabPool
  #free: Slab | null = null
  #made = 0
  #inUse = 0
  #isAbandoned = false

  constructor(pool: SlabPool) {
    this.#pool = pool
  }

  get isIdle(): boolean {
    return this.#inUse === 0
  }

  /** A slab of it, or null: the one that was free for the shortest time, since its memory is the most likely to be there. */
  get(): Slab | null {
    let slab = this.#free
    if (slab !== null) {
      this.#free = slab.next
      slab.next = null
    } else {
      if (this.#made === SLABS) return null
      const at = this.#made++ * SLAB_BYTES
      slab = new Slab(this.#pool, this, this.#memory.subarray(at, at + SLAB_BYTES))
    }
    this.#inUse++
    this.wasUsed = true
    return slab
  }

  take(slab: Slab, isAbandoned: boolean): void {
    this.#inUse--
    if (isAbandoned) {
      this.#isAbandoned = true
      return
    }
    slab.next = this.#free
    this.#free = slab
  }

  /** Nobody takes a slab of it any more. */
  release(): void {
    // Without waiting for the garbage collector, which may not run for hours where nothing is done; but not under
    // somebody who may still look at it.
    if (!this.#isAbandoned) this.#memory.buffer.transfer(0)
  }
}
