// SPDX-License-Identifier: Apache-2.0
// Logout: the tasks end, the answer goes out, the connection closes (RFC 7143, 11.14 and 11.15).
import { LOGOUT_REQUEST, LogoutReason, LogoutResponse } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { logOutConnection, logOutSession } from '../finish-logout.ts'
import { sendLogoutResponse } from '../outbound/logout-response.ts'

const { itt, reason, cid } = LOGOUT_REQUEST.field

export function receiveLogout(connection: Connection, header: Buffer, at: number): void {
  const tag = itt.get(header, at)
  const why = reason.get(header, at)
  const session = connection.session!
  switch (why) {
    case LogoutReason.closeSession:
      break
    case LogoutReason.closeConnection:
      logOutOne(connection, tag, session.connections.get(cid.get(header, at)))
      return
    case LogoutReason.removeConnectionForRecovery:
      recoverOne(connection, tag, cid.get(header, at))
      return
    default:
      connection.protocolError(header, at, 'Logout reason is not known')
      return
  }
  connection.step('logoutRequest')
  void logOutSession(connection, tag)
}

/** The connection goes, if it has not gone yet, and its commands wait for another one. */
function recoverOne(connection: Connection, tag: number, gone: number): void {
  const { connections, recovery } = connection.session!
  if (recovery?.level !== 2) {
    sendLogoutResponse(connection, tag, LogoutResponse.recoveryNotSupported)
    return
  }
  const one = connections.get(gone)
  if (one === undefined && !recovery.lost.has(gone)) {
    sendLogoutResponse(connection, tag, LogoutResponse.cidNotFound)
    return
  }
  if (one !== connection) void one?.end('lost')
  sendLogoutResponse(connection, tag, LogoutResponse.closed)
  if (one === connection) void connection.end('lost', true)
}

/** The last connection takes the session with it. */
function logOutOne(connection: Connection, tag: number, gone: Connection | undefined): void {
  if (gone === undefined || gone.loggedOut) {
    sendLogoutResponse(connection, tag, LogoutResponse.cidNotFound)
    return
  }
  gone.step('logoutRequest')
  if (connection.session!.connections.size === 1) void logOutSession(connection, tag)
  else void logOutConnection(connection, tag, gone)
}
