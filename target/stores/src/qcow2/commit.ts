// SPDX-License-Identifier: Apache-2.0
// Brings changed metadata into the file in an order that leaves at most unused clusters behind, whenever it is cut off.
import { putBack, type TakenTable } from './cached-tables.ts'
import type { FreedClusters } from './freed-clusters.ts'
import type { HostFile } from './host-file.ts'
import { At, write64 } from './layout.ts'
import type { Mapping, TakenL1 } from './mapping.ts'
import type { Refcounts, TakenRefcountTable } from './refcounts.ts'

/** Writes under way at once. */
const AT_ONCE = 16

interface Taken {
  readonly blocks: readonly TakenTable[]
  readonly tables: readonly TakenTable[]
  readonly refcountTable: TakenRefcountTable
  readonly l1: TakenL1 | null
}

/** Offset in the file, and what is written there. */
type Write = readonly [offset: number, bytes: Buffer]

/**
 * A reference in the file never leads to a cluster whose count or contents are not there. So, with a barrier (a flush of the file) after each step:
 *
 * 1. data (written before), counts that rose, and whole tables that nothing leads to yet;
 * 2. the refcount table's entries, where blocks of counts are new;
 * 3. L2 entries and L1 entries.
 *
 * Counts that fall are written with the next commit: their references have gone by then. Each commit covers what was finished when it began.
 */
export class Commits {
  readonly #file: HostFile
  readonly #refcounts: Refcounts
  readonly #mapping: Mapping
  readonly #freed: FreedClusters
  #running: Promise<void> | null = null
  #next: Promise<void> | null = null

  constructor(file: HostFile, refcounts: Refcounts, mapping: Mapping, freed: FreedClusters) {
    this.#file = file
    this.#refcounts = refcounts
    this.#mapping = mapping
    this.#freed = freed
  }

  /** All that was finished is in the file, and the file's flush alone makes it durable. */
  get isClean(): boolean {
    return this.#running === null && !this.#mapping.isDirty && !this.#refcounts.isDirty
  }

  /** Makes durable what is finished now; those that ask meanwhile share one. Rejects with Fault. */
  run(): Promise<void> {
    if (this.#running === null) return this.#start()
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null
        return this.run()
      })
    return this.#next
  }

  #start(): Promise<void> {
    const running = this.#commit().finally(() => {
      if (this.#running === running) this.#running = null
    })
    this.#running = running
    return running
  }

  async #commit(): Promise<void> {
    const taken: Taken = {
      blocks: this.#refcounts.blocks.take(),
      tables: this.#mapping.tables.take(),
      refcountTable: this.#refcounts.take(),
      l1: this.#mapping.take(),
    }
    this.#freed.committing()
    try {
      await this.#steps(taken)
    } catch (error) {
      for (const one of taken.blocks) putBack(one)
      for (const one of taken.tables) putBack(one)
      this.#refcounts.putBack(taken.refcountTable)
      if (taken.l1 !== null) this.#mapping.putBack(taken.l1)
      this.#freed.failed()
      throw error
    } finally {
      for (const { table } of taken.blocks) table.writing = false
      for (const { table } of taken.tables) table.writing = false
    }
    this.#freed.committed()
  }

  async #steps({ blocks, tables, refcountTable, l1 }: Taken): Promise<void> {
    const { moved, entries, tableOffset } = refcountTable
    const first = [...blocks, ...tables.filter(({ isNew }) => isNew)].map(placeOf)
    if (moved !== null) first.push([moved.offset, moved.bytes])
    await this.#write(first)
    await this.#file.flush()
    if (moved !== null) {
      const bytes = Buffer.alloc(12)
      write64(bytes, 0, moved.offset)
      bytes.writeUInt32BE(moved.clusters, 8)
      await this.#write([[At.refcountTableOffset, bytes]])
      await this.#file.flush()
    } else if (entries.length > 0) {
      await this.#write(entries.map(([index, offset]) => [tableOffset + index * 8, entry(offset)]))
      await this.#file.flush()
    }
    const last = tables.filter(({ isNew }) => !isNew).map(placeOf)
    if (l1 !== null) last.push([l1.offset + l1.from, l1.bytes])
    if (last.length === 0) return
    await this.#write(last)
    await this.#file.flush()
  }

  /** A few at once; all have ended when it does. */
  async #write(writes: readonly Write[]): Promise<void> {
    let next = 0
    const some = async (): Promise<void> => {
      while (next < writes.length) {
        const [offset, bytes] = writes[next++]!
        await this.#file.write(offset, [bytes])
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, writes.length) }, some))
    for (const one of ended) if (one.status === 'rejected') throw one.reason
  }
}

const placeOf = ({ offset, from, bytes }: TakenTable): Write => [offset + from, bytes]

function entry(offset: number): Buffer {
  const bytes = Buffer.alloc(8)
  write64(bytes, 0, offset)
  return bytes
}
