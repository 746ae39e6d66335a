// SPDX-License-Identifier: Apache-2.0
// The access table of a running port: asked by operators, and replaced while sessions are in place.
import { isDeepStrictEqual } from 'node:util'
import type { Engine, NexusView } from '@lunkit/target-api'
import { Connection } from '../connection.ts'
import { dropSession } from '../control/drain.ts'
import { IscsiTargetPort } from '../port.ts'
import type { Session } from '../session.ts'
import type { PeerCertificate } from '../tls/certificate.ts'
import { type Explanation, explain } from './explain.ts'
import { arrivalOf, type PortalFacts, type Who } from './facts.ts'
import type { AccessOptions } from './options.ts'
import { AccessTable, type Grant } from './table.ts'

/** Whose view of the targets is asked for. */
export interface AccessQuestion {
  readonly initiator: string
  /** The address that it comes from. */
  readonly address: string
  /** The portal that it comes to; the first of the port if not given. */
  readonly portal?: Partial<PortalFacts>
  readonly user?: string
  readonly certificate?: PeerCertificate
}

/** A session to which new rules mean something. */
export interface SessionChange {
  readonly target: string
  readonly initiator: string
  readonly tsih: number
  /** Why it was ended; empty if it sees or may do something else now. */
  readonly ended: string
}

/** The tables of all iSCSI ports of an engine. */
export const portTables = ({ ports }: Engine): AccessTable[] =>
  ports.flatMap(port => (port instanceof IscsiTargetPort ? port.access.table : []))

export class PortAccess {
  readonly #port: IscsiTargetPort
  #table: AccessTable

  constructor(port: IscsiTargetPort) {
    this.#port = port
    this.#table = port.settings.access
  }

  get table(): AccessTable {
    return this.#table
  }

  /** What an initiator would see of each target, and why: what its login and its discovery are decided by. */
  explain({ initiator, address, portal = {}, user, certificate }: AccessQuestion): Explanation[] {
    const { engine, settings, listeners } = this.#port
    const first = listeners[0]?.portal ?? { host: '', port: 0 }
    const facts = { tag: settings.tpgt, host: first.host, port: first.port, ...portal }
    const who = { initiator, address, portal: facts, certificate: certificate ?? null }
    return explain(this.#table, engine.targets, who, user ?? null)
  }

  /**
   * Puts other rules and accounts in the place of all that there were, at once. Sessions that may no longer be are told
   * so and ended; those that see something else, or may only read it now, hear of that; the others go on. A new secret of
   * a user who stays counts from the next login on. Throws OperatorError, and then nothing has changed.
   */
  set(options: AccessOptions): SessionChange[] {
    const warn = (reason: string): void => this.#port.observe({ type: 'warning', reason })
    const others = portTables(this.#port.engine).filter(one => one !== this.#table)
    this.#table = new AccessTable(options, warn, others)
    this.#restartLogins()
    const changes: SessionChange[] = []
    for (const session of [...this.#port.sessions.values()]) {
      const ended = session.ended ? null : this.#review(session)
      if (ended === null) continue
      const { initiator, tsih } = session.identity
      changes.push({ target: session.target?.name ?? '', initiator, tsih, ended })
    }
    return changes
  }

  /** A login that is under way was decided by what holds no longer, unless it would be decided alike: it has to come anew. */
  #restartLogins(): void {
    for (const newcomer of [...this.#port.pending]) {
      if (!(newcomer instanceof Connection) || newcomer.login === null) continue
      if (newcomer.login.isStillDecided()) continue
      this.#port.failLogin(newcomer, 'Access was changed during the login')
    }
  }

  /** Returns why a session was ended, an empty text if it was changed, or null. */
  #review(session: Session): string | null {
    let view: NexusView = {}
    for (const { who, user } of presences(session)) {
      const grant = this.#grant(session, who, user)
      if (!('view' in grant)) {
        dropSession(session, 0, 'access')
        return grant.reason
      }
      view = grant.view
    }
    const { admission, nexus } = session
    if (isDeepStrictEqual(view, admission.view)) return null
    session.admission = { ...admission, view }
    return nexus !== null && this.#port.engine.changeView(nexus, view) ? '' : null
  }

  #grant({ target }: Session, who: Who, user: string | null): Grant {
    if (target !== null) return this.#table.grant(this.#table.decide(target, who), target, who, user)
    const { discovery } = this.#table
    if (discovery === null || discovery.some(account => account.user === user)) return { view: {} }
    return {
      allowed: false,
      hidden: false,
      rule: 'discovery',
      skipped: [],
      reason: 'Discovery wants another proof',
    }
  }
}

/** Everybody who holds a session: its connections, or who began it where it has none now. */
function presences({ connections, identity, admission }: Session): { who: Who; user: string | null }[] {
  if (connections.size === 0) return [admission]
  return [...connections.values()].map(connection => ({
    who: { initiator: identity.initiator, ...arrivalOf(connection) },
    user: connection.user,
  }))
}
