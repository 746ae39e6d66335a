// SPDX-License-Identifier: Apache-2.0
// Responses that must come after all earlier ones of their nexus and before all later ones, on whatever connection (RFC 7143, 4.2.2.3).
import { serialDistance } from './command-window.ts'
import type { Connection } from './connection.ts'
import { sendPing } from './outbound/nop-in.ts'
import type { Session } from './session.ts'

/** A response that the engine has handed over. */
export interface Response {
  /** Decoded; EVERY_LUN for one that concerns them all. */
  readonly lun: number
  readonly fenced: boolean
  /** Sends it; returns the connection where it went. */
  send(): Connection | null
  /** Its session has ended: it is not sent any more. */
  drop(): void
}

export const EVERY_LUN = -1

/** The responses of one session that wait; there is none where nothing is fenced. */
export class ResponseFence {
  readonly #session: Session
  /** In the order in which they were handed over. */
  readonly #waiting: Response[] = []
  /** A fenced one that has been sent, and is not acknowledged. */
  #sent: Response | null = null
  /** What must be acknowledged: by connection, the StatSN that the initiator must expect at least (4.2.2.3.3). */
  readonly #awaited: Map<Connection, number> = new Map()
  /** Those of them that have been asked since. */
  readonly #asked: Set<Connection> = new Set()
  /** Acknowledgements of what went before the first of those that wait are awaited. */
  #noted = false
  /** Clock of the port when acknowledgements were last begun to be awaited, or asked for. */
  #since = 0
  /** What is sent may end connections, which looks again. */
  #looking = false

  constructor(session: Session) {
    this.#session = session
  }

  /** Whether a response that is not fenced itself has to wait here. */
  concerns(lun: number): boolean {
    if (this.#sent !== null && meet(this.#sent.lun, lun)) return true
    return this.#waiting.some(one => meet(one.lun, lun))
  }

  /** Takes a response, which is sent when its turn comes, perhaps at once. */
  add(response: Response): void {
    this.#waiting.push(response)
    this.#hasten()
    this.look()
  }

  /** Something was acknowledged, or a connection has gone: sends what may be sent now. */
  look(): void {
    if (this.#looking) return
    this.#looking = true
    while (this.#areAcknowledged() && this.#step());
    this.#looking = false
    if (this.#sent === null && this.#waiting.length === 0) this.#session.unfenced()
  }

  /**
   * The port's clock has ticked: who acknowledges nothing for so many ticks, although it was asked, does not hold up the
   * others any longer. Where nothing waits nobody is asked, and an initiator may have nothing to say.
   */
  expire(clock: number, ticks: number): void {
    if (this.#waiting.length === 0 || clock - this.#since < ticks) return
    const { port, target } = this.#session
    for (const connection of [...this.#awaited.keys()]) {
      // Where a rehearsal has cut the way, it is for the initiator to notice.
      if (connection.obstacle !== null) continue
      port.observe({
        type: 'answers-not-read',
        target: target?.name ?? '',
        initiator: connection.initiator,
        address: connection.address,
        cid: connection.cid,
        bytes: connection.out.queued,
        ms: port.settings.limits.responseTimeoutMs,
      })
      void connection.end('lost')
    }
  }

  /** The session ends. */
  close(): void {
    this.#awaited.clear()
    this.#sent = null
    for (const one of this.#waiting.splice(0)) one.drop()
  }

  /** What is to be done now that nothing is awaited; false if there is nothing. */
  #step(): boolean {
    this.#sent = null
    const first = this.#waiting[0]
    if (first === undefined) return false
    if (first.fenced && !this.#noted) {
      this.#noted = true
      for (const connection of this.#session.connections.values()) this.#await(connection)
      this.#hasten()
      return true
    }
    this.#waiting.shift()
    this.#noted = false
    if (first.fenced) this.#sent = first
    const connection = first.send()
    if (first.fenced && connection !== null) this.#await(connection)
    if (this.#waiting.length > 0) this.#hasten()
    return true
  }

  #await(connection: Connection): void {
    if (connection.over || serialDistance(connection.acknowledged, connection.statSn) >= 0) return
    this.#awaited.set(connection, connection.statSn)
    this.#asked.delete(connection)
    this.#since = this.#session.port.clock
  }

  #areAcknowledged(): boolean {
    for (const [connection, statSn] of this.#awaited) {
      if (connection.over || serialDistance(connection.acknowledged, statSn) >= 0)
        this.#awaited.delete(connection)
    }
    return this.#awaited.size === 0
  }

  /** Connections that may be idle are asked for a sign of life, which acknowledges. */
  #hasten(): void {
    for (const connection of this.#awaited.keys()) {
      if (this.#asked.has(connection)) continue
      this.#asked.add(connection)
      this.#since = this.#session.port.clock
      sendPing(connection)
    }
  }
}

const meet = (one: number, other: number): boolean =>
  one === other || one === EVERY_LUN || other === EVERY_LUN
