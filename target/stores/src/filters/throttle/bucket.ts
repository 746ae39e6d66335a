// SPDX-License-Identifier: Apache-2.0
// A limit in time: so much a second, saved up for a tenth of one, and what goes beyond is waited for afterwards.

/** Saved up for so long. */
const BURST_MS = 100
/** As long as a timer can be; who still has to wait then asks again. */
const LONGEST_MS = 2 ** 31 - 1

export class Bucket {
  readonly #perMs: number
  readonly #most: number
  #balance: number
  #at: number

  /** `now` and all later times are of one clock, in milliseconds. */
  constructor(perSecond: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#most = Math.max(this.#perMs * BURST_MS, 1)
    this.#balance = this.#most
    this.#at = now
  }

  /** Milliseconds until something may be taken; 0: now. */
  wait(now: number): number {
    this.#balance = Math.min(this.#balance + (now - this.#at) * this.#perMs, this.#most)
    this.#at = now
    return this.#balance > 0 ? 0 : Math.min((1e-6 - this.#balance) / this.#perMs, LONGEST_MS)
  }

  /** However much it is: the next one waits until it has been paid for. */
  take(amount: number): void {
    this.#balance -= amount
  }
}
