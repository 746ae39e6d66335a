// SPDX-License-Identifier: Apache-2.0
// What an operator may do with the sessions of a running port: send messages, drain, drop, redirect, rehearse.
import { AsyncEvent, FIRST_VENDOR_EVENT, LUN_MAX } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { ASYNC_DATA_BYTES, sendAsyncMessage } from '../outbound/async-message.ts'
import type { IscsiTargetPort } from '../port.ts'
import type { Session } from '../session.ts'
import { askToLogOut, type Drained, drainSessions, dropSession, MOST_SECONDS } from './drain.ts'
import {
  type LoginFacts,
  type Moved,
  type Redirect,
  type RedirectDecision,
  readRedirect,
} from './redirect.ts'
import { type RehearsalOptions, type RehearsalSelection, Rehearsals } from './rehearsal.ts'
import { type SessionSelection, selected } from './selection.ts'

/** Longest sense data (SPC). */
const SENSE_BYTES = 252

/** An event of a vendor (RFC 7143, 11.9.1 and 11.9.2). */
export interface VendorEvent {
  /** 248 to 255; 255 if not given. */
  readonly event?: number
  /** AsyncVCode, 0 to 255. */
  readonly code: number
  /** Up to 510 bytes. */
  readonly data?: Uint8Array
}

/**
 * Calls on the sessions of a port. Each takes a selection, all sessions if not given, and those that only count tell how
 * many sessions were meant. All throw (or reject with) OperatorError on values out of range.
 */
export class Control {
  readonly #port: IscsiTargetPort
  /** By target; the empty name stands for all. */
  readonly #moved: Map<string, Moved> = new Map()
  readonly #closed: Set<string> = new Set()
  #decision: RedirectDecision | null = null
  readonly rehearsals: Rehearsals

  constructor(port: IscsiTargetPort) {
    this.#port = port
    this.rehearsals = new Rehearsals(port)
    const { redirect, redirects } = port.settings
    if (redirect !== null) this.redirect(redirect)
    for (const [target, to] of Object.entries(redirects)) this.redirect(to, target)
  }

  // ---- Who is let in ----

  /** From now on sends new sessions of a target (of all, if not given) elsewhere; null ends that. */
  redirect(to: Redirect | RedirectDecision | null, target = ''): void {
    if (typeof to === 'function' && target !== '')
      throw new OperatorError('REDIRECT', 'A function decides for all targets of a port')
    const moved = to === null || typeof to === 'function' ? null : readRedirect(to)
    if (moved === null) this.#moved.delete(target)
    else this.#moved.set(target, moved)
    if (target === '') this.#decision = typeof to === 'function' ? to : null
  }

  /** Lets initiators in again after a drain of the target (of all). */
  readmit(target = ''): void {
    this.#closed.delete(target)
  }

