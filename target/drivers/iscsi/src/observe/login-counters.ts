// SPDX-License-Identifier: Apache-2.0
// What a port counts of its logins: how many there were, what became of them, and why the others failed.

/** Different reasons that are told apart; what is beyond is counted as one. */
const MOST = 64
const OTHERS = 'Other reasons'

/** Numbers since the port was opened. */
export class LoginCounters {
  /** TCP connections taken. */
  accepted = 0
  /** Logins that began a session: normal and discovery. */
  sessions = 0
  discoveries = 0
  /** Logins that took the place of an older session of the same initiator port (session reinstatement). */
  reinstatements = 0
  /** Logins that added a connection to a session; and that took the place of one with the same CID. */
  joined = 0
  reconnects = 0
  /** Logins that were sent to other addresses. */
  redirected = 0
  /** Logins that were refused or broken off. */
  failed = 0
  readonly #reasons: Map<string, number> = new Map()

  /** `reason` is one of a few: never words of the peer. */
  fail(reason: string): void {
    this.failed++
    const known = this.#reasons.has(reason) || this.#reasons.size < MOST
    const key = known ? reason : OTHERS
    this.#reasons.set(key, (this.#reasons.get(key) ?? 0) + 1)
  }

  report(portalGroup: number): LoginReport {
    const { accepted, sessions, discoveries, reinstatements, joined, reconnects, redirected, failed } = this
    const reasons = Object.fromEntries(this.#reasons)
    return {
      portalGroup,
      accepted,
      sessions,
      discoveries,
      reinstatements,
      joined,
      reconnects,
      redirected,
      failed,
      reasons,
    }
  }
}

/** Logins of one port since it was opened; `reasons` counts the failed ones by what the initiator was told. */
export interface LoginReport {
  readonly portalGroup: number
  /** TCP connections taken; those that are in none of the other numbers have not logged in, or not yet. */
  readonly accepted: number
  /** Logins that began a session. */
  readonly sessions: number
  readonly discoveries: number
  /** Sessions that took the place of an older one. */
  readonly reinstatements: number
  /** Connections that joined a session, and those of them that took the place of another. */
  readonly joined: number
  readonly reconnects: number
  /** Logins that were sent to other addresses. */
  readonly redirected: number
  readonly failed: number
  readonly reasons: Readonly<Record<string, number>>
}
