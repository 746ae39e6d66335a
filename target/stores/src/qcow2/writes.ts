// SPDX-License-Identifier: Apache-2.0
// Writes of the guest: in place where the clusters are the image's alone, else into new ones with what was beside.
import { type BackingStore, StoreError } from '@lunkit/target-api'
import type { CachedTable } from './cached-tables.ts'
import type { ClusterLocks } from './cluster-locks.ts'
import { type Clusters, Kind } from './clusters.ts'
import type { FreedClusters } from './freed-clusters.ts'
import type { Gather } from './gather.ts'
import type { HostFile } from './host-file.ts'
import { type Geometry, write64 } from './layout.ts'
import { type Mapping, Way } from './mapping.ts'
import { Fault, faultOf } from './parts.ts'
import type { Refcounts } from './refcounts.ts'

/** Most bytes that one run of new clusters takes. */
const MOST_RUN = 4 * 2 ** 20
/** Runs of new clusters under way: each may hold the rest of two clusters in memory. */
const RUNS_AT_ONCE = 16

export interface WriteParts {
  readonly geometry: Geometry
  readonly file: HostFile
  readonly mapping: Mapping
  readonly clusters: Clusters
  readonly refcounts: Refcounts
  readonly locks: ClusterLocks
  readonly freed: FreedClusters
  readonly backing: BackingStore | null
  /** Reads the guest's bytes as they are. Rejects with Fault. */
  readonly readGuest: (offset: number, buffer: Buffer) => Promise<void>
  /** Bytes of the guest's disk. */
  readonly size: () => number
}

export class GuestWrites {
  readonly #parts: WriteParts
  readonly #zeros: Buffer
  #runs = 0
  readonly #waiting: (() => void)[] = []

  constructor(parts: WriteParts) {
    this.#parts = parts
    this.#zeros = Buffer.alloc(parts.geometry.clusterSize)
  }

