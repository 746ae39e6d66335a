// SPDX-License-Identifier: Apache-2.0
// Tells when the requests that began before a moment have ended: only then may others use the clusters they knew.

/** Requests are counted in two groups in turn; the older group only shrinks. */
export class Generations {
  readonly #active: [number, number] = [0, 0]
  #current: 0 | 1 = 0
  /** Wait for the older group to end; those that come meanwhile are in the next. */
  #waiting: (() => void)[] = []
  #next: (() => void)[] = []

  /** The group that the request is in, which it gives back to `leave`. */
  enter(): 0 | 1 {
    this.#active[this.#current]++
    return this.#current
  }

  leave(group: 0 | 1): void {
    this.#active[group]--
    if (this.#active[group] === 0 && (this.#waiting.length > 0 || this.#next.length > 0)) this.#turn()
  }

  get idle(): boolean {
    return this.#active[0] + this.#active[1] === 0
  }

  /** Calls back, maybe at once, when all requests have ended that have begun by now. */
  afterThese(then: () => void): void {
    if (this.idle) then()
    else {
      this.#next.push(then)
      this.#turn()
    }
  }

  #turn(): void {
    for (;;) {
      const older = this.#current === 0 ? 1 : 0
      if (this.#active[older] > 0) return
      const ended = this.#waiting
      this.#waiting = this.#next
      this.#next = []
      if (this.#waiting.length > 0) this.#current = older
      for (const then of ended) then()
      if (this.#waiting.length === 0 && this.#next.length === 0) return
    }
  }
}
