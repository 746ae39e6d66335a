// SPDX-License-Identifier: Apache-2.0
// An image that is open: its tables, its file, what is behind it, and its orderly end.
import { type BackingStore, OperatorError } from '@lunkit/target-api'
import { ClusterLocks } from './cluster-locks.ts'
import { Clusters } from './clusters.ts'
import { Commits } from './commit.ts'
import { CompressedClusters } from './compressed-clusters.ts'
import { FreedClusters } from './freed-clusters.ts'
import { Generations } from './generations.ts'
import { HEADER_ROOM, type Header, readHeader } from './header.ts'
import type { HostFile } from './host-file.ts'
import type { Geometry } from './layout.ts'
import { Mapping } from './mapping.ts'
import type { MetadataClusters } from './metadata-clusters.ts'
import { Refcounts } from './refcounts.ts'
import { readTables, type Tables } from './tables.ts'

/** What opening found. */
export interface ImageFacts {
  readonly path: string
  readonly identity: string
  readonly note: string
  readonly canWrite: boolean
  readonly header: Header
  readonly file: HostFile
  readonly tables: Tables
  readonly backing: BackingStore | null
  /** Bytes of L2 tables in memory; counts have a quarter of that beside. Eight tables and four blocks at least. */
  readonly cache: number
}

export class OpenedImage {
  readonly path: string
  readonly identity: string
  note: string
  readonly canWrite: boolean
  /** As it is in the file, but for places and lengths of tables that have grown since. */
  header: Header
  /** As they were read: snapshots, and what was there at that time. */
  tables: Tables
  readonly geometry: Geometry
  readonly file: HostFile
  readonly metadata: MetadataClusters
  readonly backing: BackingStore | null
  readonly locks = new ClusterLocks()
  readonly generations = new Generations()
  readonly clusters: Clusters
  readonly freed: FreedClusters
  readonly refcounts: Refcounts
  readonly mapping: Mapping
  readonly commits: Commits
  readonly compressed: CompressedClusters
  /** Bytes of the guest's disk. */
  size: number
  /** Whether the header has changed is not known: nothing may be read or written any more until it is opened anew. */
  broken = false

  constructor(facts: ImageFacts) {
    const { header, file, tables } = facts
    const { metadata } = tables
    const { geometry } = header
    const { clusterSize } = geometry
    this.path = facts.path
    this.identity = facts.identity
    this.note = facts.note
    this.canWrite = facts.canWrite
    this.header = header
    this.tables = tables
    this.geometry = geometry
    this.file = file
    this.metadata = metadata
    this.backing = facts.backing
    this.size = header.size
    this.clusters = new Clusters(geometry, file, metadata)
    this.freed = new FreedClusters(clusterSize, file, metadata, this.generations)
    const relieve = (): Promise<void> => this.commits.run()
    const drop = (offset: number, length: number): void => this.freed.drop(offset, length)
    const left = (offset: number, clusters: number): void => drop(offset, clusters * clusterSize)
    this.refcounts = new Refcounts(
      geometry,
      file,
      metadata,
      tables.refcountTable,
      facts.cache / 4,
      relieve,
      left,
    )
    this.freed.refcounts = this.refcounts
    this.mapping = new Mapping(
      geometry,
      file,
      metadata,
      this.refcounts,
      tables.l1,
      facts.cache,
      relieve,
      drop,
    )
    this.commits = new Commits(file, this.refcounts, this.mapping, this.freed)
    this.compressed = new CompressedClusters(file, clusterSize, header.compression)
    this.freed.onFree = offset => this.compressed.forget(offset)
  }

  /** All metadata is in the file, and no count is higher than it has to be. No request may be under way. Rejects with Fault. */
  async settle(): Promise<void> {
    do {
      await this.commits.run()
      await this.freed.settled()
    } while (!this.commits.isClean)
  }

  /** Reads header and tables anew, all being in the file. No request may be under way. Rejects with Fault or OperatorError. */
  async reload(): Promise<void> {
    await this.settle()
    const start = Buffer.alloc(Math.min(HEADER_ROOM, this.file.size))
    await this.file.read(0, start)
    await this.adopt(readHeader(this.path, start, this.file.size))
  }

  /** The header leads to other tables now. Nothing may be under way. Rejects with Fault or OperatorError. */
  async adopt(header: Header): Promise<void> {
    const tables = await readTables(this.path, header, this.file, true)
    this.header = header
    this.tables = tables
    this.size = header.size
    this.metadata.become(tables.metadata)
    this.mapping.tables.clear()
    this.mapping.replaceL1(tables.l1)
    const { offset, entries } = tables.refcountTable
    this.refcounts.replace(offset, entries, Math.ceil(this.file.size / this.geometry.clusterSize))
  }

  /** Changes these bytes of the header, which lie in one sector: whole or not at all. Rejects with Fault. */
  async writeHeader(at: number, bytes: Buffer): Promise<void> {
    try {
      await this.file.write(at, [bytes])
      await this.file.flush()
    } catch (cause) {
      this.broken = true
      throw cause
    }
  }

  /** Rejects with OperatorError QCOW2_LOST if what was not flushed could not be written. */
  async close(): Promise<void> {
    const { store } = this.file
    try {
      if (this.broken) throw new Error('a change of its header may have failed')
      if (this.canWrite) {
        await this.settle()
        const end = this.refcounts.end * this.geometry.clusterSize
        if (end < store.size) await store.resize!(end)
      }
    } catch (cause) {
      throw new OperatorError(
        'QCOW2_LOST',
        `Image '${this.path}' could not be written to its end: ${cause}`,
        {
          hint: 'writes since the last flush are lost; qemu-img check tells whether clusters leaked',
          cause,
        },
      )
    } finally {
      await store.close()
      await this.backing?.close()
    }
  }
}
