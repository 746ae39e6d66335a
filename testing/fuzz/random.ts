// SPDX-License-Identifier: Apache-2.0
// Random choices that can be made again: the same seed gives the same numbers on every machine.

/** Small fast counter generator of 32 bits (sfc32). */
export class Random {
  #a: number
  #b: number
  #c = 0x9e37_79b9
  #counter = 1

  /** `seed` and `stream` are 32-bit numbers; streams of one seed are independent. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0
    this.#b = stream | 0
    for (let i = 0; i < 15; i++) this.next()
  }

  /** A number from 0 to 2^32 - 1. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0
    return result >>> 0
  }

  /** A whole number from `low` to `high`, both included. */
  range(low: number, high: number): number {
    return low + (this.next() % (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability * 0x1_0000_0000
  }

  pick<T>(list: readonly T[]): T {
    return list[this.next() % list.length]!
  }

  bytes(length: number): Buffer {
    const out = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) out[i] = this.next()
    return out
  }
}
