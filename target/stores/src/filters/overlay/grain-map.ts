// SPDX-License-Identifier: Apache-2.0
// What is known of each grain of an overlay, two bits each, in pages: pages of one state cost nothing.

/** Not changed: what is below counts. */
export const BELOW = 0
/** Its bytes are kept, all of them. */
export const KEPT = 1
/** It was given back or zeroed, and reads as zeros. */
export const ZERO = 2
export type GrainState = 0 | 1 | 2

/** Grains of a page, and its bytes: what a disk writes whole or not at all. */
export const PAGE_GRAINS = 2048
export const PAGE_BYTES = PAGE_GRAINS / 4

export const LEAST_GRAIN = 512
export const MOST_GRAIN = 1 << 20
/** Grains that a map keeps in mind. */
export const MOST_GRAINS = 2 ** 30

/** Whether a disk of `size` bytes can have grains of `grain` bytes. */
export const isGrain = (grain: number, size: number): boolean =>
  Number.isSafeInteger(size) &&
  size > 0 &&
  Number.isInteger(Math.log2(grain)) &&
  grain >= LEAST_GRAIN &&
  grain <= MOST_GRAIN &&
  size / grain <= MOST_GRAINS

const filled = (state: GrainState): Uint8Array => new Uint8Array(PAGE_BYTES).fill(state * 0b01010101)
/** Shared by all pages of that state: never written to. */
const UNIFORM: readonly Uint8Array[] = [filled(BELOW), filled(KEPT), filled(ZERO)]

export class GrainMap {
  /** Pages that are not all BELOW, by number. */
  readonly #pages = new Map<number, Uint8Array>()

  /** Numbers of the pages with anything but BELOW, in no order. */
  get pages(): Iterable<number> {
    return this.#pages.keys()
  }

  get(grain: number): GrainState {
    const page = this.#pages.get(Math.floor(grain / PAGE_GRAINS))
    if (page === undefined) return BELOW
    const place = grain % PAGE_GRAINS
    return ((page[place >> 2]! >> ((place & 3) << 1)) & 3) as GrainState
  }

  /** The first grain from `from` on that is KEPT, or `end`. */
  nextKept(from: number, end: number): number {
    let grain = from
    while (grain < end) {
      const number = Math.floor(grain / PAGE_GRAINS)
      const stop = Math.min((number + 1) * PAGE_GRAINS, end)
      const page = this.#pages.get(number)
      if (page !== undefined && page !== UNIFORM[ZERO]) {
        for (; grain < stop; grain++) if (this.get(grain) === KEPT) return grain
      }
      grain = stop
    }
    return end
  }

  /** Gives the grains from `first` to before `end` that state. Returns how many more are KEPT than before. */
  set(first: number, end: number, state: GrainState): number {
    let more = 0
    for (let grain = first; grain < end; ) {
      const number = Math.floor(grain / PAGE_GRAINS)
      const stop = Math.min((number + 1) * PAGE_GRAINS, end)
      more += this.#setIn(number, grain - number * PAGE_GRAINS, stop - number * PAGE_GRAINS, state)
      grain = stop
    }
    return more
  }

  #setIn(number: number, from: number, to: number, state: GrainState): number {
    const before = this.#pages.get(number) ?? UNIFORM[BELOW]!
    if (from === 0 && to === PAGE_GRAINS) {
      if (state === BELOW) this.#pages.delete(number)
      else this.#pages.set(number, UNIFORM[state]!)
      return (state === KEPT ? PAGE_GRAINS : 0) - countKept(before)
    }
    const page = UNIFORM.includes(before) ? Uint8Array.from(before) : before
    let more = 0
    for (let place = from; place < to; place++) {
      const shift = (place & 3) << 1
      const byte = page[place >> 2]!
      if (((byte >> shift) & 3) === KEPT) more--
      if (state === KEPT) more++
      page[place >> 2] = (byte & ~(3 << shift)) | (state << shift)
    }
    this.#pages.set(number, page)
    return more
  }

  /** A copy of the page's bytes. */
  page(number: number): Uint8Array {
    return Uint8Array.from(this.#pages.get(number) ?? UNIFORM[BELOW]!)
  }

  /** Takes the bytes of a page as they were kept. Returns how many of its grains are KEPT, or -1: the bytes are none of a map. */
  load(number: number, bytes: Uint8Array): number {
    let kept = 0
    let any = false
    for (const byte of bytes) {
      if ((byte & (byte >> 1) & 0b01010101) !== 0) return -1
      if (byte !== 0) any = true
    }
    if (any) {
      this.#pages.set(number, Uint8Array.from(bytes))
      kept = countKept(bytes)
    }
    return kept
  }

  clear(): void {
    this.#pages.clear()
  }
}

function countKept(page: Uint8Array): number {
  const state = UNIFORM.indexOf(page)
  if (state >= 0) return state === KEPT ? PAGE_GRAINS : 0
  let count = 0
  for (const byte of page) {
    for (let rest = byte & 0b01010101; rest !== 0; rest &= rest - 1) count++
  }
  return count
}
