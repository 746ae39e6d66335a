// SPDX-License-Identifier: Apache-2.0
// A place in a list of segments that goes on by as many bytes as are wanted, however the segments are cut.

export class SegmentCursor {
  readonly #segments: readonly Buffer[]
  #index = 0
  #at = 0

  constructor(segments: readonly Buffer[]) {
    this.#segments = segments
  }

  /** Copies the next `length` bytes of the segments to the start of `into`. */
  take(into: Buffer, length: number): void {
    for (let done = 0; done < length; ) {
      const part = this.next(length - done)
      part.copy(into, done)
      done += part.length
    }
  }

  /** Copies the first `length` bytes of `from` to the next ones of the segments. */
  fill(from: Buffer, length: number): void {
    for (let done = 0; done < length; ) {
      const part = this.next(length - done)
      from.copy(part, 0, done, done + part.length)
      done += part.length
    }
  }

  /** The next bytes that lie together, at most `length` of them and at least one. */
  next(length: number): Buffer {
    while (this.#at === this.#segments[this.#index]!.length) {
      this.#index++
      this.#at = 0
    }
    const segment = this.#segments[this.#index]!
    const from = this.#at
    this.#at = Math.min(from + length, segment.length)
    return segment.subarray(from, this.#at)
  }
}
