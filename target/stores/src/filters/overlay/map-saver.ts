// SPDX-License-Identifier: Apache-2.0
// Writes a map's pages to the file of an overlay: as it is before each answer, and durably after the bytes it speaks of.
import { type BackingStore, StoreError } from '@lunkit/target-api'
import { ask } from './ask.ts'
import type { Waiter } from './changes.ts'
import { pageAt } from './file-format.ts'
import { type GrainMap, PAGE_GRAINS } from './grain-map.ts'

/**
 * The map as it is follows each change before that is answered: what a killed process has answered for is found by the
 * next, in what the machine has in its cache. A loss of power may keep that map and lose the bytes: so the durable map
 * follows a flush of the bytes, and is what counts after a loss of power.
 */
export class MapSaver {
  readonly #file: BackingStore
  readonly #map: GrainMap
  readonly #grain: number
  /** Pages that are newer in memory than in the file, as they are and as they are durable. */
  readonly #unsaved = new Set<number>()
  readonly #volatile = new Set<number>()
  #saving: ReadonlySet<number> = new Set()
  #isSaving = false
  #savers: Waiter[] = []
  #isFlushing = false
  #flushers: Waiter[] = []

  constructor(file: BackingStore, map: GrainMap, grain: number) {
    this.#file = file
    this.#map = map
    this.#grain = grain
  }

  /** The pages of these grains are newer in memory now. */
  touched(first: number, end: number): void {
    for (let page = pageOf(first); page <= pageOf(end - 1); page++) {
      this.#unsaved.add(page)
      this.#volatile.add(page)
    }
  }

  /** The page in the file is as in memory, but was never made durable. */
  foundVolatile(page: number): void {
    this.#volatile.add(page)
  }

  /** The pages of these grains are in the file when it is answered, durably if `forced`. */
  save(first: number, end: number, forced: boolean, waiter: Waiter): void {
    const durably = forced && this.#some(first, end, this.#volatile)
    if (this.#some(first, end, this.#unsaved) || this.#some(first, end, this.#saving)) {
      const then = (error: StoreError): void =>
        error === StoreError.none ? this.flush(waiter) : waiter.saved(error)
      this.#savers.push(durably ? { saved: then } : waiter)
      if (!this.#isSaving) void this.#save()
    } else if (durably) this.flush(waiter)
    else waiter.saved(StoreError.none)
  }

  /** All bytes and pages so far are durable when it is answered. */
  flush(waiter: Waiter): void {
    this.#flushers.push(waiter)
    if (!this.#isFlushing) void this.#flush()
  }

  forget(): void {
    this.#unsaved.clear()
    this.#volatile.clear()
  }

  #some(first: number, end: number, pages: ReadonlySet<number>): boolean {
    if (pages.size === 0) return false
    for (let page = pageOf(first); page <= pageOf(end - 1); page++) if (pages.has(page)) return true
    return false
  }

  /** One round at a time; who comes meanwhile waits for the next. */
  async #save(): Promise<void> {
    this.#isSaving = true
    while (this.#savers.length > 0) {
      const waiters = this.#savers
      this.#savers = []
      const pages = new Set(this.#unsaved)
      this.#unsaved.clear()
      this.#saving = pages
      const error = await this.#write(pages, this.#copies(pages), false)
      if (error !== StoreError.none) for (const page of pages) this.#unsaved.add(page)
      this.#saving = new Set()
      for (const waiter of waiters) waiter.saved(error)
    }
    this.#isSaving = false
  }

  async #flush(): Promise<void> {
    this.#isFlushing = true
    while (this.#flushers.length > 0) {
      const waiters = this.#flushers
      this.#flushers = []
      const error = await this.#makeDurable()
      for (const waiter of waiters) waiter.saved(error)
    }
    this.#isFlushing = false
  }

  async #makeDurable(): Promise<StoreError> {
    // As the map is now: what it says later may be of bytes that this flush does not reach.
    const pages = new Set(this.#volatile)
    const copies = this.#copies(pages)
    this.#volatile.clear()
    let error: StoreError = this.#unsaved.size > 0 ? await this.#saved() : StoreError.none
    if (error === StoreError.none) error = (await ask(this.#file, 'flush')).error
    if (error === StoreError.none && pages.size > 0) {
      error = await this.#write(pages, copies, true)
      if (error === StoreError.none) error = (await ask(this.#file, 'flush')).error
    }
    if (error !== StoreError.none) for (const page of pages) this.#volatile.add(page)
    return error
  }

  /** What could not be saved before is tried again. */
  #saved(): Promise<StoreError> {
    return new Promise(resolve => {
      this.#savers.push({ saved: resolve })
      if (!this.#isSaving) void this.#save()
    })
  }

  #copies(pages: ReadonlySet<number>): readonly Uint8Array[] {
    return [...pages].map(page => this.#map.page(page))
  }

  async #write(
    pages: ReadonlySet<number>,
    copies: readonly Uint8Array[],
    durable: boolean,
  ): Promise<StoreError> {
    let index = 0
    for (const page of pages) {
      const bytes = Buffer.from(copies[index++]!)
      const { error } = await ask(this.#file, 'write', { offset: pageAt(page, this.#grain, durable), bytes })
      if (error !== StoreError.none) return error
    }
    return StoreError.none
  }
}

const pageOf = (grain: number): number => Math.floor(grain / PAGE_GRAINS)
