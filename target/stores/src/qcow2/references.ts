// SPDX-License-Identifier: Apache-2.0
// Who refers to which cluster of the file: all tables are walked, and held against the reference counts.
import { StoreError } from '@lunkit/target-api'
import { CachedTable } from './cached-tables.ts'
import { Kind } from './clusters.ts'
import type { OpenedImage } from './image.ts'
import { COPIED, offsetIn } from './layout.ts'
import { MetadataClusters } from './metadata-clusters.ts'
import { Fault, othersTurn } from './parts.ts'
import type { Snapshot } from './snapshot-table.ts'

/** Clusters of a file that are looked at in memory, of four bytes each. */
export const MOST_CLUSTERS = 2 ** 24

/** Leaked clusters that are noted at once. */
const MOST_LEAKED = 2 ** 20

/** A count that is kept for each cluster. */
export type Counts = Uint32Array<ArrayBuffer>

/** Adds `step` to the counts of all that an L1 table leads to; answers how many entries lead nowhere. Rejects with Fault. */
export async function walk(image: OpenedImage, l1: Buffer, step: 1 | -1, counts: Counts): Promise<number> {
  const { geometry, file, tables } = image
  const { clusterSize, l2Entries } = geometry
  const bytes = Buffer.allocUnsafe(clusterSize)
  const seen = new MetadataClusters()
  let bad = 0
  for (let index = 0; index < l1.length / 8; index++) {
    const offset = offsetIn(l1, index * 8)
    if (offset === 0) continue
    const cluster = offset / clusterSize
    const outside = offset % clusterSize !== 0 || offset + clusterSize > file.size
    if (outside || tables.fixed.has(cluster)) {
      bad++
      continue
    }
    // Nobody makes that, and one for millions of entries would be read millions of times.
    if (seen.has(cluster)) throw new Fault(StoreError.medium, `two L1 entries lead to the table at ${offset}`)
    seen.add(cluster)
    counts[cluster]! += step
    await file.read(offset, bytes)
    await othersTurn()
    const table = new CachedTable(index, offset, bytes)
    for (let slot = 0; slot < l2Entries; slot++) {
      const kind = image.clusters.kindAt(table, slot)
      if (kind === Kind.hole) continue
      if (kind === Kind.bad) {
        bad++
        continue
      }
      const held = image.clusters.heldAt(table, slot)
      const end = Math.ceil((held.offset + held.length) / clusterSize)
      for (let one = held.offset / clusterSize; one < end; one++) counts[one]! += step
    }
  }
  return bad
}

/** Reads the L1 table of a snapshot. Rejects with Fault. */
export async function l1Of(image: OpenedImage, { l1Offset, l1Entries }: Snapshot): Promise<Buffer> {
  const l1 = Buffer.alloc(l1Entries * 8)
  await image.file.read(l1Offset, l1)
  return l1
}

/** Counts the references to each cluster, and entries that lead nowhere. Rejects with Fault. */
export async function countReferences(image: OpenedImage): Promise<{ counts: Counts; bad: number }> {
  const { geometry, file, mapping, tables } = image
  const counts = new Uint32Array(Math.ceil(file.size / geometry.clusterSize) + 2)
  for (const { offset, length } of tables.own) {
    const end = Math.ceil((offset + length) / geometry.clusterSize)
    for (let cluster = offset / geometry.clusterSize; cluster < end; cluster++) counts[cluster]! += 1
  }
  let bad = await walk(image, mapping.l1, 1, counts)
  for (const snapshot of tables.snapshots) bad += await walk(image, await l1Of(image, snapshot), 1, counts)
  return { counts, bad }
}

export interface Findings {
  /** Clusters with fewer counts than references, or that are written over although a snapshot has them. */
  readonly wrong: number
  /** Clusters with counts and without references. */
  readonly leaked: readonly number[]
}

/** Holds references against the counts. Rejects with Fault. */
export async function compareCounts(image: OpenedImage, counts: Counts): Promise<Findings> {
  let wrong = 0
  const leaked: number[] = []
  let seen = 0
  const look = (cluster: number, count: number): void => {
    const references = counts[cluster]!
    if (references > 0) seen++
    if (count < references) wrong++
    else if (count > 0 && references === 0 && leaked.length < MOST_LEAKED) leaked.push(cluster)
  }
  await image.refcounts.each(counts.length, look)
  // Those that no block counts.
  wrong += counts.reduce((sum, references) => sum + (references > 0 ? 1 : 0), 0) - seen
  return { wrong: wrong + (await falseFlags(image, counts)), leaked }
}

/** Entries that say that nobody else refers to the cluster, and somebody does. */
async function falseFlags(image: OpenedImage, counts: Counts): Promise<number> {
  if (!counts.some(count => count > 1)) return 0
  const { geometry, file, mapping } = image
  const bytes = Buffer.allocUnsafe(geometry.clusterSize)
  let wrong = 0
  for (let index = 0; index < mapping.l1Entries; index++) {
    const offset = offsetIn(mapping.l1, index * 8)
    const cluster = offset / geometry.clusterSize
    if (offset === 0 || !(counts[cluster]! > 0)) continue
    if (counts[cluster]! > 1 && (mapping.l1.readUInt32BE(index * 8) & COPIED) !== 0) wrong++
    await file.read(offset, bytes)
    await othersTurn()
    const table = new CachedTable(index, offset, bytes)
    for (let slot = 0; slot < geometry.l2Entries; slot++) {
      const kind = image.clusters.kindAt(table, slot)
      if (kind !== Kind.plain && kind !== Kind.zeroKept) continue
      if (counts[image.clusters.hostAt(table, slot) / geometry.clusterSize]! > 1) wrong++
    }
  }
  return wrong
}
