// SPDX-License-Identifier: Apache-2.0
// Brings a lost session back: connects and logs in with the same ISID until it works or makes no sense any more.
import { setTimeout as wait } from 'node:timers/promises'
import { InitiatorError, TransportError } from '@lunkit/initiator-core'
import { type Destination, type Established, establish, isFinal } from './establish.ts'
import type { FullFeatureHost } from './full-feature.ts'
import type { Settled } from './options.ts'

export interface Reconnected extends Established {
  /** Number of the try that worked, from 1. */
  readonly attempt: number
}

/**
 * Tries from number `first` on; the login with the same initiator name and ISID and a TSIH of zero makes the target end
 * the old session first (session reinstatement, RFC 7143, 6.3.5). Rejects with what the last try failed with.
 */
export async function reconnect(
  destination: Destination,
  options: Settled,
  host: FullFeatureHost,
  signal: AbortSignal,
  first: number,
  notBeforeMs: number,
): Promise<Reconnected> {
  const { attempts, delays } = options.reconnect
  let last: unknown = new TransportError('TRANSPORT_CONNECTION_LOST', 'The session may not reconnect')
  for (let attempt = first; attempt <= attempts; attempt++) {
    const planned = delays[Math.min(attempt, delays.length) - 1]!
    const delayMs = attempt === first ? Math.max(planned, notBeforeMs) : planned
    options.onEvent({ type: 'reconnecting', attempt, attempts, delayMs })
    if (delayMs > 0) await wait(delayMs, undefined, { signal })
    try {
      return { ...(await establish(destination, options, host, signal)), attempt }
    } catch (error) {
      signal.throwIfAborted()
      last = error
      if (isFinal(error) || !(error instanceof InitiatorError)) break
    }
  }
  throw last
}
