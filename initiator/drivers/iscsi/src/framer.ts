// SPDX-License-Identifier: Apache-2.0
// Cuts the byte stream of a connection into PDUs and puts each data segment straight where it belongs.
import { TransportError } from '@lunkit/initiator-core'
import { BHS, BHS_LENGTH, crc32c, DIGEST_LENGTH, readDigest } from '@lunkit/spec'

/** Longest header with its additional segments and digest: TotalAHSLength is one byte that counts words. */
const HEADER_ROOM = BHS_LENGTH + 255 * 4 + DIGEST_LENGTH
const NOTHING = new Uint8Array(0)

const { totalAhsLength, dataSegmentLength } = BHS.field

export interface FramerHost {
  /**
   * A header is complete and checked. Returns where its data segment of `length` bytes goes (`framer.at` is set to
   * the first byte), or null for a buffer of the framer's own. Throws to refuse the PDU.
   */
  place(header: Uint8Array, length: number, framer: Framer): Uint8Array | null
  /** A PDU is complete. `data` is the framer's own buffer or `NOTHING` where `place` gave a place. */
  pdu(header: Uint8Array, data: Uint8Array): void
  /** A PDU is complete, but its data digest is wrong. Called where `keepsOn` is set; its data lie where `place` said. */
  damaged?(header: Uint8Array): void
}

type State = 'header' | 'data' | 'trailer'

/** One connection's receiving side. `push` may be given pieces of any size. */
export class Framer {
  readonly header = new Uint8Array(HEADER_ROOM)
  headerDigest = false
  dataDigest = false
  /** A wrong data digest does not end the stream, but is told to the host. */
  keepsOn = false
  /** Longest data segment that is taken: the MaxRecvDataSegmentLength declared by this side. */
  maxDataLength: number
  /** Where in the place given by the host the data segment starts. */
  at = 0
  #host: FramerHost
  #state: State = 'header'
  #have = 0
  #need = BHS_LENGTH
  #length = 0
  #into: Uint8Array = NOTHING
  #own: Uint8Array = NOTHING
  #crc = 0
  #trailer = new Uint8Array(3 + DIGEST_LENGTH)
  #stopped = false

  constructor(host: FramerHost, maxDataLength: number) {
    this.#host = host
    this.maxDataLength = maxDataLength
  }

  /** Gives the PDUs from now on to another host. Safe inside `pdu`. */
  handTo(host: FramerHost): void {
    this.#host = host
  }

  /** Drops everything that still comes. Safe inside the host's calls. */
  stop(): void {
    this.#stopped = true
  }

  /** Takes bytes `from` up to `to` of a chunk; nothing of it is kept. Throws a TransportError on a broken stream. */
  push(chunk: Uint8Array, from: number, to: number): void {
    let at = from
    // A PDU without data, and a segment that is complete, go on without further bytes.
    while (!this.#stopped && at < to) {
      if (this.#state === 'header') at = this.#takeHeader(chunk, at, to)
      else if (this.#state === 'data') at = this.#takeData(chunk, at, to)
      else at = this.#takeTrailer(chunk, at, to)
    }
  }

  #takeHeader(chunk: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + this.#need - this.#have)
    const header = this.header
    for (let at = from, put = this.#have; at < end; ) header[put++] = chunk[at++]!
    this.#have += end - from
    if (this.#have < this.#need) return end
    if (this.#need === BHS_LENGTH) {
      this.#need += totalAhsLength.get(header, 0) * 4 + (this.headerDigest ? DIGEST_LENGTH : 0)
      if (this.#have < this.#need) return end
    }
    this.#headerDone()
    return end
  }

  #headerDone(): void {
    const header = this.header
    if (this.headerDigest) {
      const end = this.#need - DIGEST_LENGTH
      const want = readDigest(header, end)
      const found = crc32c(header, 0, end)
      if (want !== found) throw digestError('Header', want, found)
    }
    // Answers have no additional header (RFC 7143, 11.2).
    if (totalAhsLength.get(header, 0) !== 0) {
      throw new TransportError('TRANSPORT_PROTOCOL', 'The target sent a PDU with an additional header')
    }
    const length = dataSegmentLength.get(header, 0)
    this.#length = length
    this.#have = 0
    if (length > this.maxDataLength) {
      throw new TransportError(
        'TRANSPORT_PROTOCOL',
        `The target sent a data segment of ${length} bytes, but at most ${this.maxDataLength} were agreed`,
      )
    }
    if (length === 0) {
      this.#into = NOTHING
      this.#own = NOTHING
      this.#pduDone()
      return
    }
    this.at = 0
    const place = this.#host.place(header, length, this)
    if (place !== null && (this.at < 0 || this.at + length > place.length)) {
      throw new RangeError(`A data segment of ${length} bytes does not fit its place`)
    }
    this.#own = place === null ? new Uint8Array(length) : NOTHING
    this.#into = place ?? this.#own
    this.#crc = 0
    this.#need = length
    this.#state = 'data'
  }

  #takeData(chunk: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + this.#need - this.#have)
    const whole = from === 0 && end === chunk.length
    this.#into.set(whole ? chunk : chunk.subarray(from, end), this.at + this.#have)
    if (this.dataDigest) this.#crc = crc32c(chunk, from, end, this.#crc)
    this.#have += end - from
    if (this.#have < this.#need) return end
    this.#have = 0
    this.#need = (-this.#length & 3) + (this.dataDigest ? DIGEST_LENGTH : 0)
    if (this.#need === 0) this.#pduDone()
    else this.#state = 'trailer'
    return end
  }

  #takeTrailer(chunk: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + this.#need - this.#have)
    for (let at = from; at < end; ) this.#trailer[this.#have++] = chunk[at++]!
    if (this.#have < this.#need) return end
    if (this.dataDigest) {
      const padding = this.#need - DIGEST_LENGTH
      const want = readDigest(this.#trailer, padding)
      const found = crc32c(this.#trailer, 0, padding, this.#crc)
      if (want !== found) {
        if (!this.keepsOn) throw digestError('Data', want, found)
        this.#next()
        this.#host.damaged?.(this.header)
        return end
      }
    }
    this.#pduDone()
    return end
  }

  #pduDone(): void {
    const data = this.#own
    this.#next()
    this.#host.pdu(this.header, data)
  }

  #next(): void {
    this.#state = 'header'
    this.#have = 0
    this.#need = BHS_LENGTH
    this.#own = NOTHING
    this.#into = NOTHING
  }
}

function digestError(what: string, want: number, found: number): TransportError {
  return new TransportError(
    'TRANSPORT_DIGEST',
    `${what} digest of a PDU from the target is ${want.toString(16)}, but its bytes give ${found.toString(16)}`,
  )
}
