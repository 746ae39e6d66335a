// SPDX-License-Identifier: Apache-2.0
// Cuts one direction of a connection into segments that begin with PDUs, and says how much of each is to be kept.
import { BHS, BHS_LENGTH, DIGEST_LENGTH, Opcode } from '@lunkit/spec'
import { MOST_PAYLOAD } from './tcp-flow.ts'

/** Which digests the connection has behind its login; asked at each PDU. */
export interface Digests {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
}

/** Takes a segment: its slices, good until the call ends, their length, and how many of the first bytes are to be kept. */
export type TakeSegment = (slices: readonly Buffer[], length: number, kept: number) => void

const { opcode, totalAhsLength, dataSegmentLength } = BHS.field

/**
 * Follows any bytes: where a peer's stream is no iSCSI, or its digests are others than thought, segments begin anywhere,
 * and every byte is still in one.
 */
export class PduCutter {
  readonly #digests: Digests
  /** Data bytes of a PDU that are kept. */
  readonly #snap: number
  readonly #take: TakeSegment
  readonly #header: Buffer = Buffer.alloc(BHS_LENGTH)
  #filled = 0
  /** Bytes of the PDU that are still to come, and those of them that are kept. */
  #left = 0
  #keepLeft = 0
  // The segment under way.
  readonly #slices: Buffer[] = []
  #length = 0
  #kept = 0

  constructor(digests: Digests, snap: number, take: TakeSegment) {
    this.#digests = digests
    this.#snap = snap
    this.#take = take
  }

  /** The next bytes. They may go on in the next call. */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; )
      at += this.#left === 0 ? this.#feedHeader(bytes, at) : this.#feedRest(bytes, at)
  }

  /** Nothing more comes for now: what is there is a segment. */
  cut(): void {
    if (this.#length === 0) return
    this.#take(this.#slices, this.#length, this.#kept)
    this.#slices.length = 0
    this.#length = 0
    this.#kept = 0
  }

  #feedHeader(bytes: Buffer, at: number): number {
    const count = Math.min(BHS_LENGTH - this.#filled, bytes.length - at)
    bytes.copy(this.#header, this.#filled, at, at + count)
    this.#filled += count
    this.#add(bytes.subarray(at, at + count), count)
    if (this.#filled === BHS_LENGTH) this.#begin()
    return count
  }

  #begin(): void {
    this.#filled = 0
    const header = this.#header
    const code = opcode.get(header, 0)
    // Login has no digests, whatever comes behind it.
    const isLogin = code === Opcode.loginRequest || code === Opcode.loginResponse
    const { headerDigest, dataDigest } = this.#digests
    const data = dataSegmentLength.get(header, 0)
    const head = totalAhsLength.get(header, 0) * 4 + (headerDigest && !isLogin ? DIGEST_LENGTH : 0)
    const trailer = (-data & 3) + (dataDigest && !isLogin && data > 0 ? DIGEST_LENGTH : 0)
    this.#left = head + data + trailer
    this.#keepLeft = data > this.#snap ? head + this.#snap : this.#left
    if (this.#left === 0) this.cut()
  }

  #feedRest(bytes: Buffer, at: number): number {
    const count = Math.min(this.#left, bytes.length - at, MOST_PAYLOAD - this.#length)
    const kept = Math.min(count, this.#keepLeft)
    this.#left -= count
    this.#keepLeft -= kept
    this.#add(bytes.subarray(at, at + count), kept)
    if (this.#left === 0 || this.#length === MOST_PAYLOAD) this.cut()
    return count
  }

  #add(slice: Buffer, kept: number): void {
    this.#slices.push(slice)
    this.#length += slice.length
    this.#kept += kept
  }
}
