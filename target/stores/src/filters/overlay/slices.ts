// SPDX-License-Identifier: Apache-2.0
// Slices of a request, given out from the first byte on, in whatever lengths are asked for.

export class Slices {
  #all: readonly Buffer[] = []
  #index = 0
  #taken = 0

  begin(all: readonly Buffer[]): void {
    this.#all = all
    this.#index = 0
    this.#taken = 0
  }

  /** Puts the next `length` bytes into `into`. */
  take(length: number, into: Buffer[]): void {
    for (let left = length; left > 0; ) {
      const slice = this.#all[this.#index]!
      const part = Math.min(slice.length - this.#taken, left)
      if (part > 0) into.push(slice.subarray(this.#taken, this.#taken + part))
      left -= part
      this.#taken += part
      if (this.#taken < slice.length) return
      this.#index++
      this.#taken = 0
    }
  }
}
