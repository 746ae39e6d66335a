// SPDX-License-Identifier: Apache-2.0
// What a fuzz peer does with one connection, and what the target owes it for that.
import type { Peer } from './peer.ts'
import type { Random } from './random.ts'

/**
 * `reject`: a Reject or a closed connection, and a peer-fault event. `login`: a refused login or a closed connection,
 * and an event. `sense`: as `reject`, or CHECK CONDITION. `echo`: the connection still answers a ping. `either`: it does so,
 * or is closed. `nothing`: the peer left by itself, or what it did may have been right.
 */
export type Owed = 'reject' | 'login' | 'sense' | 'echo' | 'either' | 'nothing'

export interface Scenario {
  readonly name: string
  readonly owed: Owed
  /** Which target it is for; the open one if not given. */
  readonly needs?: 'chap'
  /** Throws an Error where the target does not even do what comes before the fault. */
  run(peer: Peer, random: Random): Promise<void> | void
}
