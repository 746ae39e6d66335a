// SPDX-License-Identifier: Apache-2.0
// Puts an image's tables somewhere else, with other counts, and has the header lead there: one sector, so all of it or nothing.
import { StoreError } from '@lunkit/target-api'
import { CachedTable } from './cached-tables.ts'
import { Kind } from './clusters.ts'
import type { OpenedImage } from './image.ts'
import { At, COPIED, DIRTY, HEADER_LENGTH, offsetIn, write64 } from './layout.ts'
import { Fault, othersTurn } from './parts.ts'
import { mostOf, setCount } from './refcount-widths.ts'
import type { Counts } from './references.ts'

export interface NewTables {
  /** Counts of all clusters, as they are to be, with those of the tables that are replaced. */
  readonly counts: Counts
  /** The L1 table in use then; its flags are made right. */
  readonly l1: Buffer
  readonly snapshotTable: Buffer
  readonly snapshotCount: number
  /** Bytes of the guest's disk. */
  readonly size: number
  /** The old L1 table is nobody's any more. */
  readonly dropsL1: boolean
}

/**
 * New tables are written behind the end of the file, where no count says that they are; the header's change is what makes them count. Until
 * then the image is as it was, after it as it shall be. Nothing may be under way, and `image.reload` was called. Rejects with Fault.
 */
export async function rewriteTables(image: OpenedImage, wanted: NewTables): Promise<void> {
  const { geometry, file, header, tables } = image
  const { clusterSize, blockEntries, refcountBits } = geometry
  const base = Math.ceil(file.size / clusterSize)
  let counts = wanted.counts
  const change = (offset: number, length: number, step: number): void => {
    const end = Math.ceil((offset + length) / clusterSize)
    for (let cluster = offset / clusterSize; cluster < end; cluster++) counts[cluster]! += step
  }
  for (const { kind, offset, length } of tables.own) {
    if (kind === 'refcounts' || kind === 'snapshots' || (kind === 'l1' && wanted.dropsL1))
      change(offset, length, -1)
  }
  // As many as there may be: each L2 table may have to be copied.
  const room =
    base + wanted.l1.length / 8 + clustersOf(wanted.l1.length) + clustersOf(wanted.snapshotTable.length)
  function clustersOf(bytes: number): number {
    return Math.ceil(bytes / clusterSize)
  }
  const blocksMost = Math.ceil((room * 1.01) / blockEntries) + 2
  const longer = new Uint32Array(room + blocksMost + clustersOf(blocksMost * 8) + blockEntries)
  longer.set(counts)
  counts = longer

  let end = base
  const put = async (bytes: Buffer): Promise<number> => {
    const offset = end * clusterSize
    end += clustersOf(bytes.length)
    await file.reach(end * clusterSize)
    const rest = end * clusterSize - offset - bytes.length
    await file.write(offset, rest > 0 ? [bytes, Buffer.alloc(rest)] : [bytes])
    return offset
  }
  const take = async (bytes: Buffer): Promise<number> => {
    const offset = await put(bytes)
    change(offset, bytes.length, 1)
    return offset
  }

  await flagEntries(image, wanted.l1, () => counts, take)
  const l1Offset = await take(wanted.l1)
  const snapshotsOffset = wanted.snapshotCount === 0 ? 0 : await take(wanted.snapshotTable)
  if (counts.some(count => count > mostOf(refcountBits)))
    throw new Fault(StoreError.medium, `reference counts of ${refcountBits} bits are too narrow, or wrong`)

  let blocks = 0
  let tableClusters = 0
  for (;;) {
    const needed = Math.ceil((end + blocks + tableClusters) / blockEntries)
    const clusters = clustersOf(needed * 8)
    if (needed === blocks && clusters === tableClusters) break
    blocks = needed
    tableClusters = clusters
  }
  change(end * clusterSize, (blocks + tableClusters) * clusterSize, 1)
  const table = Buffer.alloc(tableClusters * clusterSize)
  const block = Buffer.alloc(clusterSize)
  for (let i = 0; i < blocks; i++) {
    block.fill(0)
    for (let slot = 0; slot < blockEntries; slot++) {
      const count = counts[i * blockEntries + slot] ?? 0
      if (count > 0) setCount(block, slot, refcountBits, count)
    }
    write64(table, i * 8, await put(block))
    await othersTurn()
  }
  const tableOffset = await put(table)
  await file.flush()

  const bytes = Buffer.from(header.bytes.subarray(0, HEADER_LENGTH[geometry.version]))
  write64(bytes, At.size, wanted.size)
  bytes.writeUInt32BE(wanted.l1.length / 8, At.l1Entries)
  write64(bytes, At.l1Offset, l1Offset)
  write64(bytes, At.refcountTableOffset, tableOffset)
  bytes.writeUInt32BE(tableClusters, At.refcountTableClusters)
  bytes.writeUInt32BE(wanted.snapshotCount, At.snapshotCount)
  write64(bytes, At.snapshotsOffset, snapshotsOffset)
  if (geometry.version > 2) {
    const low = At.incompatible + 4
    bytes.fill(0, At.autoclear, At.autoclear + 8)
    bytes.writeUInt32BE((bytes.readUInt32BE(low) & ~DIRTY) >>> 0, low)
  }
  await image.writeHeader(0, bytes)
  try {
    await image.reload()
  } catch (cause) {
    // The header leads to tables that are not known here.
    image.broken = true
    throw cause
  }
  await giveBack(image, counts, base)
}

/**
 * Flags of entries say whether the count is exactly one. A table whose flags change is put elsewhere, so that the one that the file leads to
 * now stays right.
 */
async function flagEntries(
  image: OpenedImage,
  l1: Buffer,
  countsOf: () => Counts,
  take: (bytes: Buffer) => Promise<number>,
): Promise<void> {
  const { geometry, file, clusters } = image
  const { clusterSize, l2Entries } = geometry
  const bytes = Buffer.allocUnsafe(clusterSize)
  for (let index = 0; index < l1.length / 8; index++) {
    let offset = offsetIn(l1, index * 8)
    if (offset === 0) continue
    await file.read(offset, bytes)
    await othersTurn()
    const table = new CachedTable(index, offset, bytes)
    const counts = countsOf()
    let differs = false
    for (let slot = 0; slot < l2Entries; slot++) {
      const kind = clusters.kindAt(table, slot)
      if (kind === Kind.hole || kind === Kind.bad || kind === Kind.compressed) continue
      const host = clusters.hostAt(table, slot)
      if (host === 0) continue
      const high = bytes.readUInt32BE(slot * 8)
      const flagged = (counts[host / clusterSize] === 1 ? high | COPIED : high & ~COPIED) >>> 0
      if (flagged === high) continue
      bytes.writeUInt32BE(flagged, slot * 8)
      differs = true
    }
    if (differs) {
      counts[offset / clusterSize]! -= 1
      offset = await take(bytes)
    }
    write64(l1, index * 8, offset)
    if (countsOf()[offset / clusterSize] === 1) l1[index * 8]! |= COPIED >>> 24
  }
}

/** Room of clusters that nobody has any more. */
async function giveBack({ file, geometry }: OpenedImage, counts: Counts, end: number): Promise<void> {
  const { clusterSize } = geometry
  for (let first = 1; first < end; first++) {
    if (counts[first] !== 0) continue
    let last = first
    while (last + 1 < end && counts[last + 1] === 0) last++
    await file.discard(first * clusterSize, (last - first + 1) * clusterSize)
    first = last
  }
}
