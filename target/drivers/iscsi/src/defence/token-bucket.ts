// SPDX-License-Identifier: Apache-2.0
// A rate with a burst: tokens come back with time, each act takes one.

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #at: number

  /** `rate` tokens a second come back, up to `burst`; a rate of 0 is no limit. `now` in milliseconds. */
  constructor(rate: number, burst: number, now: number) {
    this.#perMs = rate / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** Whether there was a token; it is taken. */
  take(now: number): boolean {
    if (this.#perMs === 0) return true
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#at) * this.#perMs)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
