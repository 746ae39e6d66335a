// SPDX-License-Identifier: Apache-2.0
// What an overlay shows: the changes on top, those frozen below them, and the store at the bottom.
import type { BackingStore } from '@lunkit/target-api'
import { type Changes, NOT_CHANGED, ZEROS } from './changes.ts'

export interface View {
  readonly below: BackingStore
  /** Bytes of the view, and of `below` those that count: behind them are zeros. */
  readonly size: number
  readonly limit: number
  /** Bytes of a grain. */
  readonly grain: number
  /** Top first; what is written goes there. Empty: nothing has been changed, and nothing can be. */
  readonly layers: readonly Changes[]
}

/** A run of bytes that lie in one piece. */
export interface Run {
  /** Null: zeros. */
  store: BackingStore | null
  /** Offset in the store. */
  at: number
  /** End of the run in the view. */
  end: number
}

export const newRun = (): Run => ({ store: null, at: 0, end: 0 })

/** The run that begins at `from` and ends at `to` or before. */
export function findRun(view: View, from: number, to: number, run: Run): void {
  const { grain, limit, below } = view
  let number = Math.floor(from / grain)
  run.end = Math.min((number + 1) * grain, to)
  place(view, number, run)
  run.at += from - number * grain
  if (run.store === below) {
    if (from >= limit) run.store = null
    else if (run.end > limit) {
      run.end = limit
      return
    }
  }
  const { store, at } = run
  while (run.end < to) {
    number++
    place(view, number, run)
    const contiguous = store === null || run.at === at + run.end - from
    if (run.store !== store || !contiguous) break
    const end = Math.min((number + 1) * grain, to)
    if (store === below && end > limit) {
      run.end = Math.max(limit, run.end)
      break
    }
    run.end = end
  }
  run.store = store
  run.at = at
}

/** Where the grain lies. */
function place({ layers, below, grain }: View, number: number, run: Run): void {
  for (let i = 0; i < layers.length; i++) {
    const at = layers[i]!.at(number)
    if (at === NOT_CHANGED) continue
    run.store = at === ZEROS ? null : layers[i]!.data
    run.at = at === ZEROS ? 0 : at
    return
  }
  run.store = below
  run.at = number * grain
}
