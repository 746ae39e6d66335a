// SPDX-License-Identifier: Apache-2.0
// What was given back to a device and not written since, as far as this process knows: no kernel tells which blocks a device holds.

/** More runs are forgotten: what counts as held although it is not harms nobody. */
const MOST_RUNS = 4096

/** Runs of bytes, from `from[i]` to, not including, `to[i]`, in order, with gaps between. */
export class GivenBack {
  readonly #from: number[] = []
  readonly #to: number[] = []

  add(from: number, to: number): void {
    if (from >= to) return
    // The runs that the new one overlaps or touches become one with it.
    const first = this.#firstThatEnds(from)
    let last = first
    while (last < this.#from.length && this.#from[last]! <= to) last++
    if (first < last) {
      from = Math.min(from, this.#from[first]!)
      to = Math.max(to, this.#to[last - 1]!)
    } else if (this.#from.length === MOST_RUNS) return
    this.#from.splice(first, last - first, from)
    this.#to.splice(first, last - first, to)
  }

  remove(from: number, to: number): void {
    if (this.#from.length === 0 || from >= to) return
    const first = this.#firstThatEnds(from + 1)
    let last = first
    while (last < this.#from.length && this.#from[last]! < to) last++
    if (first === last) return
    const [start, end] = [this.#from[first]!, this.#to[last - 1]!]
    const froms = start < from ? [start] : []
    const tos = start < from ? [from] : []
    if (end > to && this.#from.length < MOST_RUNS) {
      froms.push(to)
      tos.push(end)
    }
    this.#from.splice(first, last - first, ...froms)
    this.#to.splice(first, last - first, ...tos)
  }

  /** Whether the byte is not known to be given back, and up to where that is so; no further than `end`. */
  at(offset: number, end: number): { held: boolean; end: number } {
    const index = this.#firstThatEnds(offset + 1)
    const from = this.#from[index] ?? end
    if (from > offset) return { held: true, end: Math.min(from, end) }
    return { held: false, end: Math.min(this.#to[index]!, end) }
  }

  /** Index of the first run whose end is at `offset` or behind it. */
  #firstThatEnds(offset: number): number {
    let [low, high] = [0, this.#to.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#to[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
