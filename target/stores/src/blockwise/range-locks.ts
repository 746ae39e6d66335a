// SPDX-License-Identifier: Apache-2.0
// Who may read or write which blocks now: readers together, a writer alone, all in the order in which they came.

/** One that holds a range of bytes or waits for it; from `from` to, not including, `to`. */
export interface Holder {
  from: number
  to: number
  /** Changes the bytes: nobody else is at them meanwhile. */
  exclusive: boolean
  /** Has its range; set by the locks. */
  granted: boolean
  /** It has its range now; called inside `take`, or in a `release`. */
  go(): void
}

/** Looks at each holder in turn: there are as many as requests under way. */
export class RangeLocks {
  /** Those that hold a range and those that wait, oldest first. */
  readonly #holders: Holder[] = []
  /** Those that have got their range and have not heard of it. */
  readonly #ready: Holder[] = []
  #going = false

  take(one: Holder): void {
    this.#holders.push(one)
    one.granted = this.#free(one, this.#holders.length - 1)
    if (one.granted) one.go()
  }

  /** Of one that holds its range or waits for it. Those that waited for it go on, one after the other, not inside each other. */
  release(one: Holder): void {
    const holders = this.#holders
    const at = holders.indexOf(one)
    holders.splice(at, 1)
    one.granted = false
    for (let i = at; i < holders.length; i++) {
      const next = holders[i]!
      if (next.granted || !overlap(next, one) || !this.#free(next, i)) continue
      next.granted = true
      this.#ready.push(next)
    }
    if (this.#going) return
    this.#going = true
    try {
      for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next.go()
    } finally {
      this.#going = false
    }
  }

  /** Nobody older is in its way, be it one that only waits: so nobody waits for ever. */
  #free(one: Holder, end: number): boolean {
    for (let i = 0; i < end; i++) {
      const other = this.#holders[i]!
      if ((one.exclusive || other.exclusive) && overlap(one, other)) return false
    }
    return true
  }
}

function overlap(a: Holder, b: Holder): boolean {
  return a.from < b.to && b.from < a.to
}
