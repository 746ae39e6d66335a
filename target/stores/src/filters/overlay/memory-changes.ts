// SPDX-License-Identifier: Apache-2.0
// Changes in memory, up to a limit, gone when the overlay is closed.
import { StoreError, type StoreUsage } from '@lunkit/target-api'
import { MemoryStore } from '../../memory/store.ts'
import { changedRuns } from './changed-runs.ts'
import { type Changes, NO_ROOM, NOT_CHANGED, type Waiter, ZEROS } from './changes.ts'
import { BELOW, GrainMap, KEPT, ZERO } from './grain-map.ts'

/** What the changes of one overlay may take up together, in grains. */
export class Budget {
  readonly most: number
  left: number

  /** `most`: bytes. */
  constructor(most: number, grain: number) {
    this.most = Math.floor(most / grain)
    this.left = this.most
  }
}

export class MemoryChanges implements Changes {
  /** Its places are given out from the start on, so that it takes memory for what is used. */
  data: MemoryStore
  readonly punches = false
  readonly #grain: number
  readonly #budget: Budget
  readonly #map = new GrainMap()
  /** Places by grain: of those that are KEPT, and of those that are being written. */
  readonly #places = new Map<number, number>()
  readonly #rooms = new Map<number, number>()
  /** Places that were given back, and the first that has never been given out. */
  #free: number[] = []
  #next = 0

  constructor(grain: number, budget: Budget) {
    this.#grain = grain
    this.#budget = budget
    this.data = new MemoryStore(budget.most * grain)
  }

  at(grain: number): number {
    const state = this.#map.get(grain)
    if (state === BELOW) return NOT_CHANGED
    return state === ZERO ? ZEROS : this.#places.get(grain)! * this.#grain
  }

  room(grain: number): number {
    let place = this.#rooms.get(grain)
    if (place === undefined) {
      if (this.#budget.left === 0) return NO_ROOM
      this.#budget.left--
      place = this.#free.pop() ?? this.#next++
      this.#rooms.set(grain, place)
    }
    return place * this.#grain
  }

  written(first: number, end: number): void {
    for (let grain = first; grain < end; grain++) {
      const place = this.#rooms.get(grain)
      if (place === undefined) continue
      this.#rooms.delete(grain)
      this.#places.set(grain, place)
    }
    this.#map.set(first, end, KEPT)
  }

  release(first: number, end: number): void {
    for (let grain = first; grain < end; grain++) {
      const place = this.#rooms.get(grain)
      if (place === undefined) continue
      this.#rooms.delete(grain)
      this.#giveBack(place)
    }
  }

  zeroed(first: number, end: number): void {
    const few = end - first <= this.#places.size
    for (const grain of few ? range(first, end) : [...this.#places.keys()]) {
      const place = this.#places.get(grain)
      if (grain < first || grain >= end || place === undefined) continue
      this.#places.delete(grain)
      this.#giveBack(place)
    }
    this.#map.set(first, end, ZERO)
  }

  nextKept(from: number, end: number): number {
    return this.#map.nextKept(from, end)
  }

  save(_first: number, _end: number, _forced: boolean, waiter: Waiter): void {
    waiter.saved(StoreError.none)
  }

  flush(waiter: Waiter): void {
    waiter.saved(StoreError.none)
  }

  changed(most: number): Iterable<readonly [number, number]> {
    return changedRuns(this.#map, most)
  }

  #giveBack(place: number): void {
    this.#free.push(place)
    this.#budget.left++
  }

  async clear(): Promise<void> {
    this.#budget.left += this.#places.size + this.#rooms.size
    this.#map.clear()
    this.#places.clear()
    this.#rooms.clear()
    this.#free = []
    this.#next = 0
    await this.data.close()
    this.data = new MemoryStore(this.#budget.most * this.#grain)
  }

  async resize(): Promise<void> {}

  async usage(): Promise<StoreUsage> {
    return { used: this.#places.size * this.#grain, available: this.#budget.left * this.#grain }
  }

  async close(): Promise<void> {
    await this.clear()
    await this.data.close()
  }
}

function* range(first: number, end: number): Iterable<number> {
  for (let grain = first; grain < end; grain++) yield grain
}
