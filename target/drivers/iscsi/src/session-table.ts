// SPDX-License-Identifier: Apache-2.0
// The sessions of a port: their numbers, which of them owns which nexus, and the tasks of ended ones.
import type { Connection, EndCause } from './connection.ts'
import { CLEARED } from './end-tasks.ts'
import type { Login } from './login/login.ts'
import type { IscsiTargetPort } from './port.ts'
import type { Session } from './session.ts'
import { within } from './time-limit.ts'

/** Who has a nexus, or will have it: a session, or the connection whose login waits for the session before it. */
interface NexusOwner {
  readonly drained: Promise<void>
  end(cause: EndCause): Promise<void>
}

export class SessionTable {
  readonly #port: IscsiTargetPort
  readonly #sessions: Map<number, Session> = new Map()
  /** By initiator port and target, or what stands for that in discovery. */
  readonly #owners: Map<string, NexusOwner> = new Map()
  readonly #draining: Set<Promise<void>> = new Set()
  #lastTsih = 0
  #discoveries = 0

  constructor(port: IscsiTargetPort) {
    this.#port = port
  }

  /** By TSIH. */
  get byTsih(): ReadonlyMap<number, Session> {
    return this.#sessions
  }

  /** The session that a login with a TSIH wants to join, or null. */
  find(initiator: string, isid: string, tsih: number): Session | null {
    const session = this.#sessions.get(tsih)
    if (session === undefined || session.ended || session.draining !== null) return null
    return session.identity.initiator === initiator && session.identity.isid === isid ? session : null
  }

  /**
   * Makes an authenticated connection the owner of its nexus and ends the one that was. Null: the nexus is free now.
   * Else resolves with whether it has become free in time (RFC 7143, 6.3.5).
   */
  claim(connection: Connection, login: Login): Promise<boolean> | null {
    const key = ownerKey(connection, login)
    const before = this.#owners.get(key)
    connection.nexusKey = key
    this.#owners.set(key, connection)
    if (before === undefined) return null
    this.#port.watch.counters.reinstatements++
    connection.drained = before.end('replaced')
    return within(connection.drained, this.#port.settings.limits.replaceTimeoutMs)
  }

  /** The owner has gone; until its tasks are gone too it stays the owner, so that a new login waits for them. */
  release(owner: NexusOwner, key: string | null): void {
    if (key === null || this.#owners.get(key) !== owner) return
    void owner.drained.then(() => {
      if (this.#owners.get(key) === owner) this.#owners.delete(key)
    })
  }

  /** A number for a new session, or 0 if there may be no more. */
  newTsih(discovery: boolean): number {
    const { limits } = this.#port.settings
    if (this.#sessions.size >= limits.sessions && !this.#evict()) return 0
    if (discovery && this.#discoveries >= limits.discoverySessions) return 0
    do this.#lastTsih = (this.#lastTsih % 0xffff) + 1
    while (this.#sessions.has(this.#lastTsih))
    return this.#lastTsih
  }

  /** Ends the oldest session that has lost all its connections and is only kept for a while; false if there is none. */
  #evict(): boolean {
    for (const session of this.#sessions.values()) {
      if (session.connections.size > 0) continue
      void session.end('lost')
      return true
    }
    return false
  }

  /** A new session begins with a connection that claimed its nexus. */
  admit(session: Session): void {
    this.#sessions.set(session.identity.tsih, session)
    this.#port.keepAlive.attend(session)
    if (session.nexusKey !== null) this.#owners.set(session.nexusKey, session)
    const logins = this.#port.watch.counters
    if (session.target === null) {
      this.#discoveries++
      logins.discoveries++
    } else logins.sessions++
    this.#port.observe({
      type: 'session-opened',
      target: session.target?.name ?? '',
      initiator: session.identity.initiator,
      address: session.address,
      kind: session.target === null ? 'discovery' : 'normal',
    })
  }

  /** Takes a session out that has ended; resolves when its tasks have let go of their stores. */
  close(session: Session, cause: EndCause): Promise<void> {
    this.#sessions.delete(session.identity.tsih)
    this.#port.keepAlive.attend(session)
    if (session.target === null) this.#discoveries--
    this.#port.observe({
      type: 'session-closed',
      target: session.target?.name ?? '',
      initiator: session.identity.initiator,
      address: session.address,
      cause,
    })
    const drained = this.drain(session)
    this.release(session, session.nexusKey)
    this.#port.changed()
    return drained
  }

  /** Ends all tasks of a session, once. */
  drain(session: Session): Promise<void> {
    if (session.draining !== null) return session.draining
    const { nexus } = session
    session.nexus = null
    session.window.clear()
    session.recovery?.close()
    session.fence?.close()
    if (nexus === null) session.draining = Promise.resolve()
    else {
      const draining = this.#port.engine.closeNexus(nexus, CLEARED)
      session.draining = draining
      this.#draining.add(draining)
      void draining.then(() => this.#draining.delete(draining))
    }
    return session.draining
  }

  /** Resolves when the tasks of all ended sessions have let go of their stores. */
  async drained(): Promise<void> {
    await Promise.all(this.#draining)
  }
}

/**
 * A session is the only one with its key (RFC 7143, 4.4.3). In discovery the portal stands for a target that is not named
 * (7.4.2.1), and no session ends a normal one: who may discover need not be who may use the target.
 */
function ownerKey({ localAddress, socket }: Connection, login: Login): string {
  const port = `${login.initiator} ${login.first!.isid}`
  if (!login.discovery) return `${port} ${login.target!.name}`
  return `discovery ${port} ${login.targetName || `${localAddress}:${socket.localPort}`}`
}
