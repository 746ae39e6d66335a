// SPDX-License-Identifier: Apache-2.0
// Rehearsed path loss: connections that are not answered, not read, refused or slow, as an operator wants to try it out.
import { matchesPattern, OperatorError } from '@lunkit/target-api'
import type { Connection } from '../connection.ts'
import type { LoginRequest } from '../login/login.ts'
import type { IscsiTargetPort } from '../port.ts'
import { portalText } from '../portal.ts'
import { Obstacle, type ObstacleMode, resetConnection } from './obstacle.ts'
import type { SessionSelection } from './selection.ts'

export interface RehearsalOptions {
  /**
   * `silence` reads and never answers, `deaf` does not read, `refuse` resets connections and every new one, `delay` looks
   * at what arrives only later.
   */
  readonly mode: ObstacleMode | 'refuse'
  /** Of `delay`: how much later, 1 to 60,000. */
  readonly delayMs?: number
  /** It ends by itself after this time. */
  readonly seconds?: number
}

/** Connections for which all that is given holds. */
export interface RehearsalSelection extends SessionSelection {
  /** `host:port` that the connection came to; IPv6 in brackets. */
  readonly portal?: string
}

interface Rule {
  readonly mode: RehearsalOptions['mode']
  readonly delayMs: number
  readonly which: RehearsalSelection
  /** It needs names, which a connection has from its first login request on. */
  readonly byName: boolean
  timer: NodeJS.Timeout | null
}

const LONGEST_DELAY_MS = 60_000
const LONGEST_SECONDS = 86_400

/** What is rehearsed on a port. */
export class Rehearsals {
  readonly #port: IscsiTargetPort
  readonly #rules: Set<Rule> = new Set()

  constructor(port: IscsiTargetPort) {
    this.#port = port
  }

  /** Begins; the function that is returned ends it. Connections whose bytes were lost meanwhile are reset then. */
  begin(options: RehearsalOptions, which: RehearsalSelection): () => void {
    const { mode, delayMs = 0, seconds } = options
    if (!MODES.has(mode)) {
      throw new OperatorError('REHEARSAL', `'${mode}' is nothing to rehearse`, {
        hint: `give ${[...MODES].join(', ')}`,
      })
    }
    const isInTime =
      mode !== 'delay' || (Number.isInteger(delayMs) && delayMs > 0 && delayMs <= LONGEST_DELAY_MS)
    if (!isInTime || (seconds !== undefined && !(seconds > 0 && seconds <= LONGEST_SECONDS))) {
      throw new OperatorError('REHEARSAL', 'A rehearsal has a time that is out of range', {
        hint: `a delay (delayMs, or ms=N) is 1 to ${LONGEST_DELAY_MS}, seconds at most ${LONGEST_SECONDS}`,
      })
    }
    const { target, initiator, isid, tsih } = which
    const byName = [target, initiator, isid, tsih].some(one => one !== undefined)
    const rule: Rule = { mode, delayMs, which, byName, timer: null }
    this.#rules.add(rule)
    const met = this.#connections().filter(connection => this.#isMet(rule, connection))
    for (const connection of met) this.#apply(rule, connection)
    this.#tell(rule, 'begin', met.length)
    if (seconds !== undefined) rule.timer = setTimeout(() => this.#end(rule), seconds * 1000).unref()
    return () => this.#end(rule)
  }

  endAll(): void {
    for (const rule of [...this.#rules]) this.#end(rule)
  }

  /** A connection has been accepted. */
  accepted(connection: Connection): void {
    for (const rule of this.#rules) {
      if (!rule.byName && this.#isMet(rule, connection)) this.#apply(rule, connection)
    }
  }

  /** A login request has been read, and perhaps told its names: whether it gets no answer. */
  swallows(connection: Connection, request: LoginRequest): boolean {
    for (const rule of this.#rules) {
      if (!rule.byName || connection.obstacle !== null || !this.#isMet(rule, connection, request)) continue
      const obstacle = this.#apply(rule, connection)
      if (rule.mode === 'delay') continue
      obstacle?.mute()
      return true
    }
    return false
  }

  #connections(): Connection[] {
    const { sessions, pending } = this.#port
    const inSessions = [...sessions.values()].flatMap(({ connections }) => [...connections.values()])
    return [...inSessions, ...[...pending].filter(isConnection)]
  }

  #isMet({ which }: Rule, connection: Connection, request: LoginRequest | null = null): boolean {
    const { session, login } = connection
    const first = request ?? login?.first ?? null
    const target = session?.target?.name ?? login?.targetName
    const isid = session?.identity.isid ?? first?.isid
    const tsih = session?.identity.tsih ?? first?.tsih
    const portal = portalText({ host: connection.localAddress, port: connection.socket.localPort ?? 0 })
    return (
      (which.portal === undefined || which.portal === portal) &&
      (which.target === undefined || which.target === target) &&
      (which.initiator === undefined || matchesPattern(which.initiator, connection.initiator)) &&
      (which.isid === undefined || which.isid.toLowerCase() === isid) &&
      (which.tsih === undefined || which.tsih === tsih)
    )
  }

  #apply(rule: Rule, connection: Connection): Obstacle | null {
    if (rule.mode === 'refuse') resetConnection(connection)
    else connection.obstacle ??= new Obstacle(connection, rule.mode, rule.delayMs, rule)
    return connection.obstacle
  }

  #end(rule: Rule): void {
    if (!this.#rules.delete(rule)) return
    if (rule.timer !== null) clearTimeout(rule.timer)
    const met = this.#connections().filter(({ obstacle }) => obstacle?.owner === rule)
    for (const connection of met) connection.obstacle!.lift()
    this.#tell(rule, 'end', met.length)
  }

  #tell({ mode, which }: Rule, phase: 'begin' | 'end', connections: number): void {
    const { target = '', initiator = '', portal = '' } = which
    this.#port.observe({ type: 'path-rehearsal', phase, mode, target, initiator, portal, connections })
  }
}

const MODES: ReadonlySet<string> = new Set(['silence', 'deaf', 'refuse', 'delay'])

const isConnection = (newcomer: object): newcomer is Connection => 'obstacle' in newcomer
