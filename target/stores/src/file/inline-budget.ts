// SPDX-License-Identifier: Apache-2.0
// Decides whether a call that may block is worth making on the event loop: yes until it has blocked.
import { availableParallelism } from 'node:os'

/**
 * A longer transfer is better copied by another processor, beside the event loop. Where this process has but one, a thread only
 * adds its switches; then it is what may hold up the others.
 */
export const MOST_INLINE = availableParallelism() > 1 ? 262_144 : 1_048_576

/** Slow calls may take one part in so many of the time: files that are cached in part must not stop the others. */
const SHARE = 20
/** What they may take at once, in milliseconds: now and then a call is slow because the system had something else to do. */
const BURST = 10

/**
 * Each call made inline is timed. Those that took longer than `limit` ms are a debt, which time pays off; while it is more than a
 * burst, calls go to the thread pool.
 */
export class InlineBudget {
  readonly #limit: number
  #debt = 0
  #paidAt = 0
  constructor(limit: number) {
    this.#limit = limit
  }

  /** `now` as of `performance.now()`. */
  allows(now: number): boolean {
    if (this.#debt === 0) return true
    this.#debt = Math.max(0, this.#debt - (now - this.#paidAt) / SHARE)
    this.#paidAt = now
    return this.#debt < BURST
  }

  /** To be called after each inline call, with its begin and end. */
  spent(from: number, to: number): void {
    if (to - from <= this.#limit) return
    if (this.#debt === 0) this.#paidAt = to
    this.#debt += to - from
  }
}
