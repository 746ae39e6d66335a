// SPDX-License-Identifier: Apache-2.0
// The answer to a function that ended many tasks waits until the initiator has acknowledged what other connections answered.
import { serialDistance } from './command-window.ts'
import type { Connection } from './connection.ts'
import { sendPing } from './outbound/nop-in.ts'
import type { Session } from './session.ts'

/** What must be acknowledged: by connection, the StatSN that the initiator must expect at least (RFC 7143, 4.2.2.3.3). */
export class Fence {
  readonly #awaited: Map<Connection, number> = new Map()
  readonly #then: () => void
  /** What waited may end connections, which looks at all fences again. */
  #lifted = false

  constructor(session: Session, own: Connection, then: () => void) {
    this.#then = then
    for (const connection of session.connections.values()) {
      if (connection === own || connection.over) continue
      if (serialDistance(connection.acknowledged, connection.statSn) >= 0) continue
      this.#awaited.set(connection, connection.statSn)
    }
  }

  /** Connections that may be idle are asked for a sign of life, which acknowledges. */
  hasten(): void {
    for (const connection of this.#awaited.keys()) sendPing(connection)
  }

  /** Whether it is lifted now: then what waited has been done. */
  look(): boolean {
    if (this.#lifted) return true
    for (const [connection, statSn] of this.#awaited) {
      if (connection.over || serialDistance(connection.acknowledged, statSn) >= 0)
        this.#awaited.delete(connection)
    }
    if (this.#awaited.size > 0) return false
    this.#lifted = true
    this.#then()
    return true
  }
}

/** Calls `then` when the answers sent so far on the session's other connections are acknowledged; perhaps at once. */
export function fence(session: Session, own: Connection, then: () => void): void {
  const one = new Fence(session, own, then)
  if (one.look()) return
  session.fences.push(one)
  one.hasten()
}

/** Something was acknowledged, or a connection has gone. */
export function liftFences(session: Session): void {
  if (session.fences.length > 0) session.fences = session.fences.filter(one => !one.look())
}
