// SPDX-License-Identifier: Apache-2.0
// Ready To Transfer: asks for the next part of a command's data (RFC 7143, 11.8).
import { Opcode, R2T } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import type { IscsiTask } from '../iscsi-task.ts'
import { claimPdu, sealHeader, showStatus, writeHead } from './pdu.ts'

const { ttt, r2tSn, bufferOffset, desiredLength } = R2T.field

/** Asks for `length` bytes from `offset` on, with the task's next transfer tag. */
export function sendR2T(connection: Connection, one: IscsiTask, offset: number, length: number): void {
  one.r2tStart = offset
  one.r2tLength = length
  writeR2T(connection, one, one.r2tsSent)
  one.r2tsSent++
  connection.counters.r2ts++
}

/** The last R2T once more, as it was. */
export function repeatR2T(connection: Connection, one: IscsiTask): void {
  writeR2T(connection, one, one.r2tsSent - 1)
  connection.counters.resentR2ts++
  connection.kick()
}

function writeR2T(connection: Connection, one: IscsiTask, number: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.r2t, 0, one.itt)
  arena.writeUInt32BE(one.lunHigh, at + 8)
  arena.writeUInt32BE(one.lunLow, at + 12)
  ttt.set(arena, at, one.transferTag(number))
  showStatus(connection, arena, at)
  r2tSn.set(arena, at, number)
  bufferOffset.set(arena, at, one.r2tStart)
  desiredLength.set(arena, at, one.r2tLength)
  sealHeader(connection, arena, at)
}
