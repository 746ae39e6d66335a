// SPDX-License-Identifier: Apache-2.0
// The polite end of sessions: asked to log out, given time, and what is left is told that it is dropped.
import { AsyncEvent } from '@lunkit/spec'
import type { EndCause } from '../connection.ts'
import { askLogout, sendAsyncMessage } from '../outbound/async-message.ts'
import type { IscsiTargetPort } from '../port.ts'
import type { Session } from '../session.ts'
import { within } from '../time-limit.ts'

/** How sessions came to their end. */
export interface Drained {
  /** Sessions that there were. */
  readonly sessions: number
  /** Those of them that had not logged out in time. */
  readonly dropped: number
}

/** How long peers that did not log out may take to hear that they are dropped. */
const LAST_WORDS_MS = 250

/** The longest time that the message can tell, in seconds. */
export const MOST_SECONDS = 0xffff

/**
 * Asks the initiators of these sessions to log out, waits for it, and drops what remains. Commands go on until their
 * session ends.
 */
export async function drainSessions(
  port: IscsiTargetPort,
  sessions: readonly Session[],
  ms: number,
): Promise<Drained> {
  if (sessions.length === 0) return { sessions: 0, dropped: 0 }
  if (ms > 0) {
    for (const session of sessions) askToLogOut(session, Math.ceil(ms / 1000))
    await within(
      port.until(() => sessions.every(session => session.ended)),
      ms,
    )
  }
  const rest = sessions.filter(session => !session.ended)
  const sockets = rest.flatMap(({ connections }) => [...connections.values()].map(({ socket }) => socket))
  for (const session of rest) dropSession(session, 0)
  if (ms > 0 && sockets.length > 0) {
    await within(
      port.until(() => sockets.every(socket => socket.closed)),
      LAST_WORDS_MS,
    )
  }
  return { sessions: sessions.length, dropped: rest.length }
}

/** On each of its connections, as the message is for the connection on which it comes (RFC 7143, 11.9.1). */
export function askToLogOut({ connections }: Session, seconds: number): void {
  for (const connection of connections.values()) {
    if (connection.step('askLogout')) askLogout(connection, Math.min(seconds, MOST_SECONDS))
  }
}

/** Says that all connections are dropped, and drops them; the initiator may come back after `wait` seconds. */
export function dropSession(session: Session, wait: number, cause: EndCause = 'stopped'): void {
  const connection = session.anyConnection
  if (connection !== null) {
    // Nothing is kept of the session: Time2Retain is zero.
    sendAsyncMessage(connection, AsyncEvent.sessionDropped, { parameter2: wait })
  }
  void session.end(cause, true)
}
