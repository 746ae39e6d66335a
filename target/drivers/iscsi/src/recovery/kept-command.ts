// SPDX-License-Identifier: Apache-2.0
// A command that has been answered, kept with its data until the initiator acknowledges the answer (RFC 7143, 7.2).
import type { Connection } from '../connection.ts'
import type { IscsiTask } from '../iscsi-task.ts'

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
  /** R2Ts that were sent for it. */
  readonly r2ts: number
  /** Data for the initiator; its own copy. */
  readonly data: Buffer
  readonly answer: Answer
  /** Whose it is; null while it has no connection. */
  connection: Connection | null
  /** CID of the connection that was lost. */
  lostCid = -1
  /** StatSN of the answer; -1 before it is sent. */
  statSn = -1
  /** Longest piece of data, in bytes, in the numbering that holds. */
  pieceBytes = 0
  /** DataSN of the first piece that is not acknowledged, and its offset. R2Ts have used up the numbers before the first. */
  ackedSn: number
  ackedOffset = 0

  constructor(one: IscsiTask, tag: number, data: Buffer, firstSn: number, answer: Answer) {
    this.r2ts = one.r2tsSent
    this.itt = one.itt
    this.lunHigh = one.lunHigh
    this.lunLow = one.lunLow
    this.connection = one.connection
    this.tag = tag
    this.data = data
    this.ackedSn = firstSn
    this.answer = answer
  }

  /** Bytes that it holds, with a guess at its objects. */
  get bytes(): number {
    return this.data.length + this.answer.sense.length + 512
  }

  /** The pieces that are not acknowledged. */
  *pieces(maxBurst: number): Generator<Piece> {
    let offset = this.ackedOffset
    let number = this.ackedSn
    while (offset < this.data.length) {
      const length = Math.min(this.data.length - offset, this.pieceBytes, maxBurst - (offset % maxBurst))
      const next = offset + length
      yield { number, offset, length, endsBurst: next === this.data.length || next % maxBurst === 0 }
      offset = next
      number = (number + 1) >>> 0
    }
  }

  /** DataSN behind the last piece: what the response tells as ExpDataSN. */
  endSn(maxBurst: number): number {
    let end = this.ackedSn
    for (const piece of this.pieces(maxBurst)) end = (piece.number + 1) >>> 0
    return end
  }

  /** The initiator has all pieces before `dataSn`; false if there is no such place among those that it had not yet. */
  acknowledge(dataSn: number, maxBurst: number): boolean {
    if (dataSn === this.ackedSn) return true
    for (const { number, offset, length } of this.pieces(maxBurst)) {
      if ((number + 1) >>> 0 !== dataSn) continue
      this.ackedSn = dataSn
      this.ackedOffset = offset + length
      return true
    }
    return false
  }
}
