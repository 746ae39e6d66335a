// SPDX-License-Identifier: Apache-2.0
// Logout: the tasks end, the answer goes out, the connection closes (RFC 7143, 11.14 and 11.15).
import { LOGOUT_REQUEST, LOGOUT_RESPONSE, LogoutReason, LogoutResponse, Opcode } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealHeader, writeHead } from '../outbound/pdu.ts'
import { within } from '../time-limit.ts'

const { itt, reason, cid } = LOGOUT_REQUEST.field

export function receiveLogout(connection: Connection, header: Buffer, at: number): void {
  const tag = itt.get(header, at)
  const why = reason.get(header, at)
  const session = connection.session!
  switch (why) {
    case LogoutReason.closeSession:
      break
    case LogoutReason.closeConnection:
      if (cid.get(header, at) === session.identity.cid) break
      sendLogoutResponse(connection, tag, LogoutResponse.cidNotFound)
      return
    case LogoutReason.removeConnectionForRecovery:
      sendLogoutResponse(connection, tag, LogoutResponse.recoveryNotSupported)
      return
    default:
      connection.protocolError(header, at, 'Logout reason is not known')
      return
  }
  connection.step('logoutRequest')
  void finish(connection, tag)
}

/** The response says that nothing of the session runs any more, so it waits until that is true. */
async function finish(connection: Connection, tag: number): Promise<void> {
  connection.halt()
  const drained = connection.port.drainSession(connection.session!)
  const clean = await within(drained, connection.port.settings.limits.replaceTimeoutMs)
  if (connection.over) return
  sendLogoutResponse(connection, tag, clean ? LogoutResponse.closed : LogoutResponse.cleanupFailed)
  void connection.end('logout', true)
}

function sendLogoutResponse(connection: Connection, tag: number, response: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.logoutResponse, 0, tag)
  LOGOUT_RESPONSE.field.response.set(arena, at, response)
  countStatus(connection, arena, at)
  sealHeader(connection, arena, at)
  connection.kick()
}
