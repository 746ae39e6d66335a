// SPDX-License-Identifier: Apache-2.0
// Reads the tables of an image that stay in memory, and refuses those that lie over each other.
import type { Extent } from './clusters.ts'
import { corrupt, type Header } from './header.ts'
import type { HostFile } from './host-file.ts'
import { offsetIn, read64 } from './layout.ts'
import type { L1 } from './mapping.ts'
import { MetadataClusters } from './metadata-clusters.ts'
import { readSnapshots, type Snapshot } from './snapshot-table.ts'

export type OwnKind = 'header' | 'l1' | 'refcounts' | 'snapshots' | 'snapshot'

export interface Tables {
  /** With the L2 tables in use. */
  readonly metadata: MetadataClusters
  /** Without them. */
  readonly fixed: MetadataClusters
  readonly l1: L1
  /** Not read where the image is not written. */
  readonly refcountTable: { readonly offset: number; readonly entries: Float64Array }
  readonly snapshots: readonly Snapshot[]
  /** The snapshot table as it is in the file. */
  readonly snapshotTable: Buffer
  /** Where header and tables are, but for L2 tables. */
  readonly own: readonly (Extent & { readonly kind: OwnKind })[]
}

/** Rejects with OperatorError QCOW2_CORRUPT, or Fault. */
export async function readTables(
  path: string,
  header: Header,
  file: HostFile,
  canWrite: boolean,
): Promise<Tables> {
  const { clusterSize } = header.geometry
  const metadata = new MetadataClusters()
  const fixed = new MetadataClusters()
  const own: (Extent & { kind: OwnKind })[] = []
  const place = (kind: OwnKind, what: string, offset: number, length: number): void => {
    const end = Math.ceil((offset + length) / clusterSize)
    for (let cluster = offset / clusterSize; cluster < end; cluster++) {
      if (metadata.has(cluster) && canWrite) throw corrupt(path, `its ${what} lies over other tables`)
      metadata.add(cluster)
      fixed.add(cluster)
    }
    own.push({ kind, offset, length })
  }
  place('header', 'header', 0, clusterSize)
  place('l1', 'L1 table', header.l1Offset, header.l1Entries * 8)
  const bytes = Buffer.alloc(header.l1Entries * 8)
  await file.read(header.l1Offset, bytes)
  const entries = new Float64Array(canWrite ? (header.refcountTableClusters * clusterSize) / 8 : 0)
  place('refcounts', 'refcount table', header.refcountTableOffset, entries.length * 8)
  if (canWrite) {
    const table = Buffer.alloc(entries.length * 8)
    await file.read(header.refcountTableOffset, table)
    for (let i = 0; i < entries.length; i++) {
      const offset = read64(table, i * 8)
      if (offset === 0) continue
      if (offset % clusterSize !== 0 || offset + clusterSize > file.size)
        throw corrupt(path, `entry ${i} of its refcount table leads to ${offset}`)
      place('refcounts', `refcount block ${i}`, offset, clusterSize)
      entries[i] = offset
    }
  }
  const { all, bytes: snapshotTable } = await readSnapshots(path, header, file)
  if (header.snapshotCount > 0)
    place('snapshots', 'snapshot table', header.snapshotsOffset, snapshotTable.length)
  for (const one of all) {
    // The same table for two snapshots would be no error of theirs, but nobody makes that.
    if (one.l1Entries > 0)
      place('snapshot', `L1 table of snapshot '${one.name}'`, one.l1Offset, one.l1Entries * 8)
  }
  const bad = new Set<number>()
  for (let i = 0; i < header.l1Entries; i++) {
    const offset = offsetIn(bytes, i * 8)
    if (offset === 0 || offset % clusterSize !== 0) continue
    if (metadata.has(offset / clusterSize)) bad.add(i)
    else if (offset < file.size) metadata.add(offset / clusterSize)
  }
  return {
    metadata,
    fixed,
    l1: { offset: header.l1Offset, bytes, bad },
    refcountTable: { offset: header.refcountTableOffset, entries },
    snapshots: all,
    snapshotTable,
    own,
  }
}
