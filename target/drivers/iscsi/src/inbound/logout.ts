// SPDX-License-Identifier: Apache-2.0
// Logout: the tasks end, the answer goes out, the connection closes (RFC 7143, 11.14 and 11.15).
import { LOGOUT_REQUEST, LogoutReason, LogoutResponse, RejectReason } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { logOutConnection, logOutLost, logOutSession } from '../finish-logout.ts'
import { sendLogoutResponse } from '../outbound/logout-response.ts'

const { itt, reason, cid } = LOGOUT_REQUEST.field

export function receiveLogout(connection: Connection, header: Buffer, at: number): void {
  const tag = itt.get(header, at)
  const why = reason.get(header, at)
  if (connection.session!.target === null && why !== LogoutReason.closeSession) {
    connection.reject(
      RejectReason.protocolError,
      header,
      at,
      'Discovery session is logged out as a whole only',
    )
    return
  }
  switch (why) {
    case LogoutReason.closeSession:
      break
    case LogoutReason.closeConnection:
      logOutOne(connection, tag, cid.get(header, at))
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

/** The connection goes, if it has not gone yet, and its commands wait for another one, if they are kept at all. */
function recoverOne(connection: Connection, tag: number, gone: number): void {
  const { connections, parameters, recovery } = connection.session!
  if (recovery?.level !== 2) {
    sendLogoutResponse(connection, tag, LogoutResponse.recoveryNotSupported)
    return
  }
  if (parameters.time2Retain === 0) {
    logOutOne(connection, tag, gone)
    return
  }
  const one = connections.get(gone)
  if (one === undefined && !recovery.lost.has(gone)) {
    sendLogoutResponse(connection, tag, LogoutResponse.cidNotFound)
    return
  }
  if (one !== connection) void one?.end('lost')
  recovery.release(gone)
  sendLogoutResponse(connection, tag, LogoutResponse.closed)
  if (one !== connection) return
  void connection.end('lost', true)
  recovery.release(gone)
}

/** The last connection takes the session with it; of one that was lost only the commands are left. */
function logOutOne(connection: Connection, tag: number, number: number): void {
  const { connections, recovery } = connection.session!
  const gone = connections.get(number)
  if (gone === undefined && recovery?.lost.has(number)) {
    void logOutLost(connection, tag, number)
    return
  }
  if (gone === undefined || gone.loggedOut) {
    sendLogoutResponse(connection, tag, LogoutResponse.cidNotFound)
    return
  }
  gone.step('logoutRequest')
  if (connections.size === 1) void logOutSession(connection, tag)
  else void logOutConnection(connection, tag, gone)
}
