// SPDX-License-Identifier: Apache-2.0
// Asynchronous Message: the target asks for a logout (RFC 7143, 11.9).
import { ASYNC_MESSAGE, AsyncEvent, Opcode, RESERVED_TAG } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealHeader, writeHead } from './pdu.ts'

/** Asks the initiator to log out within `seconds`. */
export function askLogout(connection: Connection, seconds: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  const { field } = ASYNC_MESSAGE
  writeHead(arena, at, Opcode.asyncMessage, 0, RESERVED_TAG)
  field.asyncEvent.set(arena, at, AsyncEvent.logoutRequested)
  field.parameter3.set(arena, at, seconds)
  countStatus(connection, arena, at)
  sealHeader(connection, arena, at)
  connection.kick()
}
