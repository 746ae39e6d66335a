// SPDX-License-Identifier: Apache-2.0
// What a connection counts: plain number fields that its road adds to, read when somebody asks.

/** Numbers since the login of one connection, or sums over several; each below 2^53. */
export class ConnectionCounters {
  /** Bytes of the TCP stream from the initiator and to it, and the PDUs in them. */
  bytesIn = 0
  bytesOut = 0
  pdusIn = 0
  pdusOut = 0
  /** SCSI commands that became tasks. */
  commands = 0
  /** Data of commands, in bytes, to the initiator and from it. */
  bytesRead = 0
  bytesWritten = 0
  r2ts = 0
  /** Reject PDUs sent; digests that were wrong; all faults of the peer, these included. */
  rejects = 0
  headerDigestErrors = 0
  dataDigestErrors = 0
  faults = 0
  /** Task management requests, and the ABORT TASKs among them. */
  managements = 0
  aborts = 0
  /** Pings of the initiator; our own, how many of them were answered, and how long that took last and at most. */
  echoes = 0
  pings = 0
  pingsAnswered = 0
  roundTripMs = 0
  longestRoundTripMs = 0
  // Recovery (RFC 7143, 7).
  /** SNACKs that asked for something again; and those that only acknowledged data. */
  snacks = 0
  dataAcks = 0
  /** PDUs sent once more because of a SNACK: Data-In, R2T, and those that carry status. */
  resentData = 0
  resentR2ts = 0
  resentStatus = 0
  /** R2Ts for data that was lost or damaged. */
  recoveryR2ts = 0
  /** Tasks that this connection took over from another (TASK REASSIGN). */
  reassigned = 0
  #pingedAt = 0

  /** Adds another connection's numbers; of round trips the longer one counts. */
  add(other: Readonly<ConnectionCounters>): void {
    for (const name of SUMMED) this[name] += other[name]
    if (other.pingsAnswered > 0) this.roundTripMs = other.roundTripMs
    this.longestRoundTripMs = Math.max(this.longestRoundTripMs, other.longestRoundTripMs)
  }

  pinged(): void {
    this.pings++
    this.#pingedAt = performance.now()
  }

  /** The last ping was answered. */
  answered(): void {
    if (this.#pingedAt === 0) return
    this.pingsAnswered++
    this.roundTripMs = performance.now() - this.#pingedAt
    this.#pingedAt = 0
    if (this.roundTripMs > this.longestRoundTripMs) this.longestRoundTripMs = this.roundTripMs
  }
}

type CounterName = {
  [K in keyof ConnectionCounters]: ConnectionCounters[K] extends number ? K : never
}[keyof ConnectionCounters]

const NOT_SUMMED: ReadonlySet<string> = new Set(['roundTripMs', 'longestRoundTripMs'])
const SUMMED = Object.keys(new ConnectionCounters()).filter(name => !NOT_SUMMED.has(name)) as CounterName[]
