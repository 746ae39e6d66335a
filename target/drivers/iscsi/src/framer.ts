// SPDX-License-Identifier: Apache-2.0
// From received chunks to PDUs: header, additional header, digests, and data as slices of the chunks.
import { BHS, BHS_LENGTH, DIGEST_LENGTH, readDigest } from '@lunkit/spec'
import { empty, type Lease } from '@lunkit/target-api'
import type { Checksum } from './digest.ts'
import { copyOut, Gather, SMALL_BYTES } from './gather.ts'

/** What `next` found. After `headerDigest` and `tooLong` the stream cannot be followed any more. */
export const Frame = Object.freeze({
  /** Nothing complete: give the next chunk. */
  more: 0,
  pdu: 1,
  /** The header is wrong. */
  headerDigest: 2,
  /** The data segment is wrong; the header is to be trusted. */
  dataDigest: 3,
  /** The data segment is longer than `maxData`. */
  tooLong: 4,
} as const)
export type Frame = (typeof Frame)[keyof typeof Frame]

const LONGEST_AHS = 255 * 4
/** A slice that would keep a chunk of more than this many times its size alive is copied out. */
const PIN_FACTOR = 16

/** Whose memory a chunk is that is used again after it was taken. */
export interface Lender {
  /** A lease for a slice of `length` bytes of the chunk; null if it is to be copied. */
  lend(length: number): Lease | null
  /** A copy of a slice that was not lent; what holds it, if anything does, is added to `leases`. */
  copy(slice: Buffer, leases: Lease[]): Buffer
}

const State = Object.freeze({ header: 0, data: 1, trailer: 2, dead: 3 } as const)

/** Cuts one connection's bytes into PDUs. Never throws; takes any bytes in any chunks. */
export class Framer {
  /** Longest data segment that is taken. */
  maxData: number
  headerDigest = false
  dataDigest = false
  /** Header of the PDU found: its first byte is at `at`; AHS follows it. Good until the next call of `next`. */
  header: Buffer
  at = 0
  /** Bytes of additional header. */
  ahsLength = 0
  dataLength = 0
  /** The data segment in its pieces. The array is reused: take the slices out of it. */
  readonly slices: Buffer[] = []
  /** What holds the memory of `slices`; those that are here when the next PDU begins end. Who keeps slices takes them out. */
  readonly leases: Lease[] = []

  readonly #checksum: Checksum
  readonly #gather = new Gather()
  /** For headers that came in pieces. */
  readonly #own: Buffer = Buffer.alloc(BHS_LENGTH + LONGEST_AHS + DIGEST_LENGTH)
  #filled = 0
  readonly #trailer: Buffer = Buffer.alloc(3 + DIGEST_LENGTH)
  #trailerLength = 0
  #trailerFilled = 0
  #chunk: Buffer = EMPTY
  #lender: Lender | null = null
  #at = 0
  #left = 0
  #state: number = State.header

  constructor(maxData: number, checksum: Checksum) {
    this.maxData = maxData
    this.#checksum = checksum
    this.header = this.#own
  }

