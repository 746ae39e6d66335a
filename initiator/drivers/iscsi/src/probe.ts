// SPDX-License-Identifier: Apache-2.0
// The probe of a silent connection: a NOP-Out that asks for an answer, and the end if there is none (RFC 7143, 11.18).
import { TransportError } from '@lunkit/initiator-core'
import type { FullFeature } from './full-feature.ts'
import { portalText } from './portal.ts'

/** Silence in ms after which commands in flight look lost, where that can be mended. */
const STALL_MS = 1000

export class Probe {
  readonly #feature: FullFeature
  readonly #intervalMs: number
  #heard = -1
  #quietSince = performance.now()
  #pinged = 0
  #ticksSincePing = 0

  /** `intervalMs` is the silence before a probe, and the time for its answer; 0 for no probes. */
  constructor(feature: FullFeature, intervalMs: number) {
    this.#feature = feature
    this.#intervalMs = intervalMs
  }

  tick(now: number): void {
    if (this.#intervalMs === 0) return
    const { connection, retransmission, inFlight } = this.#feature
    if (connection.heard !== this.#heard) {
      this.#heard = connection.heard
      this.#quietSince = now
      this.#pinged = 0
    } else if (this.#pinged === 0) {
      const stalls = retransmission !== null && inFlight > 0
      if (now - this.#quietSince < (stalls ? Math.min(STALL_MS, this.#intervalMs) : this.#intervalMs)) return
      this.#pinged = now
      this.#ticksSincePing = 0
      this.#ping()
    } else if (++this.#ticksSincePing > 2 && now - this.#pinged >= this.#intervalMs) {
      // Ticks are counted too: after a stall of this process, answers that lie in the socket must be read first.
      const silent = `${portalText(connection.portal)} did not answer a ping in ${this.#intervalMs} ms`
      connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', silent))
    }
  }

  /** The answer tells what the target has taken in: a command before the ping that it has not is missing there. */
  #ping(): void {
    const { exchanges, links, retransmission } = this.#feature
    const due = retransmission === null ? null : this.#feature.oldest(links.window.expCmdSn)
    exchanges.ping().then(
      () => {
        if (due !== null && due.link === this.#feature && due.state !== 'done') this.#feature.retry(due)
      },
      // A lost connection is told to the session by other means.
      () => {},
    )
  }
}
