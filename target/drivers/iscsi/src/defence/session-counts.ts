// SPDX-License-Identifier: Apache-2.0
// How many sessions one initiator, or one target, may have: looked at once a login is through.
import type { Target } from '@lunkit/target-api'
import type { Limits } from '../options.ts'

interface Counted {
  readonly target: Target | null
  readonly identity: { readonly initiator: string }
  readonly connections: { readonly size: number }
}

/** Why one more session is too many, or null. Discovery sessions are counted for their initiator. */
export function crowd(
  sessions: Iterable<Counted>,
  limits: Limits,
  initiator: string,
  target: Target | null,
): string | null {
  let ofInitiator = 0
  let ofTarget = 0
  for (const session of sessions) {
    // What is only kept for a while makes room where it must.
    if (session.connections.size === 0) continue
    if (session.identity.initiator === initiator) ofInitiator++
    if (target !== null && session.target === target) ofTarget++
  }
  if (ofInitiator >= limits.sessionsPerInitiator) return 'Initiator has too many sessions'
  return ofTarget >= limits.sessionsPerTarget ? 'Target has too many sessions' : null
}
