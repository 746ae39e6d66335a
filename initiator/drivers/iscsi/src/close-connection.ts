// SPDX-License-Identifier: Apache-2.0
// Takes one of several connections out of a session in order (RFC 7143, 11.14).
import { TransportError } from '@lunkit/initiator-core'
import { LogoutReason } from '@lunkit/spec'
import type { Drain } from './drain.ts'
import type { FullFeature } from './full-feature.ts'
import { within } from './within.ts'

/** Wait for the answer to a logout. */
export const LOGOUT_MS = 2000

/**
 * Lets commands of the connection end for so long, logs it out and closes it. Returns false if it was lost before that,
 * which the session has been told then.
 */
export async function closeConnection(link: FullFeature, drain: Drain, limitMs: number): Promise<boolean> {
  const { links, cid } = link
  link.leaving = true
  await drain.wait(() => link.inFlight === 0, limitMs)
  if (link.gone === null && link.inFlight === 0) {
    await within(link.exchanges.logout(LogoutReason.closeConnection, cid), LOGOUT_MS)
  }
  if (link.gone !== null) return false
  if (link.inFlight > 0) {
    // They are recovered, or lost with it, as the level says.
    const why = 'The connection had to be closed while commands were under way'
    link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', why))
    return false
  }
  links.remove(link)
  links.freeCid(cid)
  link.end(new TransportError('TRANSPORT_CLOSED', 'The connection is closed'))
  return true
}
