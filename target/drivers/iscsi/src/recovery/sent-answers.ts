// SPDX-License-Identifier: Apache-2.0
// The numbered responses of one connection that the initiator has not acknowledged, to be sent again as they were.
import { BHS_LENGTH } from '@lunkit/spec'
import { serialDistance } from '../command-window.ts'
import type { KeptCommand } from './kept-command.ts'

export interface SentAnswer {
  readonly statSn: number
  readonly header: Buffer
  readonly data: Buffer
  /** The command that it answers, if it is a SCSI Response. */
  command: KeptCommand | null
}

/** A guess at what one costs besides its bytes. */
const OVERHEAD = 256

export class SentAnswers {
  /** By StatSN, oldest first. */
  readonly #sent: Map<number, SentAnswer> = new Map()
  bytes = 0
  #last: SentAnswer | null = null

  get size(): number {
    return this.#sent.size
  }

  /** Takes a copy of a PDU without its digests: header at `at`, `length` bytes of data at `dataAt`. */
  keep(statSn: number, from: Buffer, at: number, dataAt: number, length: number): void {
    const header = Buffer.from(from.subarray(at, at + BHS_LENGTH))
    const data = Buffer.from(from.subarray(dataAt, dataAt + length))
    this.#last = { statSn, header, data, command: null }
    this.#sent.set(statSn, this.#last)
    this.bytes += cost(this.#last)
  }

  /** What was kept last answers this command. */
  attach(command: KeptCommand): void {
    this.#last!.command = command
    command.statSn = this.#last!.statSn
    command.sent = true
  }

  get(statSn: number): SentAnswer | undefined {
    return this.#sent.get(statSn)
  }

  /** Forgets what is before `expStatSn`; gives the commands among it to `done`. */
  acknowledge(expStatSn: number, done: (command: KeptCommand) => void): void {
    for (const one of this.#sent.values()) {
      if (serialDistance(one.statSn, expStatSn) >= 0) return
      this.#sent.delete(one.statSn)
      this.bytes -= cost(one)
      if (one.command !== null) done(one.command)
    }
  }
}

const cost = ({ data }: SentAnswer): number => BHS_LENGTH + data.length + OVERHEAD
