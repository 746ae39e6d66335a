// SPDX-License-Identifier: Apache-2.0
// Cuts what a handler sends into messages; data of answers go straight to where they are wanted.
import { ANSWER, HandlerFault, Kind, LONGEST_HELLO, LONGEST_NOTICE } from './protocol.ts'

/** Who the messages are for. Each may throw HandlerFault. */
export interface FrameSink {
  /**
   * An answer begins: says where its data go, or null for an answer without any. Its lengths are checked here, before the
   * first of its bytes is taken.
   */
  answerBegins(header: Buffer): readonly Buffer[] | null
  /** All of it is there; `sense` is good for the call. */
  answerEnds(header: Buffer, sense: Buffer): void
  /** Any other message. */
  notice(kind: number, body: Buffer): void
}

const HEADER = ANSWER.length
const LONGEST_SENSE = 255
const NO_SENSE = Buffer.alloc(0)
const { kind, length, senseLength } = ANSWER.field

export class FrameReader {
  readonly #sink: FrameSink
  readonly #header = Buffer.alloc(HEADER)
  readonly #sense = Buffer.alloc(LONGEST_SENSE)
  /** Bytes of the message that are there, its header included. */
  #have = 0
  /** Bytes before its data: header, and sense or body. */
  #ahead = HEADER
  #whole = HEADER
  /** Body of a message that is no answer. */
  #body: Buffer | null = null
  #into: readonly Buffer[] = []
  #segment = 0
  #filled = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Takes the first `end` bytes of `chunk`. Throws HandlerFault, and is of no use then. */
  take(chunk: Buffer, end: number): void {
    let at = 0
    while (at < end) {
      if (this.#have < HEADER) {
        at = this.#copy(chunk, at, end, this.#header, this.#have, HEADER)
        if (this.#have < HEADER) return
        this.#begin()
      } else if (this.#have < this.#ahead) {
        at = this.#copy(chunk, at, end, this.#body ?? this.#sense, this.#have - HEADER, this.#ahead)
      } else at = this.#fill(chunk, at, end)
      if (this.#have === this.#whole) this.#end()
    }
  }

  #begin(): void {
    const header = this.#header
    const rest = length.get(header, 0)
    this.#whole = HEADER + rest
    this.#into = []
    this.#body = null
    if (kind.get(header, 0) === Kind.answer) {
      const sense = senseLength.get(header, 0)
      if (sense > rest) throw new HandlerFault('an answer is shorter than its sense data')
      this.#ahead = HEADER + sense
      const into = this.#sink.answerBegins(header)
      if (into !== null) this.#into = into
      this.#segment = 0
      this.#filled = 0
      return
    }
    const longest = kind.get(header, 0) === Kind.hello ? LONGEST_HELLO : LONGEST_NOTICE
    if (rest > longest) throw new HandlerFault(`a message of ${rest} bytes is longer than ${longest}`)
    this.#ahead = this.#whole
    this.#body = Buffer.alloc(rest)
  }

  #end(): void {
    const body = this.#body
    const header = this.#header
    this.#have = 0
    this.#body = null
    this.#into = []
    this.#whole = HEADER
    if (body !== null) this.#sink.notice(kind.get(header, 0), body)
    else {
      const bytes = senseLength.get(header, 0)
      this.#sink.answerEnds(header, bytes === 0 ? NO_SENSE : this.#sense.subarray(0, bytes))
    }
  }

  #copy(chunk: Buffer, at: number, end: number, into: Buffer, from: number, until: number): number {
    const bytes = Math.min(end - at, until - this.#have)
    chunk.copy(into, from, at, at + bytes)
    this.#have += bytes
    return at + bytes
  }

  #fill(chunk: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#have < this.#whole) {
      const segment = this.#into[this.#segment]
      if (segment === undefined) throw new HandlerFault('an answer has more data than were asked for')
      const bytes = Math.min(end - at, segment.length - this.#filled, this.#whole - this.#have)
      chunk.copy(segment, this.#filled, at, at + bytes)
      this.#filled += bytes
      this.#have += bytes
      at += bytes
      if (this.#filled === segment.length) {
        this.#segment++
        this.#filled = 0
      }
    }
    return at
  }
}
