// SPDX-License-Identifier: Apache-2.0
// What is done when the target speaks unasked: log out, let a connection go, negotiate anew, answer (RFC 7143, 11.9).
import { TransportError } from '@lunkit/initiator-core'
import { AsyncEvent, asyncEventText, RESERVED_TAG } from '@lunkit/spec'
import type { AsyncMessage, FullFeature } from './full-feature.ts'
import type { Links } from './links.ts'
import { answerByNop } from './nop-answer.ts'
import { renegotiate } from './renegotiate.ts'
import type { SessionEvent } from './session-event.ts'

/** Part of the time for a logout after which it is sent at the latest. */
const IN_TIME = 0.75
/** Longest time that commands under way are given before a logout that the target asks for, in ms. */
const LONGEST_MS = 10_000

/** `leave` is called where the connection is to be logged out, with the ms that commands may still take. */
export function obeyMessage(
  feature: FullFeature,
  { event, lun, parameter1, parameter2, parameter3 }: AsyncMessage,
  leave: (limitMs: number) => void,
): void {
  switch (event) {
    case AsyncEvent.logoutRequested: {
      const limitMs = Math.min(parameter3 * 1000 * IN_TIME, LONGEST_MS)
      const leavesAt = performance.now() + limitMs
      // Asked again, and no earlier: that changes nothing, and each wait would cost.
      if (leavesAt >= feature.leavesAt) break
      feature.leavesAt = leavesAt
      leave(limitMs)
      break
    }
    case AsyncEvent.connectionDropped:
      drop(feature.links, parameter1, parameter2, parameter3)
      break
    case AsyncEvent.sessionDropped:
      for (const { links, cid } of [...feature.links.live]) drop(links, cid, parameter2, parameter3)
      break
    case AsyncEvent.negotiationRequested:
      // Where it fails the target ends the connection, or this side has.
      if (feature.negotiating === null) renegotiate(feature).catch(() => {})
      break
    case AsyncEvent.tasksTerminated:
      // The data that R2Ts have asked for are sent with the R2T: there are none to be held back.
      answerByNop(feature, lun, RESERVED_TAG)
      break
  }
}

/** A CID that the session does not have is no matter of it. */
function drop(links: Links, cid: number, time2Wait: number, time2Retain: number): void {
  const link = links.byCid(cid)
  if (link === null) return
  link.retryAfterMs = time2Wait * 1000
  link.retainMs = time2Retain * 1000
  link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', 'The target drops the connection'))
}

export const messageEvent = ({ event, lun, data }: AsyncMessage): SessionEvent => ({
  type: 'async',
  event,
  text: asyncEventText(event),
  lun,
  sense: data,
})
