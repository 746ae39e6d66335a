// SPDX-License-Identifier: Apache-2.0
// Reject: the header of what was refused goes back as data (RFC 7143, 11.17).
import { BHS_LENGTH, Opcode, REJECT, RESERVED_TAG } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealAnswer, writeHead } from './pdu.ts'

export function sendReject(connection: Connection, reason: number, header: Buffer, headerAt: number): void {
  const at = claimPdu(connection, BHS_LENGTH)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.reject, BHS_LENGTH, RESERVED_TAG)
  REJECT.field.reason.set(arena, at, reason)
  countStatus(connection, arena, at)
  header.copy(arena, at + connection.headerBytes, headerAt, headerAt + BHS_LENGTH)
  sealAnswer(connection, arena, at, BHS_LENGTH)
  connection.counters.rejects++
  connection.kick()
}