  /**
   * Gives the next chunk. With a lender it may be changed after `settle`, but where it was lent; without, never. All PDUs of the
   * last one should have been taken.
   */
  push(chunk: Buffer, lender: Lender | null = null): void {
    if (this.#state === State.dead) return
    const isWhole = this.#at === this.#chunk.length
    this.#chunk = isWhole ? chunk : Buffer.concat([this.#chunk.subarray(this.#at), chunk])
    this.#lender = isWhole ? lender : null
    this.#at = 0
  }

  /** The last chunk's memory is used again: what has not been taken of it is copied. */
  settle(): void {
    if (this.#lender === null) return
    this.#lender = null
    // The PDU under way still needs its header.
    if (this.#state !== State.header && this.header !== this.#own) {
      this.header.copy(this.#own, 0, this.at, this.at + BHS_LENGTH + this.ahsLength)
      this.header = this.#own
      this.at = 0
    }
    this.#chunk = this.#at === this.#chunk.length ? EMPTY : Buffer.from(this.#chunk.subarray(this.#at))
    this.#at = 0
  }

  /** Nothing more is read. */
  close(): void {
    this.#state = State.dead
    empty(this.slices)
    this.#endLeases()
  }

  #endLeases(): void {
    for (let lease = this.leases.pop(); lease !== undefined; lease = this.leases.pop()) lease.giveBack()
  }

  next(): Frame {
    if (this.#state === State.header) {
      const frame = this.#takeHeader()
      if (frame !== Frame.pdu) return frame
      if (this.dataLength === 0) return Frame.pdu
      this.#left = this.dataLength
      this.#state = State.data
    }
    if (this.#state === State.data) {
      if (!this.#takeData()) return Frame.more
      this.#trailerLength = (-this.dataLength & 3) + (this.dataDigest ? DIGEST_LENGTH : 0)
      this.#trailerFilled = 0
      this.#state = State.trailer
    }
    if (this.#state === State.trailer) return this.#takeTrailer()
    return Frame.more
  }

  #takeHeader(): Frame {
    const chunk = this.#chunk
    if (this.#filled === 0) {
      if (this.leases.length > 0) {
        empty(this.slices)
        this.#endLeases()
      }
      const room = chunk.length - this.#at
      if (room === 0) {
        // An idle connection keeps no chunk alive.
        this.#chunk = EMPTY
        this.#at = 0
        this.header = this.#own
        return Frame.more
      }
      empty(this.slices)
      this.#gather.end()
      if (room >= BHS_LENGTH) {
        const length = this.#headerLength(chunk, this.#at)
        if (room >= length) {
          this.header = chunk
          this.at = this.#at
          this.#at += length
          return this.#checkHeader(length)
        }
      }
    }
    if (!this.#fillOwn(BHS_LENGTH)) return Frame.more
    const length = this.#headerLength(this.#own, 0)
    if (!this.#fillOwn(length)) return Frame.more
    this.header = this.#own
    this.at = 0
    this.#filled = 0
    return this.#checkHeader(length)
  }

  #headerLength(bytes: Buffer, at: number): number {
    return BHS_LENGTH + BHS.field.totalAhsLength.get(bytes, at) * 4 + (this.headerDigest ? DIGEST_LENGTH : 0)
  }

  #fillOwn(wanted: number): boolean {
    const chunk = this.#chunk
    const count = Math.min(wanted - this.#filled, chunk.length - this.#at)
    if (count > 0) {
      chunk.copy(this.#own, this.#filled, this.#at, this.#at + count)
      this.#filled += count
      this.#at += count
    }
    return this.#filled >= wanted
  }

  #checkHeader(length: number): Frame {
    const { header, at } = this
    this.ahsLength = BHS.field.totalAhsLength.get(header, at) * 4
    this.dataLength = BHS.field.dataSegmentLength.get(header, at)
    if (this.headerDigest) {
      const end = at + length - DIGEST_LENGTH
      if (this.#checksum(header, at, end, 0) !== readDigest(header, end))
        return this.#dead(Frame.headerDigest)
    }
    return this.dataLength > this.maxData ? this.#dead(Frame.tooLong) : Frame.pdu
  }

  #dead(frame: Frame): Frame {
    this.#state = State.dead
    return frame
  }

  #takeData(): boolean {
    const chunk = this.#chunk
    const count = Math.min(this.#left, chunk.length - this.#at)
    if (count > 0) {
      const slice = chunk.subarray(this.#at, this.#at + count)
      if (count < SMALL_BYTES && count < this.dataLength) this.#gather.add(this.slices, slice, this.#left)
      else this.slices.push(this.#keep(slice))
      this.#at += count
      this.#left -= count
    }
    return this.#left === 0
  }

  #keep(slice: Buffer): Buffer {
    if (this.#lender === null) return slice.length * PIN_FACTOR < this.#chunk.length ? copyOut(slice) : slice
    const lease = this.#lender.lend(slice.length)
    if (lease === null) return this.#lender.copy(slice, this.leases)
    this.leases.push(lease)
    return slice
  }

  #takeTrailer(): Frame {
    const count = Math.min(this.#trailerLength - this.#trailerFilled, this.#chunk.length - this.#at)
    if (count > 0) {
      this.#chunk.copy(this.#trailer, this.#trailerFilled, this.#at, this.#at + count)
      this.#trailerFilled += count
      this.#at += count
    }
    if (this.#trailerFilled < this.#trailerLength) return Frame.more
    this.#state = State.header
    return this.dataDigest && !this.#dataIsRight() ? Frame.dataDigest : Frame.pdu
  }

  #dataIsRight(): boolean {
    let crc = 0
    for (const slice of this.slices) crc = this.#checksum(slice, 0, slice.length, crc)
    const padding = this.#trailerLength - DIGEST_LENGTH
    if (padding > 0) crc = this.#checksum(this.#trailer, 0, padding, crc)
    return crc === readDigest(this.#trailer, padding)
  }
}

const EMPTY = Buffer.alloc(0)
