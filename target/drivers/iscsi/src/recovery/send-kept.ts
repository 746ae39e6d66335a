// SPDX-License-Identifier: Apache-2.0
// Sends the data and the answer of a kept command: for the first time, again, or on another connection.
import { SCSI_RESPONSE } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { sendKeptPiece } from '../outbound/data-in.ts'
import { claimPdu, sealPdu, writeWindow } from '../outbound/pdu.ts'
import { sendScsiResponse } from '../outbound/response.ts'
import type { KeptCommand, Piece } from './kept-command.ts'
import type { SentAnswer } from './sent-answers.ts'

/**
 * Sends what is not acknowledged of a command, cut as the connection's initiator takes it, and its answer with a new
 * StatSN.
 */
export function sendKept(connection: Connection, command: KeptCommand): void {
  sendPieces(connection, command)
  const { status, residual, bidiResidual, sense } = command.answer
  sendScsiResponse(
    connection,
    command.itt,
    status,
    residual,
    command.pieces,
    sense,
    sense.length,
    bidiResidual,
  )
  connection.answers!.attach(command)
  connection.kick()
}

/** All data that is not acknowledged, cut as the initiator takes it now. */
function sendPieces(connection: Connection, command: KeptCommand): void {
  command.cut(connection.sendLimit, connection.session!.parameters.maxBurst)
  for (let number = command.ackedSn; number !== command.endSn; number = (number + 1) >>> 0) {
    sendPiece(connection, command, command.piece(number)!)
  }
}

export function sendPiece(connection: Connection, command: KeptCommand, piece: Piece): void {
  const { number, offset, length, endsBurst } = piece
  const data = command.data.subarray(offset, offset + length)
  // Not more often than once a burst, and not at the end (RFC 7143, 11.7.2).
  const asks = endsBurst && offset + length < command.data.length
  sendKeptPiece(connection, command.itt, data, number, offset, endsBurst, asks ? command : null)
}

/**
 * Cuts what is not acknowledged anew, as the initiator takes it now, and sends it with the answer, which keeps its StatSN
 * and carries the tag (RFC 7143, 11.16.3).
 */
export function sendRecut(connection: Connection, command: KeptCommand, snackTag: number): void {
  sendPieces(connection, command)
  const answer = connection.answers!.get(command.statSn)
  if (answer === undefined) return
  SCSI_RESPONSE.field.snackTag.set(answer.header, 0, snackTag)
  SCSI_RESPONSE.field.expDataSn.set(answer.header, 0, command.pieces)
  sendAgain(connection, answer)
}

/** Sends a numbered response again as it was, but for the numbers of the command window. */
export function sendAgain(connection: Connection, answer: SentAnswer): void {
  const { header, data } = answer
  connection.counters.resentStatus++
  const at = claimPdu(connection, data.length)
  const { arena } = connection.out
  header.copy(arena, at)
  data.copy(arena, at + connection.headerBytes)
  writeWindow(connection, arena, at)
  sealPdu(connection, arena, at, data.length)
}