  /** Issues the request, and releases it when all new clusters are in place. */
  start(gather: Gather): void {
    const { io } = gather
    const placed = this.#inPlace(gather, io.offset)
    if (placed === io.offset + io.length) gather.release()
    else {
      if (io.forceUnitAccess) gather.commits = true
      this.#allocating(gather, placed).then(
        () => gather.release(),
        cause => {
          gather.failBy(faultOf(cause), placed)
          gather.release()
        },
      )
    }
  }

  /** Writes what has its places already, from `at` on; the end of that. */
  #inPlace(gather: Gather, from: number): number {
    const { geometry, mapping, file } = this.#parts
    const { clusterSize, l2Entries, l2Span } = geometry
    const end = gather.io.offset + gather.io.length
    let at = from
    while (at < end) {
      const index = Math.floor(at / l2Span)
      const table = mapping.peekOwn(index)
      if (table === null) return at
      const cluster = Math.floor(at / clusterSize)
      const spanEnd = Math.min((index + 1) * l2Span, end)
      const to = this.#plainRun(table, cluster % l2Entries, (cluster + 1) * clusterSize, spanEnd)
      if (to === 0) return at
      const host = this.#parts.clusters.hostAt(table, cluster % l2Entries) + (at % clusterSize)
      const stop = Math.min(to, end)
      gather.part(file.store, 'write', host, stop - at, at)
      at = stop
    }
    return at
  }

  /** End of the neighbouring clusters that can be written over, or 0. */
  #plainRun(table: CachedTable, first: number, slotEnd: number, end: number): number {
    const { clusters, geometry } = this.#parts
    if (clusters.kindAt(table, first) !== Kind.plain) return 0
    let next = clusters.hostAt(table, first) + geometry.clusterSize
    let to = slotEnd
    for (let slot = first + 1; to < end; slot++) {
      if (clusters.kindAt(table, slot) !== Kind.plain || clusters.hostAt(table, slot) !== next) break
      next += geometry.clusterSize
      to += geometry.clusterSize
    }
    return to
  }

  async #allocating(gather: Gather, from: number): Promise<void> {
    const { geometry, mapping, locks } = this.#parts
    const { clusterSize, l2Entries, l2Span } = geometry
    const end = gather.io.offset + gather.io.length
    for (let at = from; at < end && gather.error === StoreError.none; ) {
      const placed = this.#inPlace(gather, at)
      if (placed > at) {
        at = placed
        continue
      }
      const index = Math.floor(at / l2Span)
      const table = mapping.peekOwn(index)
      if (table === null) {
        await mapping.own(index).catch(cause => {
          const { storeError, message } = faultOf(cause)
          throw new Fault(storeError, message, at)
        })
        continue
      }
      const cluster = Math.floor(at / clusterSize)
      if (!locks.isFree(cluster)) {
        await locks.wait(cluster)
        continue
      }
      const slot = cluster % l2Entries
      const last = Math.min(Math.ceil(end / clusterSize), (index + 1) * l2Entries)
      const { count, host } = this.#newRun(
        table,
        slot,
        Math.min(last - cluster, MOST_RUN / clusterSize),
        cluster,
      )
      locks.take(cluster, count)
      try {
        at = await this.#fill(gather, at, cluster, count, host)
      } finally {
        locks.give(cluster, count)
      }
    }
  }

  /** Neighbouring clusters that need new places, or whose kept places are neighbours (`host`, else 0). */
  #newRun(table: CachedTable, slot: number, most: number, cluster: number): { count: number; host: number } {
    const { clusters, geometry, locks } = this.#parts
    const kind = clusters.kindAt(table, slot)
    if (kind === Kind.bad) {
      const entry = table.bytes.toString('hex', slot * 8, slot * 8 + 8)
      const at = cluster * geometry.clusterSize
      throw new Fault(StoreError.medium, `L2 entry of the cluster at ${at} is damaged (${entry})`, at)
    }
    const host = kind === Kind.zeroKept ? clusters.hostAt(table, slot) : 0
    let count = 1
    for (; count < most && locks.isFree(cluster + count); count++) {
      const other = clusters.kindAt(table, slot + count)
      if (other === Kind.bad || other === Kind.plain) break
      if ((other === Kind.zeroKept) !== host > 0) break
      if (host > 0 && clusters.hostAt(table, slot + count) !== host + count * geometry.clusterSize) break
    }
    return { count, host }
  }

  /** Gives the locked clusters places and bytes; answers how far the request has come. */
  async #fill(gather: Gather, at: number, first: number, most: number, kept: number): Promise<number> {
    const { file, refcounts, geometry } = this.#parts
    const { clusterSize } = geometry
    await this.#admit()
    try {
      const run = kept > 0 ? { offset: kept, count: most, fresh: false } : await refcounts.allocate(most)
      const { offset, count, fresh } = run
      try {
        const start = first * clusterSize
        const stop = Math.min(start + count * clusterSize, gather.io.offset + gather.io.length)
        const head = await this.#old(start, at - start)
        const tail = await this.#old(stop, start + count * clusterSize - stop)
        const pieces: Buffer[] = []
        let skip = 0
        if (head !== null) pieces.push(head)
        else if (fresh) skip = at - start
        else if (at > start) pieces.push(this.#zeros.subarray(0, at - start))
        for (const piece of gather.next(stop - at)) pieces.push(piece)
        const left = start + count * clusterSize - stop
        if (tail !== null) pieces.push(tail)
        else if (!fresh && left > 0) pieces.push(this.#zeros.subarray(0, left))
        await file.write(offset + skip, pieces)
        await this.#enter(first, count, offset)
        return stop
      } catch (cause) {
        // Nothing leads to them.
        if (kept === 0)
          for (let i = 0; i < count; i++) await refcounts.set(offset / clusterSize + i, 0).catch(() => {})
        throw cause
      }
    } catch (cause) {
      const { storeError, message } = faultOf(cause)
      throw new Fault(storeError, message, at)
    } finally {
      this.#runs--
      this.#waiting.shift()?.()
    }
  }

  async #admit(): Promise<void> {
    while (this.#runs >= RUNS_AT_ONCE) await new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#runs++
  }

  /** Bytes of the guest that stay beside what is written, all in one cluster; null: they are zeros. */
  async #old(offset: number, length: number): Promise<Buffer | null> {
    if (length === 0) return null
    const { geometry, mapping, clusters, backing, size, readGuest } = this.#parts
    const there = Math.min(length, size() - offset)
    if (there <= 0) return null
    const index = Math.floor(offset / geometry.l2Span)
    const table = mapping.peekOwn(index)
    if (table !== null) {
      const kind = clusters.kindAt(table, Math.floor(offset / geometry.clusterSize) % geometry.l2Entries)
      if (kind === Kind.zero || kind === Kind.zeroKept) return null
      if (kind === Kind.hole && (backing === null || offset >= backing.size)) return null
    }
    const bytes = Buffer.alloc(length)
    await readGuest(offset, bytes.subarray(0, there))
    return bytes
  }

  /** The clusters are in their places: entries lead there, and what they led to before is let go. */
  async #enter(first: number, count: number, offset: number): Promise<void> {
    const { geometry, mapping } = this.#parts
    const index = Math.floor(first / geometry.l2Entries)
    let table = mapping.peekOwn(index)
    while (table === null) {
      if (mapping.wayOf(index) === Way.bad) throw new Fault(StoreError.medium, mapping.describe(index))
      await mapping.own(index)
      table = mapping.peekOwn(index)
    }
    for (let i = 0; i < count; i++) {
      const slot = (first + i) % geometry.l2Entries
      this.#letGo(table, slot, offset + i * geometry.clusterSize)
      write64(table.bytes, slot * 8, offset + i * geometry.clusterSize)
      table.bytes[slot * 8]! |= 0x80
    }
    const slot = first % geometry.l2Entries
    table.touch(slot * 8, (slot + count) * 8)
  }

  /** Drops what the entry holds, unless it goes on to hold it. */
  #letGo(table: CachedTable, slot: number, next: number): void {
    const { clusters, freed } = this.#parts
    const held = clusters.heldAt(table, slot)
    if (held.length > 0 && held.offset !== next) freed.drop(held.offset, held.length)
  }
}
