// SPDX-License-Identifier: Apache-2.0
// Reads of the guest: runs of clusters from the file, from the backing file, unpacked, or zeros.
import { type BackingStore, StoreError } from '@lunkit/target-api'
import type { CachedTable } from './cached-tables.ts'
import { type Clusters, Kind } from './clusters.ts'
import type { CompressedClusters } from './compressed-clusters.ts'
import type { Gather } from './gather.ts'
import type { HostFile } from './host-file.ts'
import type { Geometry } from './layout.ts'
import { type Mapping, Way } from './mapping.ts'
import { faultOf } from './parts.ts'

export class GuestReads {
  readonly #geometry: Geometry
  readonly #file: HostFile
  readonly #mapping: Mapping
  readonly #clusters: Clusters
  readonly #compressed: CompressedClusters
  readonly #backing: BackingStore | null

  constructor(
    geometry: Geometry,
    file: HostFile,
    mapping: Mapping,
    clusters: Clusters,
    compressed: CompressedClusters,
    backing: BackingStore | null,
  ) {
    this.#geometry = geometry
    this.#file = file
    this.#mapping = mapping
    this.#clusters = clusters
    this.#compressed = compressed
    this.#backing = backing
  }

  /** Issues what is to be read from the request's byte `done` on, and releases it. */
  start(gather: Gather, done: number): void {
    const { io } = gather
    const { clusterSize, clusterBits, l2Entries, l2Span } = this.#geometry
    const end = io.offset + io.length
    let at = io.offset + done
    while (at < end && gather.error === StoreError.none) {
      const index = Math.floor(at / l2Span)
      const way = this.#mapping.wayOf(index)
      const spanEnd = Math.min((index + 1) * l2Span, end)
      if (way === Way.none) {
        this.#hole(gather, at, spanEnd)
        at = spanEnd
        continue
      }
      if (way === Way.bad) {
        gather.fail(StoreError.medium, at, this.#mapping.describe(index))
        break
      }
      const table = this.#mapping.peek(index)
      if (table === null) {
        this.#load(gather, index, at - io.offset)
        return
      }
      const slot = Math.floor(at / clusterSize) % l2Entries
      const slotEnd = (Math.floor(at / clusterSize) + 1) * clusterSize
      const runEnd = Math.min(this.#run(table, slot, slotEnd, spanEnd), end)
      this.#issue(gather, table, slot, at, runEnd, at % 2 ** clusterBits)
      at = runEnd
    }
    gather.release()
  }

  #load(gather: Gather, index: number, done: number): void {
    this.#mapping.load(index).then(
      () => this.start(gather, done),
      cause => {
        gather.failBy(faultOf(cause), gather.io.offset + done)
        gather.release()
      },
    )
  }

  /** End, in the guest's disk, of the clusters from that slot on that are one piece. */
  #run(table: CachedTable, first: number, slotEnd: number, end: number): number {
    const { clusterSize } = this.#geometry
    const kind = this.#clusters.kindAt(table, first)
    let to = slotEnd
    if (kind === Kind.compressed || kind === Kind.bad) return to
    const places = kind === Kind.plain || kind === Kind.shared
    let next = places ? this.#clusters.hostAt(table, first) + clusterSize : 0
    for (let slot = first + 1; to < end; slot++, to += clusterSize) {
      const other = this.#clusters.kindAt(table, slot)
      if (!places) {
        const zeros = kind !== Kind.hole && (other === Kind.zero || other === Kind.zeroKept)
        if (other !== kind && !zeros) break
        continue
      }
      if (other !== Kind.plain && other !== Kind.shared) break
      if (this.#clusters.hostAt(table, slot) !== next) break
      next += clusterSize
    }
    return to
  }

  #issue(gather: Gather, table: CachedTable, slot: number, at: number, end: number, inCluster: number): void {
    const kind = this.#clusters.kindAt(table, slot)
    if (kind === Kind.plain || kind === Kind.shared) {
      this.#host(gather, this.#clusters.hostAt(table, slot) + inCluster, at, end - at)
    } else if (kind === Kind.hole) this.#hole(gather, at, end)
    else if (kind === Kind.compressed) this.#unpack(gather, table, slot, at, end, inCluster)
    else if (kind === Kind.bad) {
      const entry = table.bytes.toString('hex', slot * 8, slot * 8 + 8)
      gather.fail(StoreError.medium, at, `L2 entry of the cluster at ${at} is damaged (${entry})`)
    } else gather.zero(end - at)
  }

  /** The file's last cluster may be cut; what it lacks reads as zeros. */
  #host(gather: Gather, offset: number, at: number, length: number): void {
    const there = Math.max(0, Math.min(length, this.#file.size - offset))
    if (there > 0) gather.part(this.#file.store, 'read', offset, there, at)
    if (there < length) gather.zero(length - there)
  }

  #hole(gather: Gather, at: number, end: number): void {
    const backing = this.#backing
    const there = backing === null ? 0 : Math.max(0, Math.min(end, backing.size) - at)
    if (there > 0) gather.part(backing!, 'read', at, there, at)
    if (there < end - at) gather.zero(end - at - there)
  }

  #unpack(
    gather: Gather,
    table: CachedTable,
    slot: number,
    at: number,
    end: number,
    inCluster: number,
  ): void {
    const pieces = gather.next(end - at)
    gather.hold()
    this.#compressed.read(this.#clusters.compressedAt(table, slot)).then(
      bytes => {
        let from = inCluster
        for (const piece of pieces) {
          bytes.copy(piece, 0, from, from + piece.length)
          from += piece.length
        }
        gather.release()
      },
      cause => {
        gather.failBy(faultOf(cause), at)
        gather.release()
      },
    )
  }
}
