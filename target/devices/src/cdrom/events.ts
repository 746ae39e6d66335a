// SPDX-License-Identifier: Apache-2.0
// Events of GET EVENT STATUS NOTIFICATION: each initiator that polls hears of every one, once and in order.
import type { Nexus } from '@lunkit/target-api'

/** More than that without a poll, and the oldest are forgotten: the last ones say how things are. */
const MOST = 8

export class Events {
  readonly #pending = new Map<Nexus, number[]>()

  /** For all that have polled before; others begin with how things are now. */
  raise(event: number): void {
    for (const events of this.#pending.values()) if (events.push(event) > MOST) events.shift()
  }

  /** Whether this nexus has one to hear of. From its first call on, it hears of all. */
  waits(nexus: Nexus): boolean {
    const events = this.#pending.get(nexus)
    if (events === undefined) this.#pending.set(nexus, [])
    return events !== undefined && events.length > 0
  }

  /** The oldest, which is thereby told; 0 if there is none. */
  take(nexus: Nexus): number {
    return this.#pending.get(nexus)?.shift() ?? 0
  }

  forget(nexus: Nexus): void {
    this.#pending.delete(nexus)
  }
}
