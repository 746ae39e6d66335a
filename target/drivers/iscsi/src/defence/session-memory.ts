// SPDX-License-Identifier: Apache-2.0
// What one session may hold of the process: how its parts add up, and how much of it is held now.
import type { Limits } from '../options.ts'
import type { Session } from '../session.ts'

/** Data that a session's waiting commands may have in any case: that of two commands. */
export const SHARE_BYTES = 524_288
/** Data of requests that came too early, which each session may have in any case; commands may have more while there is room. */
export const PARKED_BYTES = 1024 * 1024
/** Answers kept for recovery, above which no new commands are let in until the initiator acknowledges. */
export const KEPT_BYTES = 16 * 1024 * 1024
/** The same for all sessions of a port together: above, one that keeps more than `SHARE_BYTES` lets nothing in. */
export const ALL_KEPT_BYTES = 128 * 1024 * 1024
/** What a session is given at least, where nothing else is said. */
const USUAL_BYTES = 64 * 1024 * 1024

type Parts = Pick<
  Limits,
  | 'maxConnections'
  | 'maxRecvDataSegmentLength'
  | 'sendQueueBytes'
  | 'textBytes'
  | 'errorRecoveryLevel'
  | 'sessionBytes'
>

/**
 * What the parts of a session take at most if all are full at once: on each connection a PDU that is not whole, a text
 * and the answers at which its requests are not read any more; requests out of order; data of waiting commands that each
 * session may have; answers kept for recovery.
 */
export function partsOfSession(limits: Omit<Parts, 'sessionBytes'>): number {
  const connection = limits.maxRecvDataSegmentLength + limits.textBytes + limits.sendQueueBytes
  const kept = limits.errorRecoveryLevel > 0 ? KEPT_BYTES : 0
  return limits.maxConnections * connection + PARKED_BYTES + SHARE_BYTES + kept
}

/** What a session may hold; where it is not given, as much as its parts need, and no less than is usual. */
export const sessionBytesOf = (limits: Parts): number =>
  limits.sessionBytes === 0 ? Math.max(USUAL_BYTES, partsOfSession(limits)) : limits.sessionBytes

/** What a session holds now. */
export function heldBy({ early, window, recovery, connections }: Session): number {
  let bytes = early + window.parkedBytes + (recovery?.bytes ?? 0)
  for (const { out, text } of connections.values()) bytes += out.queued + (text?.inbox.length ?? 0)
  return bytes
}
