// SPDX-License-Identifier: Apache-2.0
// One line for each PDU of a connection, for an operator who wants to see them go by.
import { BHS, BHS_LENGTH, describePdu, Opcode } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { Frame } from '../framer.ts'

/** Takes one line without a line end; MUST NOT throw. */
export type Trace = (line: string) => void

/** What was wrong with a PDU, behind its words. */
const FAULTS: Readonly<Record<Frame, string>> = {
  [Frame.more]: '',
  [Frame.pdu]: '',
  [Frame.headerDigest]: ' [header digest is wrong]',
  [Frame.dataDigest]: ' [data digest is wrong]',
  [Frame.tooLong]: ' [data segment is too long]',
}

export class ConnectionTrace {
  readonly #connection: Connection
  readonly #write: Trace

  constructor(connection: Connection, write: Trace) {
    this.#connection = connection
    this.#write = write
  }

  received(header: Buffer, at: number, frame: Frame): void {
    this.#tell('in ', `${describePdu(header, at)}${FAULTS[frame]}`)
  }

  /** The header is complete but for its digest; sense data is in place behind it. */
  sent(into: Buffer, at: number): void {
    if (BHS.field.opcode.get(into, at) !== Opcode.scsiResponse) {
      this.#tell('out', describePdu(into, at))
      return
    }
    const from = at + this.#connection.headerBytes
    const sense = into.subarray(from, from + BHS.field.dataSegmentLength.get(into, at))
    this.#tell('out', describePdu(into.subarray(at, at + BHS_LENGTH), 0, sense))
  }

  #tell(direction: string, pdu: string): void {
    const { address, session, cid } = this.#connection
    this.#write(`${direction} ${address} session=${session?.identity.tsih ?? 0} cid=${cid} ${pdu}`)
  }
}
