// SPDX-License-Identifier: Apache-2.0
// How long a process that has ended is left alone: not at all the first time, longer each time that it ends again soon.

/** One that has served for so long begins anew. */
const STEADY_MS = 10_000
/** Before the second start in a row; then twice as long each time. */
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 30_000

/** Times are those of one clock, in milliseconds. */
export class RestartPace {
  /** When it began to serve; null if it does not, or never did since it was started last. */
  #servesSince: number | null = null
  /** Ends in a row. */
  #ends = 0

  started(now: number): void {
    this.#servesSince = now
  }

  /** Gives the wait before the next start. */
  ended(now: number): number {
    const isSteady = this.#servesSince !== null && now - this.#servesSince >= STEADY_MS
    this.#servesSince = null
    this.#ends = isSteady ? 1 : this.#ends + 1
    return this.#ends === 1 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#ends - 2))
  }
}
