// SPDX-License-Identifier: Apache-2.0
// What the entry of a guest's cluster in its L2 table says, and whether that can be.
import type { CachedTable } from './cached-tables.ts'
import type { HostFile } from './host-file.ts'
import { COMPRESSED, COPIED, type Geometry, OFFSET_HIGH, OFFSET_LOW, ZERO } from './layout.ts'
import type { MetadataClusters } from './metadata-clusters.ts'

export const Kind = Object.freeze({
  /** Nothing of its own: the backing file's bytes, or zeros. */
  hole: 0,
  /** Zeros without a place, or with one that a snapshot has as well. */
  zero: 1,
  /** Zeros, and a place of its own for what is written later. */
  zeroKept: 2,
  /** A place of its own: written over. */
  plain: 3,
  /** A place that a snapshot has as well: copied when it is written. */
  shared: 4,
  compressed: 5,
  /** It leads outside the file, or into the image's own tables. */
  bad: 6,
} as const)
export type Kind = (typeof Kind)[keyof typeof Kind]

const HALF = 2 ** 32

/** Bytes of the file. */
export interface Extent {
  readonly offset: number
  readonly length: number
}

export class Clusters {
  readonly #geometry: Geometry
  readonly #file: HostFile
  readonly #metadata: MetadataClusters
  /** First bit, within an entry's upper half, of the number of sectors. */
  readonly #sectorShift: number

  constructor(geometry: Geometry, file: HostFile, metadata: MetadataClusters) {
    this.#geometry = geometry
    this.#file = file
    this.#metadata = metadata
    this.#sectorShift = 62 - (geometry.clusterBits - 8) - 32
  }

  kindAt(table: CachedTable, slot: number): Kind {
    const high = table.bytes.readUInt32BE(slot * 8)
    const low = table.bytes.readUInt32BE(slot * 8 + 4)
    if (high === 0 && low === 0) return Kind.hole
    if ((high & COMPRESSED) !== 0) return this.#compressedFits(table, slot) ? Kind.compressed : Kind.bad
    const { version, clusterSize } = this.#geometry
    const zero = (low & ZERO) !== 0
    if ((high & 0x3f00_0000) !== 0 || (low & 0x1fe) !== 0 || (zero && version === 2)) return Kind.bad
    const copied = (high & COPIED) !== 0
    const host = (high & OFFSET_HIGH) * HALF + ((low & OFFSET_LOW) >>> 0)
    if (host === 0) return copied ? Kind.bad : zero ? Kind.zero : Kind.hole
    if (host % clusterSize !== 0 || host >= this.#file.size || this.#metadata.has(host / clusterSize))
      return Kind.bad
    if (zero) return copied ? Kind.zeroKept : Kind.zero
    return copied ? Kind.plain : Kind.shared
  }

  /** Place of a cluster that is not compressed; 0 for none. */
  hostAt(table: CachedTable, slot: number): number {
    const { bytes } = table
    const at = slot * 8
    return (bytes.readUInt32BE(at) & OFFSET_HIGH) * HALF + ((bytes.readUInt32BE(at + 4) & OFFSET_LOW) >>> 0)
  }

  /** Where compressed bytes begin, and how many they are at most: to the end of their last sector. */
  compressedAt(table: CachedTable, slot: number): Extent {
    const high = table.bytes.readUInt32BE(slot * 8) & 0x3fff_ffff
    const sectors = (high >>> this.#sectorShift) + 1
    const offset = (high & (2 ** this.#sectorShift - 1)) * HALF + table.bytes.readUInt32BE(slot * 8 + 4)
    return { offset, length: sectors * 512 - (offset % 512) }
  }

  /** The clusters of the file that the entry holds, which may be none: as many as have a reference for it. */
  heldAt(table: CachedTable, slot: number): Extent {
    const { clusterSize } = this.#geometry
    if ((table.bytes.readUInt32BE(slot * 8) & COMPRESSED) === 0) {
      const offset = this.hostAt(table, slot)
      return { offset, length: offset === 0 ? 0 : clusterSize }
    }
    const { offset, length } = this.compressedAt(table, slot)
    const first = Math.floor(offset / clusterSize) * clusterSize
    return { offset: first, length: Math.ceil((offset + length) / clusterSize) * clusterSize - first }
  }

  /** The bytes may be cut at the end of the file, where the last sector is not whole. */
  #compressedFits(table: CachedTable, slot: number): boolean {
    const { clusterSize } = this.#geometry
    const { offset, length } = this.compressedAt(table, slot)
    if (offset >= this.#file.size || offset < clusterSize) return false
    const last = Math.floor((offset + length - 1) / clusterSize)
    for (let cluster = Math.floor(offset / clusterSize); cluster <= last; cluster++) {
      if (this.#metadata.has(cluster)) return false
    }
    return true
  }
}
