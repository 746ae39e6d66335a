// SPDX-License-Identifier: Apache-2.0
// A command that has been answered, kept with its data until the initiator acknowledges the answer (RFC 7143, 7.2).
import type { Connection } from '../connection.ts'
import { decodedLun, type IscsiTask } from '../iscsi-task.ts'

/** What a SCSI Response says. Residuals as in `sendScsiResponse`. */
export interface Answer {
  readonly status: number
  readonly residual: number
  readonly bidiResidual: number
  /** The sense data alone, or nothing. */
  readonly sense: Buffer
}

/** One Data-In PDU of a kept command. */
export interface Piece {
  readonly number: number
  readonly offset: number
  readonly length: number
  /** It is the last of a burst, or of all. */
  readonly endsBurst: boolean
}

export class KeptCommand {
  readonly itt: number
  readonly lunHigh: number
  readonly lunLow: number
  /** Names the command in Data-In PDUs that ask for an acknowledgement. */
  readonly tag: number
  /** An immediate command is not taken over (RFC 7143, 7.14). */
  readonly immediate: boolean
  /** Data for the initiator; its own copy. */
  readonly data: Buffer
  readonly answer: Answer
  /** Whose it is; null while it has no connection. */
  connection: Connection | null
  /** CID of the connection that was lost, and whether that was logged out since: then another may take it over. */
  lostCid = -1
  released = false
  /** StatSN of the answer; -1 before it is sent. */
  statSn = -1
  /** Its answer has gone out, on whichever connection: nobody lacks it who does not ask for it. */
  sent = false
  /** Longest piece of data, in bytes, and the number of pieces, in the numbering that holds. */
  pieceBytes = 0
  count = 0
  /** DataSN of the first piece that is not acknowledged, and its offset. R2Ts have used up the numbers before the first. */
  ackedSn: number
  ackedOffset = 0
  /** DataSN of the very first piece. */
  readonly #firstSn: number
  /** Where that numbering begins. */
  #cutSn = 0
  #cutOffset = 0
  #maxBurst = 1

  constructor(one: IscsiTask, tag: number, data: Buffer, firstSn: number, answer: Answer) {
    this.immediate = one.immediate
    this.itt = one.itt
    this.lunHigh = one.lunHigh
    this.lunLow = one.lunLow
    this.connection = one.connection
    this.tag = tag
    this.data = data
    this.ackedSn = firstSn
    this.#firstSn = firstSn
    this.answer = answer
  }

  /** Decoded. */
  get lun(): number {
    return decodedLun(this)
  }

  /** Bytes that it holds, with a guess at its objects. */
  get bytes(): number {
    return this.data.length + this.answer.sense.length + 512
  }

  /** Cuts what is not acknowledged into pieces of this length; bursts are cut at their ends, too. */
  cut(pieceBytes: number, maxBurst: number): void {
    this.pieceBytes = pieceBytes
    this.#maxBurst = maxBurst
    this.#cutOffset = this.ackedOffset
    this.#cutSn = this.ackedSn
    this.count = this.#piecesTo(this.data.length)
  }

  /** Pieces in all, acknowledged ones included: what the response tells as ExpDataSN. */
  get pieces(): number {
    return (this.endSn - this.#firstSn) >>> 0
  }

  /** DataSN behind the last piece. */
  get endSn(): number {
    return (this.#cutSn + this.count) >>> 0
  }

  /** The piece with this DataSN; null if there is none, or it is acknowledged. */
  piece(number: number): Piece | null {
    const index = (number - this.#cutSn) >>> 0
    if (index >= this.count || ((number - this.ackedSn) | 0) < 0) return null
    const offset = this.#offsetOf(index)
    const next = index + 1 === this.count ? this.data.length : this.#offsetOf(index + 1)
    const endsBurst = next === this.data.length || next % this.#maxBurst === 0
    return { number, offset, length: next - offset, endsBurst }
  }

  /** The initiator has all pieces before `dataSn`; false if there is no such place among those that it had not yet. */
  acknowledge(dataSn: number): boolean {
    const index = (dataSn - this.#cutSn) >>> 0
    if (index > this.count || ((dataSn - this.ackedSn) | 0) < 0) return false
    // Where nothing was sent yet, nothing is behind it.
    if (dataSn === this.ackedSn) return true
    this.ackedSn = dataSn
    this.ackedOffset = index === this.count ? this.data.length : this.#offsetOf(index)
    return true
  }

  /** Where a piece begins, counted from where the cut began, which may be within a burst. */
  #offsetOf(index: number): number {
    const first = this.#firstBurst
    const inFirst = Math.ceil(first / this.pieceBytes)
    if (index < inFirst) return this.#cutOffset + index * this.pieceBytes
    const perBurst = Math.ceil(this.#maxBurst / this.pieceBytes)
    const rest = index - inFirst
    const bursts = Math.floor(rest / perBurst)
    return this.#cutOffset + first + bursts * this.#maxBurst + (rest % perBurst) * this.pieceBytes
  }

  #piecesTo(end: number): number {
    const first = this.#firstBurst
    const length = end - this.#cutOffset
    if (length <= first) return Math.ceil(length / this.pieceBytes)
    const perBurst = Math.ceil(this.#maxBurst / this.pieceBytes)
    const rest = length - first
    const bursts = Math.floor(rest / this.#maxBurst)
    const tail = Math.ceil((rest % this.#maxBurst) / this.pieceBytes)
    return Math.ceil(first / this.pieceBytes) + bursts * perBurst + tail
  }

  /** Bytes to the end of the burst in which the cut began. */
  get #firstBurst(): number {
    return this.#maxBurst - (this.#cutOffset % this.#maxBurst)
  }
}
