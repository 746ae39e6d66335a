// SPDX-License-Identifier: Apache-2.0
// Clusters of metadata held in memory: a bounded cache, of which what was changed stays until it is in the file.
import type { HostFile } from './host-file.ts'

/** An L2 table, or a block of reference counts. */
export class CachedTable {
  /** Which one: its place in the L1 table or in the refcount table. */
  readonly index: number
  /** Where it is in the file; changes when it is copied. */
  offset: number
  readonly bytes: Buffer
  /** Nothing in the file leads to it yet. */
  isNew = false
  /** A commit that has not ended writes it. */
  writing = false
  used = true
  /** Whoever had it read has not seen it yet. */
  fresh = false
  #from = Number.POSITIVE_INFINITY
  #to = 0

  constructor(index: number, offset: number, bytes: Buffer) {
    this.index = index
    this.offset = offset
    this.bytes = bytes
  }

  get isDirty(): boolean {
    return this.#to > 0
  }

  touch(from: number, to: number): void {
    if (from < this.#from) this.#from = from
    if (to > this.#to) this.#to = to
  }

  /** Its changed bytes, copied; from now on it counts as clean. */
  take(): TakenTable {
    const [from, isNew] = [this.#from, this.isNew]
    const bytes = Buffer.from(this.bytes.subarray(from, this.#to))
    this.#from = Number.POSITIVE_INFINITY
    this.#to = 0
    this.isNew = false
    this.writing = true
    return { table: this, offset: this.offset, from, bytes, isNew }
  }
}

export interface TakenTable {
  readonly table: CachedTable
  /** Of the table, when it was taken. */
  readonly offset: number
  readonly from: number
  readonly bytes: Buffer
  readonly isNew: boolean
}

/** A commit failed: what it took is to be written again, unless the table is elsewhere by now. */
export function putBack({ table, offset, from, bytes, isNew }: TakenTable): void {
  table.touch(from, from + bytes.length)
  if (table.offset === offset) table.isNew ||= isNew
}

export class TableCache {
  readonly #limit: number
  readonly #file: HostFile
  /** Makes tables clean, so that they can go. Rejects with Fault. */
  readonly #relieve: () => Promise<void>
  readonly #tables = new Map<number, CachedTable>()
  readonly #loading = new Map<number, Promise<void>>()
  #last: CachedTable | null = null
  /** Read in this turn of the event loop. */
  #fresh: CachedTable[] = []
  /** Room promised to tables that are on their way. */
  #coming = 0

  constructor(file: HostFile, limit: number, relieve: () => Promise<void>) {
    this.#file = file
    this.#limit = limit
    this.#relieve = relieve
  }

  /** The table if it is in memory. It stays there until the caller waits for something. */
  peek(index: number): CachedTable | null {
    if (this.#last?.index === index) return this.#last
    const table = this.#tables.get(index)
    if (table === undefined) return null
    table.used = true
    this.#last = table
    return table
  }

  /** Reads it from `offset` unless it is here. Whoever needs it looks for it again then. Rejects with Fault. */
  load(index: number, offset: number, length: number): Promise<void> {
    let loading = this.#loading.get(index)
    if (loading === undefined) {
      loading = this.#load(index, offset, length).finally(() => this.#loading.delete(index))
      this.#loading.set(index, loading)
    }
    return loading
  }

  async #load(index: number, offset: number, length: number): Promise<void> {
    if (this.#tables.has(index)) return
    await this.reserve()
    try {
      const bytes = Buffer.allocUnsafe(length)
      await this.#file.read(offset, bytes)
      const table = new CachedTable(index, offset, bytes)
      this.#tables.set(index, table)
      this.#keep(table)
    } finally {
      this.unreserve()
    }
  }

  /** Not evicted before those who wait for it have had it: with little room they would take it from each other for ever. */
  #keep(table: CachedTable): void {
    table.fresh = true
    if (this.#fresh.push(table) > 1) return
    setImmediate(() => {
      for (const one of this.#fresh) one.fresh = false
      this.#fresh = []
    })
  }

  /** A new table; room was reserved for it. */
  add(table: CachedTable): void {
    this.#tables.set(table.index, table)
  }

  /** Waits until there is room for one more; `unreserve` MUST follow, once it is added or given up. Rejects with Fault. */
  async reserve(): Promise<void> {
    while (this.#tables.size + this.#coming >= this.#limit) {
      if (!this.#evict()) await this.#relieve()
    }
    this.#coming++
  }

  unreserve(): void {
    this.#coming--
  }

  /** Forgets all; nothing may be under way. */
  clear(): void {
    this.#tables.clear()
    this.#last = null
  }

  forget(index: number): void {
    this.#tables.delete(index)
    this.#last = null
  }

  get isDirty(): boolean {
    for (const table of this.#tables.values()) if (table.isDirty) return true
    return false
  }

  /** Those that were changed, as they are now. */
  take(): TakenTable[] {
    const taken: TakenTable[] = []
    for (const table of this.#tables.values()) if (table.isDirty) taken.push(table.take())
    return taken
  }

  /** One that was not used since it was looked at last. */
  #evict(): boolean {
    let looks = 2 * this.#tables.size
    for (const [index, table] of this.#tables) {
      if (looks-- === 0) break
      if (table.used || table.fresh || table.isDirty || table.writing) {
        // Last in the queue: the loop comes by again.
        table.used = false
        this.#tables.delete(index)
        this.#tables.set(index, table)
        continue
      }
      this.#tables.delete(index)
      if (this.#last === table) this.#last = null
      return true
    }
    return false
  }
}
