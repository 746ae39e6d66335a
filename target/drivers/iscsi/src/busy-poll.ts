// SPDX-License-Identifier: Apache-2.0
// After work, the event loop looks for more for a moment before it sleeps: to be woken costs more than most commands.
import { performance } from 'node:perf_hooks'

/** So many moments in a row that brought nothing, and it sleeps at once, for a time that doubles while that stays so. */
const MOST_MISSES = 8
const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 1280

export class BusyPoll {
  readonly #ms: number
  #until = 0
  #pausedUntil = 0
  #pause = FIRST_PAUSE_MS
  #misses = 0
  #isPolling = false
  #worked = false
  readonly #turn = (): void => this.#look()

  /** How long a moment is, in microseconds; 0: it always sleeps at once. */
  constructor(us: number) {
    this.#ms = us / 1000
  }

  /** Something came and was handled. */
  worked(): void {
    this.#worked = true
    if (this.#isPolling || this.#ms === 0) return
    const now = performance.now()
    if (now < this.#pausedUntil) return
    this.#isPolling = true
    this.#worked = false
    this.#until = now + this.#ms
    setImmediate(this.#turn)
  }

  #look(): void {
    const now = performance.now()
    if (this.#worked) {
      this.#worked = false
      this.#misses = 0
      this.#pause = FIRST_PAUSE_MS
      this.#until = now + this.#ms
    }
    if (now < this.#until) {
      setImmediate(this.#turn)
      return
    }
    this.#isPolling = false
    if (++this.#misses < MOST_MISSES) return
    this.#misses = 0
    this.#pausedUntil = now + this.#pause
    if (this.#pause < LONGEST_PAUSE_MS) this.#pause *= 2
  }
}
