// SPDX-License-Identifier: Apache-2.0
// The qcow2 format as data: fields of the header, bits of features, bounds (QEMU, "qcow2 Image File Format").

export const MAGIC = 0x5146_49fb

/** Byte offsets of the header's fields; big-endian, 4 bytes unless it says 8. */
export const At = Object.freeze({
  magic: 0,
  version: 4,
  /** 8 */
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  /** 8 */
  size: 24,
  cryptMethod: 32,
  l1Entries: 36,
  /** 8 */
  l1Offset: 40,
  /** 8 */
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshotCount: 60,
  /** 8 */
  snapshotsOffset: 64,
  // From version 3 on:
  /** 8 */
  incompatible: 72,
  /** 8 */
  compatible: 80,
  /** 8 */
  autoclear: 88,
  refcountOrder: 96,
  headerLength: 100,
  /** One byte, where the header is longer than that. */
  compressionType: 104,
})

export const HEADER_LENGTH: Readonly<Record<number, number>> = { 2: 72, 3: 104 }

/** Incompatible features by bit; `can` says whether images with it are served. */
export const INCOMPATIBLE: readonly {
  readonly name: string
  readonly can: boolean
  readonly hint: string
}[] = [
  { name: 'dirty refcounts', can: true, hint: '' },
  { name: 'corrupt', can: true, hint: '' },
  {
    name: 'an external data file',
    can: false,
    hint: 'serve the data file, or copy the image: qemu-img convert -O qcow2',
  },
  { name: 'another compression type', can: true, hint: '' },
  {
    name: 'extended L2 entries (subclusters)',
    can: false,
    hint: 'copy the image without them: qemu-img convert -O qcow2 -o extended_l2=off',
  },
]
export const DIRTY = 1
export const CORRUPT = 2
export const COMPRESSION_TYPE = 8

/** Types of header extensions. */
export const Extension = Object.freeze({
  end: 0,
  backingFormat: 0xe279_2aca,
  featureNames: 0x6803_f857,
  bitmaps: 0x2385_2875,
})

/** Bounds that QEMU keeps as well, so that no image makes the process hold more than that. */
export const CLUSTER_BITS = Object.freeze({ least: 9, most: 21 })
export const MOST_L1_BYTES = 32 * 2 ** 20
export const MOST_REFCOUNT_TABLE_BYTES = 8 * 2 ** 20
export const MOST_SNAPSHOTS = 65536
export const LONGEST_BACKING_NAME = 1023

/** Bit 63 of an entry, in its upper half: the reference count is exactly one. */
export const COPIED = 0x8000_0000
/** Bit 62: a compressed cluster. */
export const COMPRESSED = 0x4000_0000
/** Bit 0, in the lower half: reads as zeros (version 3). */
export const ZERO = 1
/** Bits of an entry's upper half that are part of an offset. */
export const OFFSET_HIGH = 0x00ff_ffff
/** And of its lower half. */
export const OFFSET_LOW = 0xffff_fe00

const HALF = 2 ** 32

/** What a number of 64 bits is to JavaScript: exact up to 2 ** 53, and larger than anything that can be beyond. */
export function read64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * HALF + bytes.readUInt32BE(at + 4)
}

export function write64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / HALF), at)
  bytes.writeUInt32BE(value % HALF, at + 4)
}

/** The offset in an L1 or L2 entry. */
export function offsetIn(bytes: Buffer, at: number): number {
  return (bytes.readUInt32BE(at) & OFFSET_HIGH) * HALF + ((bytes.readUInt32BE(at + 4) & OFFSET_LOW) >>> 0)
}

/** What follows from the size of clusters and the width of reference counts. */
export interface Geometry {
  readonly version: number
  readonly clusterBits: number
  readonly clusterSize: number
  /** Entries of an L2 table. */
  readonly l2Entries: number
  /** Guest bytes that an L2 table maps. */
  readonly l2Span: number
  /** Bits of a reference count: 1 to 64. */
  readonly refcountBits: number
  /** Reference counts in a block of them. */
  readonly blockEntries: number
}

export function geometryOf(version: number, clusterBits: number, refcountOrder: number): Geometry {
  const clusterSize = 2 ** clusterBits
  const l2Entries = clusterSize / 8
  const refcountBits = 2 ** refcountOrder
  return {
    version,
    clusterBits,
    clusterSize,
    l2Entries,
    l2Span: clusterSize * l2Entries,
    refcountBits,
    blockEntries: (clusterSize * 8) / refcountBits,
  }
}
