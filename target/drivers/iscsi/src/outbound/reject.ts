// SPDX-License-Identifier: Apache-2.0
// Reject: the header of what was refused goes back as data (RFC 7143, 11.17).
import { BHS, BHS_LENGTH, NOP_OUT, Opcode, REJECT, RESERVED_TAG, RejectReason } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealAnswer, writeHead } from './pdu.ts'

const NUMBERED: ReadonlySet<number> = new Set([
  Opcode.scsiCommand,
  Opcode.nopOut,
  Opcode.taskManagementRequest,
  Opcode.textRequest,
  Opcode.logoutRequest,
])

/** `number` is the next DataSN or R2TSN of a command, where a SNACK for it is refused (RFC 7143, 11.17.2). */
export function sendReject(
  connection: Connection,
  reason: number,
  header: Buffer,
  headerAt: number,
  number = 0,
): void {
  // One with a wrong data digest was not counted.
  if (reason !== RejectReason.dataDigestError && isNumbered(header, headerAt)) {
    connection.session!.window.giveBack(NOP_OUT.field.cmdSn.get(header, headerAt))
  }
  const at = claimPdu(connection, BHS_LENGTH)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.reject, BHS_LENGTH, RESERVED_TAG)
  REJECT.field.reason.set(arena, at, reason)
  countStatus(connection, arena, at)
  REJECT.field.dataSn.set(arena, at, number)
  header.copy(arena, at + connection.headerBytes, headerAt, headerAt + BHS_LENGTH)
  sealAnswer(connection, arena, at, BHS_LENGTH)
  connection.counters.rejects++
  connection.kick()
}

const isNumbered = (header: Buffer, at: number): boolean =>
  BHS.field.immediate.get(header, at) === 0 && NUMBERED.has(BHS.field.opcode.get(header, at))
