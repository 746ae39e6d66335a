// SPDX-License-Identifier: Apache-2.0
// SCSI Response and task management response: status, sense, residual (RFC 7143, 11.4 and 11.6).
import { Opcode, SCSI_RESPONSE, TASK_MANAGEMENT_RESPONSE } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealAnswer, writeHead } from './pdu.ts'

const { status, overflow, underflow, expDataSn, residualCount } = SCSI_RESPONSE.field
const { bidiOverflow, bidiUnderflow, bidiResidualCount } = SCSI_RESPONSE.field

/**
 * `dataIns` counts the Data-In PDUs sent before; `residual` is what the command had more (positive) or less
 * (negative) than the initiator expected; of a bidirectional command the residual of its data-out, and `bidiResidual` that
 * of its data-in.
 */
export function sendScsiResponse(
  connection: Connection,
  itt: number,
  code: number,
  residual: number,
  dataIns: number,
  sense: Buffer,
  senseLength: number,
  bidiResidual = 0,
): void {
  const length = senseLength === 0 ? 0 : senseLength + 2
  const at = claimPdu(connection, length)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.scsiResponse, length, itt)
  status.set(arena, at, code)
  if (residual > 0) overflow.set(arena, at, 1)
  else if (residual < 0) underflow.set(arena, at, 1)
  if (bidiResidual !== 0) {
    ;(bidiResidual > 0 ? bidiOverflow : bidiUnderflow).set(arena, at, 1)
    bidiResidualCount.set(arena, at, Math.abs(bidiResidual))
  }
  countStatus(connection, arena, at)
  expDataSn.set(arena, at, dataIns)
  residualCount.set(arena, at, residual < 0 ? -residual : residual)
  if (length > 0) {
    const data = at + connection.headerBytes
    arena.writeUInt16BE(senseLength, data)
    sense.copy(arena, data + 2, 0, senseLength)
  }
  sealAnswer(connection, arena, at, length)
}

/** `information` is what a query found (RFC 7144), 0 for all others. */
export function sendManagementResponse(
  connection: Connection,
  itt: number,
  response: number,
  information = 0,
): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.taskManagementResponse, 0, itt)
  TASK_MANAGEMENT_RESPONSE.field.response.set(arena, at, response)
  TASK_MANAGEMENT_RESPONSE.field.additionalResponseInformation.set(arena, at, information)
  countStatus(connection, arena, at)
  sealAnswer(connection, arena, at, 0)
  connection.kick()
}
