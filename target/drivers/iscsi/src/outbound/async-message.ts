// SPDX-License-Identifier: Apache-2.0
// Asynchronous Message: the target asks for a logout, or says that it drops the session (RFC 7143, 11.9).
import { ASYNC_MESSAGE, AsyncEvent, Opcode, RESERVED_TAG } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealHeader, writeHead } from './pdu.ts'

/** Asks the initiator to log out within `seconds`. */
export function askLogout(connection: Connection, seconds: number): void {
  sendAsync(connection, AsyncEvent.logoutRequested, 0, 0, seconds)
}

/** Says that all connections of the session are dropped now. */
export function tellDrop(connection: Connection): void {
  sendAsync(connection, AsyncEvent.sessionDropped, 0, 0, 0)
}

function sendAsync(connection: Connection, event: number, one: number, two: number, three: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  const { field } = ASYNC_MESSAGE
  writeHead(arena, at, Opcode.asyncMessage, 0, RESERVED_TAG)
  field.asyncEvent.set(arena, at, event)
  field.parameter1.set(arena, at, one)
  field.parameter2.set(arena, at, two)
  field.parameter3.set(arena, at, three)
  countStatus(connection, arena, at)
  sealHeader(connection, arena, at)
  connection.kick()
}
