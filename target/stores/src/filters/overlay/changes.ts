// SPDX-License-Identifier: Apache-2.0
// What an overlay asks of the place where its changes are kept, in memory or in a file.
import type { BackingStore, StoreError, StoreUsage } from '@lunkit/target-api'

/** Instead of an offset: the grain is not changed, or reads as zeros, or there is no room for it. */
export const NOT_CHANGED = -1
export const ZEROS = -2
export const NO_ROOM = -3

/** Told when what it waits for is over; once, inside the call or later. */
export interface Waiter {
  saved(error: StoreError): void
}

/** Changes to whole grains. The overlay asks for no two changes of one grain at once. */
export interface Changes {
  /** Keeps the bytes; read and written by the overlay at the offsets that this gives it. */
  readonly data: BackingStore
  /** Offset in `data` of the grain's bytes, NOT_CHANGED or ZEROS. */
  at(grain: number): number
  /** Where in `data` the bytes of a grain that has none there are to be put, or NO_ROOM. It has them from `written` on. */
  room(grain: number): number
  /** All bytes of the grains from `first` to before `end` are where `room` said. */
  written(first: number, end: number): void
  /** They were not: the room is free again. */
  release(first: number, end: number): void
  zeroed(first: number, end: number): void
  /** The room of bytes that are zeroed is given back by a discard of `data`, before `zeroed`. */
  readonly punches: boolean
  /** The first grain from `from` on whose bytes are in `data`, or `end`. */
  nextKept(from: number, end: number): number
  /** What was said of these grains outlives this process from now on, and if `forced`, a loss of power, with their bytes. */
  save(first: number, end: number, forced: boolean, waiter: Waiter): void
  /** All that was said and written before outlives a loss of power. */
  flush(waiter: Waiter): void
  /** Runs of changed grains, ascending, as [first, end): at most `most` grains each. */
  changed(most: number): Iterable<readonly [first: number, end: number]>
  /** Forgets all of them. No request is under way. */
  clear(): Promise<void>
  /** The view is so long from now on. No request is under way. Rejects with OperatorError, and nothing is changed then. */
  resize(size: number): Promise<void>
  usage(): Promise<StoreUsage | null>
  close(): Promise<void>
}

/** Whether the bytes of all these grains are in `data`. */
export function allKept(changes: Changes, first: number, end: number): boolean {
  for (let grain = first; grain < end; grain++) if (changes.at(grain) < 0) return false
  return true
}

/** Where the grain's bytes are in `data`, or are to be put; or NO_ROOM. */
export function placeIn(changes: Changes, grain: number): number {
  const at = changes.at(grain)
  return at >= 0 ? at : changes.room(grain)
}
