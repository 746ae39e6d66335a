// SPDX-License-Identifier: Apache-2.0
// Logout Response (RFC 7143, 11.15).
import { LOGOUT_RESPONSE, Opcode } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealHeader, writeHead } from './pdu.ts'

export function sendLogoutResponse(connection: Connection, tag: number, response: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.logoutResponse, 0, tag)
  LOGOUT_RESPONSE.field.response.set(arena, at, response)
  countStatus(connection, arena, at)
  sealHeader(connection, arena, at)
  connection.kick()
}
