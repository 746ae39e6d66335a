// SPDX-License-Identifier: Apache-2.0
// Changes in a sparse file, which outlive the process: each grain at a place of its own, and a map of which are there.
import { type BackingStore, OperatorError, StoreError, type StoreUsage } from '@lunkit/target-api'
import { ask } from './ask.ts'
import { changedRuns } from './changed-runs.ts'
import { type Changes, NOT_CHANGED, type Waiter, ZEROS } from './changes.ts'
import {
  fileBytes,
  grainAt,
  groupAt,
  groupsOf,
  HEADER_BYTES,
  type Header,
  MAPS_BYTES,
  noteBytes,
  pageAt,
  pagesOf,
  SIZES_AT,
  type Sizes,
  STATE_AT,
} from './file-format.ts'
import { BELOW, GrainMap, KEPT, ZERO } from './grain-map.ts'
import { MapSaver } from './map-saver.ts'

export class FileChanges implements Changes {
  readonly data: BackingStore
  readonly punches: boolean
  readonly path: string
  readonly header: Header
  /** What its note says: `frozen`, `alone` or nothing. */
  state: string
  sizes: Sizes
  readonly #map = new GrainMap()
  readonly #saver: MapSaver
  #kept = 0

  /** `data` is the whole file, which it closes. */
  constructor(path: string, data: BackingStore, header: Header, state = '', sizes: Sizes = header) {
    this.path = path
    this.state = state
    this.sizes = sizes
    this.data = data
    this.header = header
    this.punches = data.discards === 'native'
    this.#saver = new MapSaver(data, this.#map, header.grain)
  }

  at(grain: number): number {
    const state = this.#map.get(grain)
    if (state === BELOW) return NOT_CHANGED
    return state === ZERO ? ZEROS : grainAt(grain, this.header.grain)
  }

  room(grain: number): number {
    return grainAt(grain, this.header.grain)
  }

  written(first: number, end: number): void {
    this.#set(first, end, KEPT)
  }

  release(): void {}

  zeroed(first: number, end: number): void {
    this.#set(first, end, ZERO)
  }

  nextKept(from: number, end: number): number {
    return this.#map.nextKept(from, end)
  }

  save(first: number, end: number, forced: boolean, waiter: Waiter): void {
    this.#saver.save(first, end, forced, waiter)
  }

  flush(waiter: Waiter): void {
    this.#saver.flush(waiter)
  }

  changed(most: number): Iterable<readonly [number, number]> {
    return changedRuns(this.#map, most)
  }

  /** The file is cut behind its header, which takes maps and grains at once, and made as long as it was. */
  async clear(): Promise<void> {
    const { grain } = this.header
    const { size } = this.sizes
    await this.data.resize!(HEADER_BYTES)
    await this.data.resize!(fileBytes(size, grain))
    this.#map.clear()
    this.#saver.forget()
    this.#kept = 0
    const { error } = await ask(this.data, 'flush')
    if (error !== StoreError.none) throw this.#broken('cannot be written')
  }

  /** Nothing is changed any more: another file goes on from it. No request is under way. */
  async freeze(): Promise<void> {
    await this.#flushed()
    await this.#note(STATE_AT, 'frozen')
    this.state = 'frozen'
  }

  /** What it went on from is in the store below now. */
  async leaveParent(): Promise<void> {
    await this.#note(STATE_AT, 'alone')
    this.state = 'alone'
  }

  async resize(size: number): Promise<void> {
    const { grain } = this.header
    if (fileBytes(size, grain) > this.data.size) await this.data.resize!(fileBytes(size, grain))
    await this.#takeSizes({ ...this.sizes, size })
  }

  /** The store below has another size now. */
  baseResized(baseSize: number): Promise<void> {
    return this.#takeSizes({ ...this.sizes, baseSize })
  }

  async #takeSizes(sizes: Sizes): Promise<void> {
    await this.#note(SIZES_AT, JSON.stringify(sizes))
    this.sizes = sizes
  }

  async usage(): Promise<StoreUsage | null> {
    const file = (await this.data.usage?.()) ?? null
    return file === null ? null : { used: this.#kept * this.header.grain, available: file.available }
  }

  async close(): Promise<void> {
    try {
      if (this.data.canWrite && this.state !== 'frozen') await this.#flushed()
    } finally {
      await this.data.close()
    }
  }

  /**
   * Reads the map: as it is where `sameBoot`, else as it was made durable last, which is then written over the other.
   * Rejects with OperatorError if it cannot be read or is none.
   */
  async load(sameBoot: boolean): Promise<void> {
    const { grain } = this.header
    const { size } = this.sizes
    let hole = 0
    for (let group = 0; group < groupsOf(size, grain); group++) {
      const offset = groupAt(group, grain)
      if (offset + MAPS_BYTES <= hole) continue
      const found = await ask(this.data, 'map', { offset, length: this.data.size - offset })
      if (found.error !== StoreError.none) throw this.#broken('cannot be read')
      if (!found.held) hole = offset + found.length
      if (offset + MAPS_BYTES <= hole) continue
      const maps = Buffer.alloc(MAPS_BYTES)
      if ((await ask(this.data, 'read', { offset, bytes: maps })).error !== StoreError.none)
        throw this.#broken('cannot be read')
      await this.#take(group, maps, sameBoot)
    }
  }

  async #take(group: number, maps: Buffer, sameBoot: boolean): Promise<void> {
    const now = [...pagesOf(group, maps, false)]
    for (const [index, [page, durable]] of [...pagesOf(group, maps, true)].entries()) {
      const bytes = sameBoot ? now[index]![1] : durable
      const kept = this.#map.load(page, bytes)
      if (kept < 0) throw this.#broken(`is damaged: page ${page} of its map is none`)
      this.#kept += kept
      if (now[index]![1].equals(durable) || !this.data.canWrite) continue
      if (sameBoot) this.#saver.foundVolatile(page)
      else {
        const offset = pageAt(page, this.header.grain, false)
        const { error } = await ask(this.data, 'write', { offset, bytes: durable })
        if (error !== StoreError.none) throw this.#broken('cannot be written')
      }
    }
  }

  #set(first: number, end: number, state: 1 | 2): void {
    this.#kept += this.#map.set(first, end, state)
    this.#saver.touched(first, end)
  }

  async #flushed(): Promise<void> {
    const error = await new Promise<StoreError>(resolve => this.flush({ saved: resolve }))
    if (error !== StoreError.none) throw this.#broken('cannot be written')
  }

  async #note(offset: number, text: string): Promise<void> {
    const { error } = await ask(this.data, 'write', { offset, bytes: noteBytes(text), forced: true })
    if (error !== StoreError.none) throw this.#broken('cannot be written')
  }

  #broken(what: string): OperatorError {
    return new OperatorError('OVERLAY_DAMAGED', `Overlay '${this.path}' ${what}`, {
      hint: 'check the disk that it is on; without its changes, name another file with upper=',
    })
  }
}
