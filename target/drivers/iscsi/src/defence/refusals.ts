// SPDX-License-Identifier: Apache-2.0
// Events for what limits refuse: one at once, then a number now and then, so that a flood of peers is no flood of events.
import type { Observer } from '@lunkit/target-api'

/** Between two events for one reason. */
export const REFUSAL_EVENT_MS = 5000

interface Told {
  /** Refused since the last event. */
  count: number
  at: number
}

export class Refusals {
  readonly #observe: Observer
  readonly #now: () => number
  /** By reason: there are as many as this driver has limits. */
  readonly #told: Map<string, Told> = new Map()

  constructor(observe: Observer, now: () => number) {
    this.#observe = observe
    this.#now = now
  }

  /** A peer was refused for this reason, one of a fixed few; `address` is the last that is told of. */
  add(reason: string, address: string): void {
    const now = this.#now()
    let told = this.#told.get(reason)
    if (told === undefined) {
      told = { count: 0, at: Number.NEGATIVE_INFINITY }
      this.#told.set(reason, told)
    }
    told.count++
    if (now - told.at < REFUSAL_EVENT_MS) return
    const { count } = told
    told.count = 0
    told.at = now
    this.#observe({ type: 'refused', address, reason, count })
  }
}
