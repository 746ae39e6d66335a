// SPDX-License-Identifier: Apache-2.0
// Discards and zeros of the guest: whole clusters lose their places, what is less than a cluster is written.
import { type BackingStore, StoreError } from '@lunkit/target-api'
import type { CachedTable } from './cached-tables.ts'
import type { ClusterLocks } from './cluster-locks.ts'
import { type Clusters, Kind } from './clusters.ts'
import type { FreedClusters } from './freed-clusters.ts'
import { type Geometry, ZERO } from './layout.ts'
import { type Mapping, Way } from './mapping.ts'
import { Fault, faultOf } from './parts.ts'

/** Runs of clusters that may wait for a commit; more of them, and a discard makes one. */
const MOST_WAITING = 16384

export interface ZeroParts {
  readonly geometry: Geometry
  readonly mapping: Mapping
  readonly clusters: Clusters
  readonly locks: ClusterLocks
  readonly freed: FreedClusters
  readonly backing: BackingStore | null
  readonly size: () => number
  readonly writeGuest: (offset: number, segments: Buffer[]) => Promise<void>
  readonly commit: () => Promise<void>
}

export class GuestZeros {
  readonly #parts: ZeroParts
  readonly #zeros: Buffer

  constructor(parts: ZeroParts) {
    this.#parts = parts
    this.#zeros = Buffer.alloc(Math.min(parts.geometry.clusterSize, 65536))
  }

  /** The bytes read as zeros then. Gives up between tables where `isAborted` says so. Rejects with Fault. */
  async zero(offset: number, length: number, isAborted: () => boolean): Promise<void> {
    const { geometry, mapping, freed, commit, size } = this.#parts
    const { clusterSize, l2Span } = geometry
    const end = offset + length
    // What is behind the disk's end is nobody's: its last cluster counts as whole.
    const wholeEnd = end === size() ? Math.ceil(end / clusterSize) * clusterSize : end
    for (let at = offset; at < end; ) {
      const clusterEnd = (Math.floor(at / clusterSize) + 1) * clusterSize
      if (at % clusterSize !== 0 || clusterEnd > wholeEnd) {
        const stop = Math.min(clusterEnd, end)
        await this.#part(at, stop - at)
        at = stop
        continue
      }
      const index = Math.floor(at / l2Span)
      const spanEnd = Math.min((index + 1) * l2Span, Math.floor(wholeEnd / clusterSize) * clusterSize)
      try {
        if (mapping.wayOf(index) === Way.none && !this.#hasBacking(at)) {
          at = spanEnd
          continue
        }
        const table = mapping.peekOwn(index)
        if (table === null) {
          await mapping.own(index)
          continue
        }
        at = await this.#whole(table, at, spanEnd)
        if (freed.waiting > MOST_WAITING) await commit()
      } catch (cause) {
        const { storeError, message, failedAt } = faultOf(cause)
        throw new Fault(storeError, message, failedAt < 0 ? at : failedAt)
      }
      if (at >= end) return
      if (isAborted()) throw new Fault(StoreError.aborted, 'given up', at)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  #hasBacking(at: number): boolean {
    const { backing } = this.#parts
    return backing !== null && at < backing.size
  }

  /** From `at` on, up to `end` or to a cluster that was waited for; answers how far it came. */
  async #whole(table: CachedTable, from: number, end: number): Promise<number> {
    const { geometry, clusters, locks, freed } = this.#parts
    const { clusterSize, l2Entries } = geometry
    for (let at = from; at < end; at += clusterSize) {
      const cluster = at / clusterSize
      if (!locks.isFree(cluster)) {
        await locks.wait(cluster)
        return at
      }
      const slot = cluster % l2Entries
      const kind = clusters.kindAt(table, slot)
      const hasBacking = this.#hasBacking(at)
      if (kind === Kind.hole && !hasBacking) continue
      if (kind === Kind.bad) {
        const entry = table.bytes.toString('hex', slot * 8, slot * 8 + 8)
        throw new Fault(StoreError.medium, `L2 entry of the cluster at ${at} is damaged (${entry})`, at)
      }
      const held = clusters.heldAt(table, slot)
      if (kind === Kind.zero && held.length === 0) continue
      if (held.length > 0) freed.drop(held.offset, held.length)
      table.bytes.fill(0, slot * 8, slot * 8 + 8)
      if (hasBacking) table.bytes[slot * 8 + 7] = ZERO
      table.touch(slot * 8, slot * 8 + 8)
    }
    return end
  }

  /** Less than a cluster: zeros are written, unless they are there. */
  async #part(offset: number, length: number): Promise<void> {
    if (await this.#isZero(offset)) return
    const pieces: Buffer[] = []
    for (let left = length; left > 0; left -= this.#zeros.length)
      pieces.push(left < this.#zeros.length ? this.#zeros.subarray(0, left) : this.#zeros)
    await this.#parts.writeGuest(offset, pieces)
  }

  async #isZero(offset: number): Promise<boolean> {
    const { geometry, mapping, clusters, locks } = this.#parts
    const cluster = Math.floor(offset / geometry.clusterSize)
    const index = Math.floor(offset / geometry.l2Span)
    for (;;) {
      if (!locks.isFree(cluster)) return false
      const way = mapping.wayOf(index)
      if (way === Way.none) return !this.#hasBacking(offset)
      if (way === Way.bad) return false
      const table = mapping.peek(index)
      if (table === null) {
        await mapping.load(index)
        continue
      }
      const kind = clusters.kindAt(table, cluster % geometry.l2Entries)
      return kind === Kind.zero || kind === Kind.zeroKept || (kind === Kind.hole && !this.#hasBacking(offset))
    }
  }
}
