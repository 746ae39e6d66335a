// SPDX-License-Identifier: Apache-2.0
// Reads what a server sends in transmission: simple replies and chunks, whose data goes straight to where it belongs.
import type { Call } from './call.ts'
import { printable } from './handshake.ts'
import {
  CHUNK_ERROR,
  CHUNK_HEADER_LENGTH,
  Chunk,
  Command,
  REPLY_DONE,
  SIMPLE_REPLY_LENGTH,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './protocol.ts'

/** The server broke the protocol: nothing more that comes on this connection can be understood. */
export class Violation extends Error {}

export interface RepliesHost {
  /** The call that waits for this cookie, or null. */
  callOf(slot: number, generation: number): Call | null
  /** Its reply is complete, be it an error. */
  answered(call: Call): void
}

const State = Object.freeze({ header: 0, small: 1, data: 2, skip: 3 } as const)

/** Error chunks that one reply may have, and bytes of one. */
const MOST_ERRORS = 64
const LONGEST_ERROR = 8192
const LONGEST_STATUS = 4 + 8 * 2 ** 20

export class Replies {
  readonly #host: RepliesHost
  readonly #structured: boolean
  /** Id of base:allocation. */
  readonly #context: number
  #state: number = State.header
  /** What is put together: a header, or a small payload. */
  readonly #scratch = Buffer.allocUnsafeSlow(LONGEST_ERROR)
  #have = 0
  #need: number = SIMPLE_REPLY_LENGTH
  #call: Call | null = null
  #type = 0
  #done = false
  /** Bytes of the payload that are still to come, and where they belong. */
  #left = 0
  #position = 0

  constructor(host: RepliesHost, structured: boolean, context: number) {
    this.#host = host
    this.#structured = structured
    this.#context = context
  }

  /** Throws Violation. */
  take(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#state === State.data || this.#state === State.skip) {
        const count = Math.min(this.#left, bytes.length - at)
        if (this.#state === State.data) {
          this.#call!.place(this.#position, bytes, at, count)
          this.#position += count
        }
        this.#left -= count
        at += count
        if (this.#left === 0) this.#chunkEnded()
        continue
      }
      const count = Math.min(this.#need - this.#have, bytes.length - at)
      bytes.copy(this.#scratch, this.#have, at, at + count)
      this.#have += count
      at += count
      if (this.#have < this.#need) return
      if (this.#state === State.header) this.#header()
      else this.#small()
    }
  }

  #header(): void {
    const scratch = this.#scratch
    const magic = scratch.readUInt32BE(0)
    if (magic === SIMPLE_REPLY_MAGIC) {
      this.#simple(this.#find(8), scratch.readUInt32BE(4))
      return
    }
    if (magic !== STRUCTURED_REPLY_MAGIC || !this.#structured)
      throw new Violation(`what should be a reply begins with ${magic.toString(16)}h`)
    if (this.#need < CHUNK_HEADER_LENGTH) {
      this.#need = CHUNK_HEADER_LENGTH
      return
    }
    this.#done = (scratch.readUInt16BE(4) & REPLY_DONE) !== 0
    this.#type = scratch.readUInt16BE(6)
    const call = this.#find(8)
    this.#chunk(call, scratch.readUInt32BE(16))
  }

  #find(at: number): Call {
    const call = this.#host.callOf(this.#scratch.readUInt32BE(at + 4), this.#scratch.readUInt32BE(at))
    if (call === null) throw new Violation('it answered what nobody asked')
    this.#call = call
    return call
  }

  #simple(call: Call, error: number): void {
    const data = call.command === Command.read
    if (data && this.#structured) throw new Violation('it answered a read without chunks')
    if (error !== 0) call.fail(error, -1, '')
    this.#done = true
    if (!data || error !== 0) {
      this.#chunkEnded()
      return
    }
    call.cover(call.offset, call.offset + call.length)
    this.#expect(State.data, call.length)
    this.#position = call.offset
  }

  /** A chunk of this payload begins. */
  #chunk(call: Call, length: number): void {
    const type = this.#type
    const { command } = call
    if ((type & CHUNK_ERROR) !== 0) {
      if (length < 6 || length > LONGEST_ERROR || ++call.errors > MOST_ERRORS)
        throw new Violation(`it sent an error of ${length} bytes, or one after another`)
      this.#gather(length, length)
    } else if (type === Chunk.none) {
      if (length !== 0 || !this.#done) throw new Violation('it sent an empty chunk that is no end')
      this.#chunkEnded()
    } else if (type === Chunk.offsetData && command === Command.read) {
      if (length < 9 || length - 8 > call.length) throw new Violation(`it sent ${length} bytes of data`)
      this.#gather(8, length)
    } else if (type === Chunk.offsetHole && command === Command.read) {
      if (length !== 12) throw new Violation(`it described a hole in ${length} bytes`)
      this.#gather(12, length)
    } else if (type === Chunk.blockStatus && command === Command.blockStatus) {
      if (length < 12 || length % 8 !== 4 || length > LONGEST_STATUS || call.extent > 0)
        throw new Violation(`it told block status in ${length} bytes, or twice`)
      this.#gather(12, length)
    } else throw new Violation(`it sent a chunk of type ${type} for command ${command}`)
  }

  /** So many bytes of the payload are read as a whole first. */
  #gather(first: number, length: number): void {
    this.#state = State.small
    this.#have = 0
    this.#need = first
    this.#left = length - first
  }

  #small(): void {
    const call = this.#call!
    const scratch = this.#scratch
    if ((this.#type & CHUNK_ERROR) !== 0) this.#error(call)
    else if (this.#type === Chunk.blockStatus) {
      if (scratch.readUInt32BE(0) !== this.#context)
        throw new Violation('it told the status of another context')
      call.extent = scratch.readUInt32BE(4)
      call.extentState = scratch.readUInt32BE(8)
      if (call.extent === 0) throw new Violation('it told the status of no bytes')
      this.#expect(State.skip, this.#left)
    } else {
      const hole = this.#type === Chunk.offsetHole
      const from = scratch.readUInt32BE(0) * 2 ** 32 + scratch.readUInt32BE(4)
      const length = hole ? scratch.readUInt32BE(8) : this.#left
      if (!call.cover(from, from + length))
        throw new Violation(`it sent bytes ${from} to ${from + length}, which were not asked for, or twice`)
      if (hole) call.place(from, null, 0, length)
      this.#position = from
      this.#expect(State.data, hole ? 0 : length)
    }
  }

  #error(call: Call): void {
    const scratch = this.#scratch
    const code = scratch.readUInt32BE(0)
    const words = scratch.readUInt16BE(4)
    const tail = this.#type === Chunk.errorOffset ? 8 : 0
    if (code === 0 || 6 + words + tail > this.#need) throw new Violation('it sent an error that is none')
    let at = -1
    if (tail > 0) {
      at = scratch.readUInt32BE(6 + words) * 2 ** 32 + scratch.readUInt32BE(10 + words)
      if (at < call.offset || at >= call.offset + call.length) at = -1
    }
    call.fail(code, at, printable(scratch.subarray(6, 6 + words)))
    this.#chunkEnded()
  }

  #expect(state: number, length: number): void {
    this.#state = state
    this.#left = length
    if (length === 0) this.#chunkEnded()
  }

  #chunkEnded(): void {
    this.#state = State.header
    this.#have = 0
    this.#need = SIMPLE_REPLY_LENGTH
    const call = this.#call!
    this.#call = null
    if (!this.#done) return
    if (call.errors === 0 && call.reason === '') {
      if (call.command === Command.read && !call.isCovered) throw new Violation('it left out bytes of a read')
      if (call.command === Command.blockStatus && call.extent === 0)
        throw new Violation('it told no block status')
    }
    this.#host.answered(call)
  }
}
