// SPDX-License-Identifier: Apache-2.0
// Logout Response (RFC 7143, 11.15).
import { LOGOUT_RESPONSE, Opcode } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealAnswer, writeHead } from './pdu.ts'

export function sendLogoutResponse(connection: Connection, tag: number, response: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.logoutResponse, 0, tag)
  const { field } = LOGOUT_RESPONSE
  const { time2Wait, time2Retain } = connection.session!.parameters
  field.response.set(arena, at, response)
  field.time2Wait.set(arena, at, time2Wait)
  field.time2Retain.set(arena, at, time2Retain)
  countStatus(connection, arena, at)
  sealAnswer(connection, arena, at, 0)
  connection.kick()
}
