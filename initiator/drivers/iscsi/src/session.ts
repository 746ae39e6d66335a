// SPDX-License-Identifier: Apache-2.0
// A session with a target: takes commands, spreads them over its connections, and outlives these.
import {
  type CommandRequest,
  type CommandResult,
  InitiatorError,
  type InitiatorSession,
  type Lun,
  type ManagementResponse,
  RequestError,
  type TaskManagement,
  TransportError,
} from '@lunkit/initiator-core'
import { messageEvent, obeyMessage } from './async-message.ts'
import { closeConnection, LOGOUT_MS } from './close-connection.ts'
import { persist, type RecoveryHost, recoverConnection } from './connection-recovery.ts'
import { Drain } from './drain.ts'
import { type Destination, establish } from './establish.ts'
import type { AsyncMessage, FullFeature, FullFeatureHost } from './full-feature.ts'
import type { Links } from './links.ts'
import { LunAddresses } from './lun-addresses.ts'
import { objectionTo } from './objection.ts'
import { type Settled, settleSegmentLength } from './options.ts'
import type { Portal } from './portal.ts'
import { reconnect } from './reconnect.ts'
import { renegotiate } from './renegotiate.ts'
import type { ConnectionReport, SessionSettings } from './settings.ts'
import { asInitiatorError, closedError, lostError, sortOut, unsure } from './sort-out.ts'
import { Task } from './task.ts'
import { abortTask, manageTasks } from './task-management.ts'
import { TaskQueue } from './task-queue.ts'
import { timeoutError, Watch } from './watch.ts'
import { within } from './within.ts'

/** Wait for commands under way when a session or a connection is closed. */
const DRAIN_MS = 10_000
/** Logins of a connection that takes the place of another. */
const REPLACEMENT_TRIES = 10

type State = 'opening' | 'ready' | 'recovering' | 'closing' | 'closed'

export class Session implements InitiatorSession, FullFeatureHost, RecoveryHost {
  readonly target: string
  readonly queueDepth: number
  #options: Settled
  readonly #luns = new LunAddresses()
  readonly #queue = new TaskQueue()
  readonly #ended = new AbortController()
  readonly #drain = new Drain()
  #destination: Destination
  #state: State = 'opening'
  /** The connections; null while there is no session at the target. */
  #links: Links | null = null
  #settings: SessionSettings | null = null
  #watch: Watch | null = null
  /** Tries to reconnect since a command was last completed. */
  #attempt = 0
  #closing: Promise<void> | null = null
  #failure: unknown = null

  private constructor(destination: Destination, options: Settled) {
    this.#destination = destination
    this.#options = options
    this.target = destination.target ?? ''
    this.queueDepth = options.queueDepth
  }

  /** Connects and logs in. Rejects with a LoginError, a TransportError or the reason of the options' signal. */
  static async open(destination: Destination, options: Settled): Promise<Session> {
    const session = new Session(destination, options)
    const { feature, home } = await establish(destination, options, session)
    session.#begin(feature, home)
    options.onEvent({ type: 'connected', portal: feature.connection.portal })
    await session.#widen(feature.links)
    return session
  }

  /** Where the session is connected at present, or was last. */
  get portal(): Portal {
    return this.#links?.live[0]?.connection.portal ?? this.#destination.portal
  }

  /** What was agreed on in the last login that began the session. */
  get settings(): SessionSettings {
    return this.#settings!
  }

  /** The connections at present. */
  get connections(): readonly ConnectionReport[] {
    const report = ({ cid, connection: { portal }, inFlight, settings }: FullFeature): ConnectionReport => {
      return { cid, portal, inFlight, settings }
    }
    return this.#links?.live.map(report) ?? []
  }

