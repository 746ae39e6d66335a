// SPDX-License-Identifier: Apache-2.0
// Large pieces of memory that sockets are read into, lent to what was received, and used again.
import type { Lease } from '@lunkit/target-api'
import { copyOut } from '../gather.ts'
import { MOST_LENT, SLAB_BYTES, type Slab, SlabRegion } from './slab-region.ts'

/** Memory of which nothing was used for so long goes back, in milliseconds. */
const REST_MS = 1000
/** Sockets that may have a slab to read into at a time: an idle one would keep it from being used. */
export const MOST_READERS = 256

export class SlabPool {
  /** Slabs that are held by a socket or by a lease. */
  inUse = 0
  /** Sockets that read into one. */
  readers = 0
  /** Goes on by one every second while there is memory. */
  clock = 0
  /** For tests: a slab that comes back is filled with this, so that whoever still looks at it sees nonsense. */
  scrub: number | null = null
  /** Where copies go, one behind the other. */
  #copies: Slab | null = null
  #copiesAt = 0
  readonly #regions: SlabRegion[] = []
  #timer: NodeJS.Timeout | null = null

  /** A slab with one user. */
  get(): Slab {
    this.inUse++
    // The oldest first, so that the last ones come free.
    for (let i = 0; i < this.#regions.length; i++) {
      const slab = this.#regions[i]!.get()
      if (slab !== null) return slab.begin()
    }
    const region = new SlabRegion(this)
    this.#regions.push(region)
    this.#timer ??= setInterval(() => this.#rest(), REST_MS).unref()
    return region.get()!.begin()
  }

  /** A copy of a piece of a slab, next to others in one slab, and a lease on that; or alone, where too many are in use. */
  copy(piece: Buffer, leases: Lease[]): Buffer {
    if (this.inUse > MOST_LENT) return copyOut(piece)
    if (this.#copies === null || this.#copiesAt + piece.length > SLAB_BYTES) {
      this.#copies?.giveBack()
      this.#copies = this.get()
      this.#copiesAt = 0
    }
    const from = this.#copiesAt
    this.#copiesAt += piece.copy(this.#copies.bytes, from)
    leases.push(this.#copies.share())
    return this.#copies.bytes.subarray(from, this.#copiesAt)
  }

  /** One that nobody uses any more; called by the slab. */
  take(slab: Slab, isAbandoned: boolean): void {
    this.inUse--
    if (this.scrub !== null && !isAbandoned) slab.bytes.fill(this.scrub)
    slab.region.take(slab, isAbandoned)
  }

  /** Nothing is received any more: what is held yet goes back when it is let go. */
  close(): void {
    for (const region of this.#regions) region.wasUsed = false
    this.#rest()
  }

  /** Gives back the memory of which nothing has been used since the last time. */
  #rest(): void {
    this.clock++
    if (this.#copies?.isAlone === true) {
      this.#copies.giveBack()
      this.#copies = null
    }
    for (const region of [...this.#regions]) {
      if (region.isIdle && !region.wasUsed) {
        this.#regions.splice(this.#regions.indexOf(region), 1)
        region.release()
      }
      region.wasUsed = false
    }
    if (this.#regions.length > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}
