// SPDX-License-Identifier: Apache-2.0
// From the guest's clusters to the file's: the L1 table, L2 tables in memory, and making or copying those that are written.
import { StoreError } from '@lunkit/target-api'
import { CachedTable, TableCache } from './cached-tables.ts'
import type { HostFile } from './host-file.ts'
import { COPIED, type Geometry, OFFSET_HIGH, offsetIn, write64 } from './layout.ts'
import type { MetadataClusters } from './metadata-clusters.ts'
import { Fault } from './parts.ts'
import type { Refcounts } from './refcounts.ts'

/** What an L1 entry says. */
export const Way = Object.freeze({ none: 0, own: 1, shared: 2, bad: 3 } as const)
export type Way = (typeof Way)[keyof typeof Way]

export interface L1 {
  readonly offset: number
  readonly bytes: Buffer
  /** Entries whose tables lie where something else is. */
  readonly bad: ReadonlySet<number>
}

/** Changed entries of the L1 table. */
export interface TakenL1 {
  readonly offset: number
  readonly from: number
  readonly bytes: Buffer
}

export class Mapping {
  readonly tables: TableCache
  readonly #geometry: Geometry
  readonly #file: HostFile
  readonly #metadata: MetadataClusters
  readonly #refcounts: Refcounts
  #l1: Buffer
  #l1Offset: number
  #bad: ReadonlySet<number>
  #from = Number.POSITIVE_INFINITY
  #to = 0
  readonly #owning = new Map<number, Promise<void>>()
  /** A reference to these bytes of the file has gone. */
  readonly #drop: (offset: number, length: number) => void

  constructor(
    geometry: Geometry,
    file: HostFile,
    metadata: MetadataClusters,
    refcounts: Refcounts,
    l1: L1,
    cache: number,
    relieve: () => Promise<void>,
    drop: (offset: number, length: number) => void,
  ) {
    this.#geometry = geometry
    this.#file = file
    this.#metadata = metadata
    this.#refcounts = refcounts
    this.#l1 = l1.bytes
    this.#l1Offset = l1.offset
    this.#bad = l1.bad
    this.#drop = drop
    this.tables = new TableCache(file, Math.max(8, Math.floor(cache / geometry.clusterSize)), relieve)
  }

  get l1Entries(): number {
    return this.#l1.length / 8
  }

  /** Its bytes are the mapping's own. */
  get l1(): Buffer {
    return this.#l1
  }

  get l1Offset(): number {
    return this.#l1Offset
  }

  wayOf(index: number): Way {
    const high = this.#l1.readUInt32BE(index * 8)
    const low = this.#l1.readUInt32BE(index * 8 + 4)
    if (high === 0 && low === 0) return Way.none
    const offset = this.#offsetOf(index)
    const { clusterSize } = this.#geometry
    const reserved = (high & ~(COPIED | OFFSET_HIGH)) !== 0 || (low & 0x1ff) !== 0
    if (reserved || offset === 0 || offset % clusterSize !== 0 || offset + clusterSize > this.#file.size)
      return Way.bad
    if (this.#bad.size > 0 && this.#bad.has(index)) return Way.bad
    return (high & COPIED) !== 0 ? Way.own : Way.shared
  }

  /** The table if it is in memory; the caller knows that there is one. */
  peek(index: number): CachedTable | null {
    return this.tables.peek(index)
  }

  /** Brings the table into memory. Rejects with Fault. */
  load(index: number): Promise<void> {
    return this.tables.load(index, this.#offsetOf(index), this.#geometry.clusterSize)
  }

  /** The table if it is in memory and may be changed. */
  peekOwn(index: number): CachedTable | null {
    return this.wayOf(index) === Way.own ? this.tables.peek(index) : null
  }

  /** Brings it into memory, made or copied where need be, so that it may be changed. Rejects with Fault. */
  own(index: number): Promise<void> {
    let owning = this.#owning.get(index)
    if (owning === undefined) {
      owning = this.#own(index).finally(() => this.#owning.delete(index))
      this.#owning.set(index, owning)
    }
    return owning
  }

  async #own(index: number): Promise<void> {
    const way = this.wayOf(index)
    if (way === Way.bad) throw new Fault(StoreError.medium, this.describe(index))
    if (way === Way.own) return this.load(index)
    const { clusterSize } = this.#geometry
    const { offset } = await this.#refcounts.allocate(1)
    if (way === Way.none) {
      await this.tables.reserve()
      this.tables.unreserve()
      this.tables.add(new CachedTable(index, offset, Buffer.alloc(clusterSize)))
    }
    for (;;) {
      const table = this.tables.peek(index)
      if (table === null) {
        await this.load(index)
        continue
      }
      const old = table.offset
      table.offset = offset
      table.isNew = true
      table.touch(0, clusterSize)
      this.#metadata.add(offset / clusterSize)
      this.#setL1(index, offset)
      if (way === Way.shared) this.#drop(old, clusterSize)
      return
    }
  }

  describe(index: number): string {
    return `L1 entry ${index} leads nowhere (${this.#l1.toString('hex', index * 8, index * 8 + 8)})`
  }

  take(): TakenL1 | null {
    if (this.#to === 0) return null
    const taken = {
      offset: this.#l1Offset,
      from: this.#from,
      bytes: Buffer.from(this.#l1.subarray(this.#from, this.#to)),
    }
    this.#from = Number.POSITIVE_INFINITY
    this.#to = 0
    return taken
  }

  putBack({ from, bytes }: TakenL1): void {
    this.#touch(from, from + bytes.length)
  }

  get isDirty(): boolean {
    return this.#to > 0 || this.tables.isDirty
  }

  /** The table is in another place now, or longer, and there as it is in `bytes`. Nothing may be under way. */
  replaceL1({ offset, bytes, bad }: L1): void {
    this.#l1 = bytes
    this.#l1Offset = offset
    this.#bad = bad
  }

  get bad(): ReadonlySet<number> {
    return this.#bad
  }

  #offsetOf(index: number): number {
    return offsetIn(this.#l1, index * 8)
  }

  #setL1(index: number, offset: number): void {
    write64(this.#l1, index * 8, offset)
    this.#l1[index * 8]! |= 0x80
    this.#touch(index * 8, index * 8 + 8)
  }

  #touch(from: number, to: number): void {
    if (from < this.#from) this.#from = from
    if (to > this.#to) this.#to = to
  }
}
