// SPDX-License-Identifier: Apache-2.0
// Text that spans several PDUs: put together on the way in, cut up on the way out (RFC 7143, 11.10 and 6.2).
import { encodeText, parseText, type TextPair, type TextResult, textErrorText } from '@lunkit/spec'
import { copyOut } from './gather.ts'

/** Longest text that is put together, in bytes, where nothing else is said; and in how many pieces it may come. */
export const LONGEST_TEXT = 65_536
const MOST_PIECES = 256

/** Collects one text. */
export class TextInbox {
  readonly #parts: Buffer[] = []
  readonly #limit: number
  #length = 0
  #pieces = 0

  constructor(limit = LONGEST_TEXT) {
    this.#limit = limit
  }

  get length(): number {
    return this.#length
  }

  /** Takes one PDU's data; false if the text has become too long, or comes in too many pieces. */
  add(slices: readonly Buffer[]): boolean {
    for (const slice of slices) this.#length += slice.length
    if (this.#length > this.#limit || ++this.#pieces > MOST_PIECES) return false
    for (const slice of slices) this.#parts.push(copyOut(slice))
    return true
  }

  /** The whole text's pairs; empties the inbox. */
  take(): TextResult {
    const whole = Buffer.concat(this.#parts)
    this.clear()
    return parseText(whole)
  }

  clear(): void {
    this.#parts.length = 0
    this.#length = 0
    this.#pieces = 0
  }
}

/** Hands out one text in pieces of a PDU each. */
export class TextOutbox {
  #text: Buffer = Buffer.alloc(0)
  #at = 0

  /** Whether there is more to hand out. */
  get pending(): boolean {
    return this.#at < this.#text.length
  }

  put(pairs: readonly TextPair[]): void {
    const bytes = encodeText(pairs)
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = 0
  }

  /** The next piece of at most `limit` bytes; perhaps empty. */
  next(limit: number): Buffer {
    const piece = this.#text.subarray(this.#at, this.#at + limit)
    this.#at += piece.length
    return piece
  }

  clear(): void {
    this.#text = Buffer.alloc(0)
    this.#at = 0
  }
}

/** Why a text cannot be used, in words; null if it can. */
export const textFault = (result: TextResult): string | null =>
  result.ok ? null : textErrorText(result.error)
