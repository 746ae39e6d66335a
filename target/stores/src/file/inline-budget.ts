// SPDX-License-Identifier: Apache-2.0
// Decides whether a call that may block is worth making on the event loop: yes until it has blocked.
import { availableParallelism } from 'node:os'

/**
 * A longer transfer is better copied by another processor, beside the event loop. Where this process has but one, a thread only
 * adds its switches; then it is what may hold up the others.
 */
export const MOST_INLINE = availableParallelism() > 1 ? 262_144 : 1_048_576

const FIRST_PAUSE = 50
const LONGEST_PAUSE = 3200
/** A pause is at least so many times what the call took: files that are cached in part must not stop the others, either. */
const TIMES = 20

/**
 * Each call made inline is timed. One that took longer than `limit` ms sends its successors to the thread pool for a
 * while, which doubles as long as the first call after it is slow again.
 */
export class InlineBudget {
  readonly #limit: number
  #until = 0
  #pause = FIRST_PAUSE
  constructor(limit: number) {
    this.#limit = limit
  }

  /** `now` as of `performance.now()`. */
  allows(now: number): boolean {
    return now >= this.#until
  }

  /** To be called after each inline call, with its begin and end. */
  spent(from: number, to: number): void {
    if (to - from <= this.#limit) {
      this.#pause = FIRST_PAUSE
      return
    }
    this.#until = to + Math.max(this.#pause, (to - from) * TIMES)
    if (this.#pause < LONGEST_PAUSE) this.#pause *= 2
  }
}
