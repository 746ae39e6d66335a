// SPDX-License-Identifier: Apache-2.0
// Logout: the tasks end, the answer goes out, the connection closes (RFC 7143, 11.14 and 11.15).
import { LOGOUT_REQUEST, LogoutReason, LogoutResponse } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { finishLogout } from '../finish-logout.ts'
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
  void finishLogout(connection, tag)
}
