// SPDX-License-Identifier: Apache-2.0
// How long an NBD store has patience with its server, in turns of its clock.
import type { Call } from './call.ts'
import type { NarrowWrites } from './narrow-writes.ts'
import type { Parked } from './parked.ts'

/** How often the clock is looked at. */
export const TURN_MS = 250

const turnsOf = (ms: number): number => Math.max(Math.ceil(ms / TURN_MS), 1)

export class Patience {
  /** For the answer to a request. */
  readonly answer: number
  /** With a server that is away. */
  readonly away: number

  constructor({ timeoutMs, waitMs }: { readonly timeoutMs: number; readonly waitMs: number }) {
    this.answer = turnsOf(timeoutMs)
    this.away = turnsOf(waitMs)
  }

  /** Calls that have waited too long for a server, lost at `downSince` (-1: it is there), or for another call. */
  over(clock: number, downSince: number, parked: Parked, narrow: NarrowWrites | null): Call[] {
    // What the server had for long when it was lost waits for it as all others do, from the loss on.
    const unsent = downSince > clock - this.away ? [] : parked.since(clock - this.away)
    const stuck = clock - Math.max(this.away, this.answer)
    return [...unsent, ...(narrow?.waiting.filter(({ came }) => came <= stuck) ?? [])]
  }
}
