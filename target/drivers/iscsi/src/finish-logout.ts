// SPDX-License-Identifier: Apache-2.0
// The end of a logout: its response says that nothing of the session runs any more, so it waits until that is true.
import { LogoutResponse } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import { sendLogoutResponse } from './outbound/logout-response.ts'
import { within } from './time-limit.ts'

export async function finishLogout(connection: Connection, tag: number): Promise<void> {
  connection.halt()
  const drained = connection.port.drainSession(connection.session!)
  const clean = await within(drained, connection.port.settings.limits.replaceTimeoutMs)
  if (connection.over) return
  sendLogoutResponse(connection, tag, clean ? LogoutResponse.closed : LogoutResponse.cleanupFailed)
  void connection.end('logout', true)
}
