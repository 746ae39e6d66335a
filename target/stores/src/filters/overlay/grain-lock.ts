// SPDX-License-Identifier: Apache-2.0
// One change at a time to each grain: what is copied up for one must not undo what another has written beside it.

/** A range of grains for one request. */
export interface Held {
  /** First grain, and the one behind the last. */
  start: number
  end: number
  /** Called when the range is its own; inside `enter`, or when those before it have left. */
  entered(): void
}

const touch = (one: Held, other: Held): boolean => one.start < other.end && other.start < one.end

/** First come, first served where they touch. */
export class GrainLock {
  readonly #inside: Held[] = []
  readonly #waiting: Held[] = []
  #letting = false

  enter(one: Held): void {
    if (this.#inside.some(other => touch(one, other)) || this.#waiting.some(other => touch(one, other))) {
      this.#waiting.push(one)
    } else {
      this.#inside.push(one)
      one.entered()
    }
  }

  /** Whether it was still waiting, and does so no more. */
  giveUp(one: Held): boolean {
    const at = this.#waiting.indexOf(one)
    if (at < 0) return false
    this.#waiting.splice(at, 1)
    this.#letIn()
    return true
  }

  leave(one: Held): void {
    this.#inside.splice(this.#inside.indexOf(one), 1)
    this.#letIn()
  }

  #letIn(): void {
    // Who enters may leave inside that call, and then comes here again: the outer loop sees it.
    if (this.#waiting.length === 0 || this.#letting) return
    this.#letting = true
    for (let next = this.#next(); next !== null; next = this.#next()) next.entered()
    this.#letting = false
  }

  #next(): Held | null {
    const index = this.#waiting.findIndex(
      (one, at) =>
        !this.#inside.some(other => touch(one, other)) &&
        !this.#waiting.slice(0, at).some(other => touch(one, other)),
    )
    if (index < 0) return null
    const [one] = this.#waiting.splice(index, 1)
    this.#inside.push(one!)
    return one!
  }
}
