// SPDX-License-Identifier: Apache-2.0
// Requests on ranges of blocks: writers alone, readers together, first come first served where they touch.

/** A range of blocks for one request. */
export interface Held {
  /** First block, and the one behind the last. */
  start: number
  end: number
  writes: boolean
  /** Called when the range is its own. */
  go(): void
}

const touch = (one: Held, other: Held): boolean =>
  (one.writes || other.writes) && one.start < other.end && other.start < one.end

/** A block and its tags are two requests to two stores: nobody may see one of them without the other. */
export class RangeLock {
  readonly #inside: Held[] = []
  #waiting: Held[] = []
  #letting = false

  enter(one: Held): void {
    if (this.#touches(one, this.#inside) || this.#touches(one, this.#waiting)) this.#waiting.push(one)
    else {
      this.#inside.push(one)
      one.go()
    }
  }

  leave(one: Held): void {
    const last = this.#inside.pop()!
    if (last !== one) this.#inside[this.#inside.indexOf(one)] = last
    if (this.#waiting.length > 0) this.#let()
  }

  /** Whether it is in the way of one of the first `count`. */
  #touches(one: Held, others: readonly Held[], count = others.length): boolean {
    for (let i = 0; i < count; i++) if (touch(one, others[i]!)) return true
    return false
  }

  /** A request may end inside its `go`, and then comes here again: the outer loop sees it. */
  #let(): void {
    if (this.#letting) return
    this.#letting = true
    for (let next = this.#next(); next !== null; next = this.#next()) next.go()
    this.#letting = false
  }

  #next(): Held | null {
    const index = this.#waiting.findIndex(
      (one, at) => !this.#touches(one, this.#inside) && !this.#touches(one, this.#waiting, at),
    )
    if (index < 0) return null
    const [one] = this.#waiting.splice(index, 1)
    this.#inside.push(one!)
    return one!
  }
}