  /** Where a login is to go; null lets it in. May throw and reject. */
  movedFor(login: LoginFacts): Moved | null | Promise<Moved | null> {
    const fixed = this.#moved.get(login.target) ?? this.#moved.get('')
    if (fixed !== undefined || this.#decision === null) return fixed ?? null
    const decided = this.#decision(login)
    return decided instanceof Promise ? decided.then(movedOf) : movedOf(decided)
  }

  /** Whether a drain keeps new sessions out: of one target, or (empty name) of those that do discovery. */
  isClosed(target: string): boolean {
    return this.#closed.has('') || (target !== '' && this.#closed.has(target))
  }

  /** Whether a login may still be sent elsewhere. */
  mayMove(target: string): boolean {
    return this.#decision !== null || this.#moved.has(target) || this.#moved.has('')
  }

  // ---- Ends ----

  /**
   * Asks the initiators to log out, and drops what is left after `seconds`. New sessions are kept out meanwhile and
   * afterwards, until `readmit`, where a whole target or the whole port is drained; they are told to try again later, or
   * redirected.
   */
  async drain(seconds: number, which: SessionSelection = {}): Promise<Drained> {
    inRange('Seconds of a drain', seconds, MOST_SECONDS, false)
    const { target = '', initiator, isid, tsih } = which
    if (initiator === undefined && isid === undefined && tsih === undefined) this.#closed.add(target)
    return drainSessions(this.#port, selected(this.#port, which), seconds * 1000)
  }

  /** Drops sessions at once; their initiators may come back after `wait` seconds. */
  drop(which: SessionSelection = {}, wait = 0): number {
    inRange('Seconds to wait', wait, MOST_SECONDS)
    const sessions = selected(this.#port, which)
    for (const session of sessions) dropSession(session, wait)
    return sessions.length
  }

  /**
   * Drops one connection of each session, that with this CID; below error recovery level 2 its session ends with it.
   * Tells how many connections that were.
   */
  dropConnection(cid: number, which: SessionSelection = {}, wait?: number): number {
    if (wait !== undefined) inRange('Seconds to wait', wait, MOST_SECONDS)
    let dropped = 0
    for (const session of selected(this.#port, which)) {
      const connection = session.connections.get(cid)
      if (connection === undefined) continue
      dropped++
      sendAsyncMessage(connection, AsyncEvent.connectionDropped, {
        parameter1: cid,
        parameter2: wait ?? session.parameters.time2Wait,
        parameter3: session.parameters.time2Retain,
      })
      void connection.end('lost', true)
    }
    return dropped
  }

  // ---- Messages ----

  /** Asks for a logout within `seconds`, and does nothing if none comes. */
  askLogout(seconds: number, which: SessionSelection = {}): number {
    inRange('Seconds to log out in', seconds, MOST_SECONDS)
    return this.#each(which, session => askToLogOut(session, seconds))
  }

  /** Asks for a text request within `seconds`, on each connection. */
  askNegotiation(seconds: number, which: SessionSelection = {}): number {
    inRange('Seconds to negotiate in', seconds, MOST_SECONDS)
    return this.#each(which, ({ connections }) => {
      for (const connection of connections.values())
        sendAsyncMessage(connection, AsyncEvent.negotiationRequested, { parameter3: seconds })
    })
  }

  /** Tells an event of a vendor. */
  tellVendorEvent(
    { event = AsyncEvent.vendorSpecific, code, data }: VendorEvent,
    which: SessionSelection = {},
  ): number {
    if (!Number.isInteger(event) || event < FIRST_VENDOR_EVENT || event > AsyncEvent.vendorSpecific)
      throw new OperatorError('ASYNC_EVENT', `Event ${event} is not one of a vendor`, {
        hint: 'give 248 to 255',
      })
    inRange('Vendor code', code, 0xff)
    if (data !== undefined) inRange('Bytes of vendor data', data.length, ASYNC_DATA_BYTES)
    return this.#each(which, ({ anyConnection }) => {
      if (anyConnection !== null)
        sendAsyncMessage(anyConnection, event, { vendorCode: code, ...(data !== undefined && { data }) })
    })
  }

  /** Tells a SCSI asynchronous event: sense data of a LUN as the initiator numbers it. */
  tellSense(lun: number, sense: Uint8Array, which: SessionSelection = {}): number {
    inRange('LUN', lun, LUN_MAX)
    inRange('Bytes of sense data', sense.length, SENSE_BYTES)
    return this.#each(which, session => {
      const connection = session.anyConnection
      if (session.nexus !== null && connection !== null)
        sendAsyncMessage(connection, AsyncEvent.scsiEvent, { lun, sense })
    })
  }

  // ---- Rehearsals ----

  /**
   * Lets connections behave as if their path were lost or slow, from now on and for new ones: those of the whole port if
   * nothing is selected, which then are met before they log in. The function that is returned ends it.
   */
  rehearse(options: RehearsalOptions, which: RehearsalSelection = {}): () => void {
    return this.rehearsals.begin(options, which)
  }

  #each(which: SessionSelection, act: (session: Session) => void): number {
    const sessions = selected(this.#port, which)
    sessions.forEach(act)
    return sessions.length
  }
}

/** What an operator may call of it. */
export type PortControl = Pick<
  Control,
  | 'redirect'
  | 'readmit'
  | 'drain'
  | 'drop'
  | 'dropConnection'
  | 'askLogout'
  | 'askNegotiation'
  | 'tellVendorEvent'
  | 'tellSense'
  | 'rehearse'
>

const movedOf = (redirect: Redirect | null | undefined): Moved | null =>
  redirect === null || redirect === undefined ? null : readRedirect(redirect)

function inRange(what: string, value: number, max: number, whole = true): void {
  if (value >= 0 && value <= max && (!whole || Number.isInteger(value))) return
  throw new OperatorError('LIMIT_VALUE', `${what}: ${value}`, { hint: `give a number from 0 to ${max}` })
}