  execute(request: CommandRequest): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const isOver = this.#state === 'closing' || this.#state === 'closed'
      const objection = isOver ? this.#closedError() : objectionTo(request)
      if (objection !== null) return reject(objection)
      const timeoutMs = request.timeoutMs ?? this.#options.commandTimeoutMs
      const task = new Task(request, this.#luns.bytes(request.lun), timeoutMs, resolve, reject)
      const { signal } = task
      if (signal !== null) {
        if (signal.aborted) return reject(signal.reason)
        task.onAbort = () => this.#abort(task, signal.reason)
        signal.addEventListener('abort', task.onAbort, { once: true })
      }
      const link = this.#links !== null && this.#queue.isEmpty ? this.#links.free() : null
      if (link !== null) link.start(task)
      else this.#queue.push(task)
    })
  }

  #closedError(): TransportError {
    return closedError(this.target, this.#failure)
  }

  /** Round trip of a NOP-Out in ms. */
  async ping(): Promise<number> {
    const start = performance.now()
    await this.#now().exchanges.ping()
    return performance.now() - start
  }

  async manage(action: TaskManagement, lun: Lun): Promise<ManagementResponse> {
    const link = this.#now()
    const bytes = this.#luns.bytes(lun)
    const response = await manageTasks(link, action, bytes, (task, reason) => this.#abort(task, reason))
    this.ready(link)
    return response
  }

  /**
   * Declares anew, on every connection, how long data segments may be that this side receives, and takes what the target
   * declares (RFC 7143, 11.10 and 13.12).
   */
  async renegotiate(maxRecvDataSegmentLength?: number): Promise<void> {
    const { live } = this.#now().links
    if (maxRecvDataSegmentLength !== undefined) {
      // Connections that are made later declare the same.
      this.#options = { ...this.#options, ...settleSegmentLength(maxRecvDataSegmentLength) }
    }
    await Promise.all(live.map(link => renegotiate(link, maxRecvDataSegmentLength)))
  }

  /**
   * Closes one of several connections: commands on it end, others go on (RFC 7143, 11.14.1). Rejects with a RequestError if
   * there is none of this CID, or no other one.
   */
  async closeConnection(cid: number): Promise<void> {
    const { links } = this.#now()
    const link = links.byCid(cid)
    if (link === null || link.leaving || links.isLast(link)) {
      const why = link === null ? 'the session has none of this CID' : 'the session has no other one'
      throw new RequestError('ARGUMENT_INVALID', `Connection ${cid} cannot be closed: ${why}`)
    }
    await this.#closeLink(link, DRAIN_MS, false)
  }

  async #closeLink(link: FullFeature, limitMs: number, asked: boolean): Promise<void> {
    const ended = await closeConnection(link, this.#drain, limitMs, asked)
    if (ended === null) return
    this.#options.onEvent({ type: 'connection-closed', cid: link.cid })
    const closed = lostError('it was closed while commands were under way')
    this.#queue.unshift(sortOut(ended, closed, false, this.#options.reconnect.attempts))
    this.ready(link)
  }

  #now(): FullFeature {
    const link = this.#links?.leastLoaded() ?? this.#links?.live[0]
    if (link !== undefined) return link
    if (this.#state === 'closed') throw this.#closedError()
    throw new TransportError('TRANSPORT_CONNECTION_LOST', `The session with ${this.target} is reconnecting`)
  }

  #abort(task: Task, reason: unknown): void {
    const { link } = task
    if (task.state === 'waiting' || link === null) {
      task.fail(reason)
      return
    }
    if (task.state !== 'sent') return
    task.state = 'ending'
    task.reason = reason
    // Where its connection is lost, it is aborted when it is recovered.
    if (link.gone === null) this.abortAgain(task)
  }

  abortAgain(task: Task): void {
    abortTask(task, link => this.ready(link))
  }

  #begin(feature: FullFeature, home: Portal): void {
    if (feature.gone !== null) throw feature.gone
    const { links } = feature
    links.add(feature)
    this.#destination = { ...this.#destination, portal: home }
    this.#links = links
    this.#settings = feature.settings
    this.#state = 'ready'
    this.#watch = new Watch(links, this.#queue, this.#options, task => this.#abort(task, timeoutError(task)))
    this.ready(feature)
  }

  /** Adds the connections that are wished and granted; works without those that cannot be had. */
  async #widen(links: Links): Promise<void> {
    const wanted = Math.min(this.#options.connections, links.settings!.maxConnections)
    const missing = Math.max(0, wanted - links.live.length)
    await Promise.all(Array.from({ length: missing }, () => this.#addLink(links)))
  }

  /** Tries so often where one has to take the place of another, which the target may not have let go yet. */
  async #addLink(links: Links, tries = 1): Promise<void> {
    const cid = links.takeCid()
    try {
      const { connection } = await persist(() => this.#login(links, cid, 0), tries, links.signal)
      this.#options.onEvent({ type: 'connection-added', cid, portal: connection.portal })
    } catch (error) {
      links.freeCid(cid)
      if (links.signal.aborted || this.#links !== links) return
      this.#options.onEvent({ type: 'connection-refused', cid, error: asInitiatorError(error) })
    }
  }

  join(cid: number, expStatSn: number): Promise<FullFeature> {
    return this.#login(this.#links!, cid, expStatSn)
  }

  async #login(links: Links, cid: number, expStatSn: number): Promise<FullFeature> {
    const signal = AbortSignal.any([links.signal, this.#ended.signal])
    const destination = { ...this.#destination, portal: this.portal }
    const { feature } = await establish(destination, this.#options, this, signal, { links, cid, expStatSn })
    if (links !== this.#links) feature.end(lostError('the session is over'))
    if (feature.gone !== null) throw feature.gone
    links.add(feature)
    this.ready(feature)
    return feature
  }

  ready({ links }: FullFeature): void {
    if (links !== this.#links) return
    while (!this.#queue.isEmpty) {
      const link = links.free()
      if (link === null) break
      const task = this.#queue.shift()
      if (task === null) break
      link.start(task)
    }
    this.#drain.look()
  }

  lost(feature: FullFeature, error: TransportError): void {
    const { links, cid, inFlight } = feature
    if (!links.remove(feature) || links !== this.#links) return
    const isUp = (this.#state === 'ready' || this.#state === 'closing') && !links.loggedOut
    // What a target has sent in a wrong form ends all connections (RFC 7143, 7.7).
    const isSound = error.code !== 'TRANSPORT_PROTOCOL'
    if (links.level < 2 || !isUp || !isSound || !links.getsOn()) {
      this.#lose(links, error, feature.retryAfterMs)
      return
    }
    this.#options.onEvent({ type: 'connection-lost', cid, error, inFlight })
    recoverConnection(feature, this).then(
      ({ reassigned, retried, instead }) => {
        this.#options.onEvent({ type: 'connection-recovered', cid, reassigned, retried })
        this.ready(feature)
        if (instead !== null) return
        links.freeCid(cid)
        if (this.#state === 'ready' && !feature.leaving) void this.#addLink(links, REPLACEMENT_TRIES)
      },
      failure => {
        const cause = failure instanceof InitiatorError ? lostError(failure.message, failure) : error
        if (links === this.#links && !links.loggedOut) this.#lose(links, cause, feature.retryAfterMs)
      },
    )
  }

  vanished(task: Task, error: TransportError, ran: boolean): void {
    if (task.state === 'ending') task.fail(task.reason)
    else if (!ran || (task.repeatable && task.outLength === 0)) {
      task.restart()
      this.#queue.unshift([task])
    } else task.fail(unsure(error))
  }

  /** The session at the target is lost: all tasks are, and a new session takes its place. */
  #lose(links: Links, error: TransportError, notBeforeMs: number): void {
    this.#watch?.stop()
    this.#links = null
    links.end(error)
    const ended = new TransportError(error.code, error.message, { cause: error })
    for (const link of links.live.splice(0)) link.end(ended)
    if (links.completed > 0) this.#attempt = 0
    const { attempts } = this.#options.reconnect
    const final = this.#state === 'closing' || this.#attempt >= attempts
    const inFlight = links.tasks.size
    const repeat = sortOut(links.tasks, error, final, attempts)
    this.#options.onEvent({ type: 'lost', error, inFlight })
    if (this.#state === 'closing') {
      this.#drain.look()
      return
    }
    this.#queue.unshift(repeat)
    this.#state = 'recovering'
    if (final) this.#giveUp(error)
    else this.#recover(Math.max(0, notBeforeMs), repeat.length).catch(failure => this.#giveUp(failure))
  }

  async #recover(notBeforeMs: number, repeated: number): Promise<void> {
    const signals = [this.#ended.signal, this.#options.signal].filter(one => one !== null)
    const signal = AbortSignal.any(signals)
    const first = this.#attempt + 1
    const done = await reconnect(this.#destination, this.#options, this, signal, first, notBeforeMs)
    if (this.#state !== 'recovering') return done.feature.connection.drop()
    this.#attempt = done.attempt
    if (done.feature.gone !== null) return this.#recover(0, repeated)
    this.#options.onEvent({
      type: 'reconnected',
      portal: done.feature.connection.portal,
      attempt: done.attempt,
      repeated,
    })
    this.#begin(done.feature, done.home)
    await this.#widen(done.feature.links)
  }

  #giveUp(failure: unknown): void {
    if (this.#state !== 'recovering') return
    this.#failure = failure
    this.#state = 'closed'
    for (const task of this.#queue.clear()) task.fail(this.#closedError())
    this.#options.onEvent({ type: 'gave-up', error: asInitiatorError(failure) })
  }

  message(feature: FullFeature, message: AsyncMessage): void {
    this.#options.onEvent(messageEvent(message))
    obeyMessage(feature, message, limitMs => void this.#leave(feature, limitMs))
  }

  /** The target wants a connection to be logged out: another one, or another session, takes its place. */
  async #leave(feature: FullFeature, limitMs: number): Promise<void> {
    const { links, leaving } = feature
    feature.leaving = true
    // The last connection takes the session with it, and so the commands of those that are on their way out as well.
    const isEmpty = (): boolean => (links.isLast(feature) ? links.tasks.size : feature.inFlight) === 0
    await this.#drain.wait(isEmpty, limitMs)
    if (leaving || (this.#state === 'closing' && links.isLast(feature))) {
      // It is closed already, as soon as commands have ended: not later than now.
      feature.isLate = true
      return this.#drain.look()
    }
    if (links !== this.#links || links.loggedOut) return
    if (!links.isLast(feature)) {
      await this.#closeLink(feature, 0, true)
      if (links === this.#links && this.#state === 'ready') await this.#addLink(links, REPLACEMENT_TRIES)
      return
    }
    await within(feature.exchanges.logout(), LOGOUT_MS)
    if (feature.gone !== null) return
    // The target has forgotten the session: there is nothing to recover.
    links.remove(feature)
    feature.end(lostError('the target asked for a logout'))
    this.#lose(links, lostError('the target asked for a logout'), -1)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#state === 'closed') return
    const links = this.#links
    this.#state = 'closing'
    if (links !== null) {
      const isOver = (): boolean => this.#links === null || links.live.some(link => link.isLate)
      await this.#drain.wait(() => isOver() || (links.tasks.size === 0 && this.#queue.isEmpty), DRAIN_MS)
      this.#watch?.stop()
      // What is still on its way into the session stays out of it.
      links.end(this.#closedError())
      const link = this.#links?.live[0]
      if (link !== undefined) await within(link.exchanges.logout(), LOGOUT_MS)
      this.#links = null
      for (const one of links.live.splice(0)) one.end(this.#closedError())
      for (const task of links.tasks) task.fail(this.#closedError())
    }
    this.#state = 'closed'
    this.#ended.abort(this.#closedError())
    for (const task of this.#queue.clear()) task.fail(this.#closedError())
    this.#options.onEvent({ type: 'closed' })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
