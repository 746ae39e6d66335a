// SPDX-License-Identifier: Apache-2.0
// Puts small pieces of data together: a peer that sends byte by byte would otherwise cost a buffer object for each.

/** Pieces of this many bytes and more are kept as they arrived. */
export const SMALL_BYTES = 2048
/** Largest buffer that small pieces are copied into. */
const GATHER_BYTES = 16_384

/** A piece of its own, which keeps nothing else alive. */
export function copyOut(piece: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(piece.length)
  piece.copy(copy)
  return copy
}

/** Pieces for a longer wait than the call they came with: their memory may be lent, or much larger than they are. */
export const copies = (pieces: readonly Buffer[]): Buffer[] => pieces.map(copyOut)

export class Gather {
  #buffer: Buffer = EMPTY
  #used = 0

  /**
   * Adds a piece to the list, of which at most `left` bytes are still to come, the piece included. What follows a small
   * piece in its buffer makes that piece longer instead of being another one.
   */
  add(list: Buffer[], piece: Buffer, left: number): void {
    const { length } = piece
    if (length >= SMALL_BYTES) {
      list.push(piece)
      return
    }
    if (this.#buffer.length - this.#used < length) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(length, Math.min(left, GATHER_BYTES)))
      this.#used = 0
    }
    const buffer = this.#buffer
    const from = this.#used
    this.#used += piece.copy(buffer, from)
    const last = list.length - 1
    const before = last < 0 ? null : list[last]!
    if (before !== null && before.buffer === buffer.buffer && before.byteOffset + before.length === from) {
      list[last] = buffer.subarray(before.byteOffset, this.#used)
    } else list.push(buffer.subarray(from, this.#used))
  }

  /** Lets go of the buffer; what was added stays good. */
  end(): void {
    this.#buffer = EMPTY
    this.#used = 0
  }
}

const EMPTY = Buffer.alloc(0)
