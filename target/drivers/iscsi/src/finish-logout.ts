// SPDX-License-Identifier: Apache-2.0
// The end of a logout: its response says that nothing of what was logged out runs any more, so it waits until that is true.
import { LogoutResponse } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import { endTasksOf } from './end-tasks.ts'
import { sendLogoutResponse } from './outbound/logout-response.ts'
import type { Session } from './session.ts'
import { within } from './time-limit.ts'

/** Ends the session; the answer goes out on the connection where the request came. */
export async function logOutSession(connection: Connection, tag: number): Promise<void> {
  const session = connection.session!
  for (const one of session.connections.values()) one.halt()
  closeLogins(session)
  const drained = session.port.table.drain(session)
  const clean = await within(drained, connection.port.settings.limits.replaceTimeoutMs)
  if (!connection.over)
    sendLogoutResponse(connection, tag, clean ? LogoutResponse.closed : LogoutResponse.cleanupFailed)
  void session.end('logout', true)
}

/** Ends one of several connections, which may be another than that where the request came. */
export async function logOutConnection(connection: Connection, tag: number, gone: Connection): Promise<void> {
  const session = connection.session!
  gone.halt()
  gone.loggedOut = true
  // What waits there for its turn has not been received, and never is.
  session.window.forget(gone)
  await answerAfter(connection, tag, endTasksOf(session, gone))
  void gone.end('logout', true)
}

/** Ends what is left of a connection that was lost: nobody takes its commands over any more. */
export async function logOutLost(connection: Connection, tag: number, number: number): Promise<void> {
  await answerAfter(connection, tag, connection.session!.recovery!.giveUp(number))
}

/** Answers the logout of a connection when its tasks have ended. */
async function answerAfter(connection: Connection, tag: number, ended: Promise<void>): Promise<void> {
  const session = connection.session!
  session.logouts.push(tag)
  const clean = await within(ended, connection.port.settings.limits.replaceTimeoutMs)
  session.logouts.splice(session.logouts.indexOf(tag), 1)
  if (!connection.over)
    sendLogoutResponse(connection, tag, clean ? LogoutResponse.closed : LogoutResponse.cleanupFailed)
}

/** Connections that have begun to log in to the session have nothing to join any more (RFC 7143, 8.1.2, T7). */
function closeLogins({ port, identity }: Session): void {
  for (const newcomer of [...port.pending]) {
    const first = newcomer.login?.first
    if (first?.tsih !== identity.tsih || first.isid !== identity.isid) continue
    if (newcomer.initiator === identity.initiator) port.failLogin(newcomer, 'The session was logged out')
  }
}
