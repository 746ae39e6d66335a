// SPDX-License-Identifier: Apache-2.0
// Takes one of several connections out of a session in order (RFC 7143, 11.14).
import { TransportError } from '@lunkit/initiator-core'
import { LogoutReason, LogoutResponse } from '@lunkit/spec'
import type { Drain } from './drain.ts'
import type { FullFeature } from './full-feature.ts'
import type { Task } from './task.ts'
import { within } from './within.ts'

/** Wait for the answer to a logout. */
export const LOGOUT_MS = 2000

/**
 * Lets commands of the connection end for so long, logs it out and closes it, at all events where the target has `asked`
 * for that. Resolves to the commands that the target has ended with it; or to null if the connection was lost before, or
 * had to be given up, which the session has been told then.
 */
export async function closeConnection(
  link: FullFeature,
  drain: Drain,
  limitMs: number,
  asked: boolean,
): Promise<Task[] | null> {
  const { links, cid } = link
  link.leaving = true
  await drain.wait(() => link.inFlight === 0 || link.isLate, limitMs)
  if (link.gone !== null) return null
  // At level 2 what is left is not ended, but goes on elsewhere, if nobody wants this logout (RFC 7143, 11.9.1).
  const isOrderly = asked || link.isLate || link.inFlight === 0 || links.level < 2
  const answer = isOrderly
    ? await within(link.exchanges.logout(LogoutReason.closeConnection, cid), LOGOUT_MS)
    : null
  if (link.gone !== null) return null
  if (link.inFlight > 0 && answer?.response !== LogoutResponse.closed) {
    const why = 'The connection had to be closed while commands were under way'
    link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', why))
    return null
  }
  links.remove(link)
  links.freeCid(cid)
  const ended = handOver(link)
  link.end(new TransportError('TRANSPORT_CLOSED', 'The connection is closed'))
  return ended
}

/** Commands that the target has not taken in are sent on another connection, so that none waits for their numbers. */
function handOver(link: FullFeature): Task[] {
  const { links } = link
  const ended: Task[] = []
  for (const task of [...links.tasksOf(link)]) {
    const other = links.leastLoaded()
    if (other !== null && !links.window.acknowledged(task.cmdSn)) {
      if (task.state === 'sent') {
        other.resume(task)
        continue
      }
      // Nobody waits for it any more: something else has its number.
      other.exchanges.ping(task.cmdSn).catch(() => undefined)
    }
    link.forget(task)
    ended.push(task)
  }
  return ended
}
