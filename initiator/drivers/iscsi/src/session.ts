// SPDX-License-Identifier: Apache-2.0
// A session with a target: takes commands, keeps them within the window, and outlives its connections.
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
import { AsyncEvent, asyncEventText, IscsiTaskFunction, IscsiTaskResponse } from '@lunkit/spec'
import { type Destination, establish } from './establish.ts'
import type { AsyncMessage, FullFeature, FullFeatureHost } from './full-feature.ts'
import { LunAddresses } from './lun-addresses.ts'
import type { Settled } from './options.ts'
import type { Portal } from './portal.ts'
import { reconnect } from './reconnect.ts'
import type { SessionSettings } from './settings.ts'
import { Task } from './task.ts'
import { TaskQueue } from './task-queue.ts'
import { Watch } from './watch.ts'

/** Wait for commands under way, and for the answer to a logout, when a session is closed. */
const DRAIN_MS = 10_000
const LOGOUT_MS = 2000
/** Wait for the answer to a task management function. */
const MANAGEMENT_MS = 10_000

type State = 'opening' | 'ready' | 'recovering' | 'closing' | 'closed'

const FUNCTIONS: Readonly<Record<TaskManagement, number>> = {
  'abort-task-set': IscsiTaskFunction.abortTaskSet,
  'clear-aca': IscsiTaskFunction.clearAca,
  'clear-task-set': IscsiTaskFunction.clearTaskSet,
  'logical-unit-reset': IscsiTaskFunction.logicalUnitReset,
  'target-warm-reset': IscsiTaskFunction.targetWarmReset,
  'target-cold-reset': IscsiTaskFunction.targetColdReset,
}

const RESPONSES: Readonly<Record<number, ManagementResponse>> = {
  [IscsiTaskResponse.functionComplete]: 'complete',
  [IscsiTaskResponse.taskDoesNotExist]: 'no-such-task',
  [IscsiTaskResponse.lunDoesNotExist]: 'no-such-lun',
  [IscsiTaskResponse.functionNotSupported]: 'unsupported',
}

export class Session implements InitiatorSession, FullFeatureHost {
  readonly target: string
  readonly queueDepth: number
  readonly #options: Settled
  readonly #luns = new LunAddresses()
  readonly #queue = new TaskQueue()
  readonly #ended = new AbortController()
  #destination: Destination
  #state: State = 'opening'
  #feature: FullFeature | null = null
  #settings: SessionSettings | null = null
  #watch: Watch | null = null
  /** Tries to reconnect since a command was last completed. */
  #attempt = 0
  #drained: (() => void) | null = null
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
    return session
  }

  /** Where the session is connected at present, or was last. */
  get portal(): Portal {
    return this.#feature?.connection.portal ?? this.#destination.portal
  }

  /** What was agreed on in the last login. */
  get settings(): SessionSettings {
    return this.#settings!
  }

  execute(request: CommandRequest): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const objection = this.#objection(request)
      if (objection !== null) return reject(objection)
      const timeoutMs = request.timeoutMs ?? this.#options.commandTimeoutMs
      const task = new Task(request, this.#luns.bytes(request.lun), timeoutMs, resolve, reject)
      const { signal } = task
      if (signal !== null) {
        if (signal.aborted) return reject(signal.reason)
        task.onAbort = () => this.#abort(task, signal.reason)
        signal.addEventListener('abort', task.onAbort, { once: true })
      }
      const feature = this.#feature
      if (feature !== null && this.#queue.isEmpty && feature.hasRoom && !feature.leaving) feature.start(task)
      else this.#queue.push(task)
    })
  }

  #objection(request: CommandRequest): Error | null {
    if (this.#state === 'closing' || this.#state === 'closed') return this.#closedError()
    const { length } = request.cdb
    if (length < 6 || length > 260) {
      return new RequestError('ARGUMENT_INVALID', `A CDB has 6 to 260 bytes, not ${length}`)
    }
    if (request.dataOut?.length && (request.dataIn?.length || request.expectedIn)) {
      return new RequestError('UNSUPPORTED', 'Commands with data in both directions are not supported')
    }
    return null
  }

  #closedError(): TransportError {
    const cause = this.#failure
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    return new TransportError('TRANSPORT_CLOSED', `The session with ${this.target} is closed${why}`, {
      cause,
    })
  }

  /** Round trip of a NOP-Out in ms. */
  async ping(): Promise<number> {
    const start = performance.now()
    await this.#now().exchanges.ping()
    return performance.now() - start
  }

  async manage(action: TaskManagement, lun: Lun): Promise<ManagementResponse> {
    const feature = this.#now()
    const address = this.#luns.bytes(lun)
    const before = feature.window.cmdSn
    const code = await this.#bounded(feature, feature.exchanges.manage(FUNCTIONS[action], address), action)
    const response = RESPONSES[code] ?? 'rejected'
    if (response === 'complete' && action !== 'clear-aca') this.#terminate(feature, action, address, before)
    return response
  }

  /** The target has ended these tasks and sends no answer for them (RFC 7143, 4.2.3.3). */
  #terminate(feature: FullFeature, action: string, lun: Uint8Array, before: number): void {
    const everywhere = action.startsWith('target-')
    for (const task of feature.tasks) {
      if (((task.cmdSn - before) | 0) >= 0) continue
      if (!everywhere && Buffer.compare(task.lun, lun) !== 0) continue
      feature.tasks.remove(task)
      task.fail(new TransportError('TRANSPORT_TASK_ABORTED', `The command was ended by ${action}`))
    }
    this.ready(feature)
  }

  #now(): FullFeature {
    if (this.#feature !== null) return this.#feature
    if (this.#state === 'closed') throw this.#closedError()
    throw new TransportError('TRANSPORT_CONNECTION_LOST', `The session with ${this.target} is reconnecting`)
  }

  /** Waits for a management answer; a target that does not give one loses its connection. */
  async #bounded<T>(feature: FullFeature, answer: Promise<T>, what: string): Promise<T> {
    const timer = setTimeout(() => {
      const silent = `The target did not answer ${what} in ${MANAGEMENT_MS} ms`
      feature.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', silent))
    }, MANAGEMENT_MS)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  #abort(task: Task, reason: unknown): void {
    const feature = this.#feature
    if (task.state === 'waiting' || feature === null) {
      task.fail(reason)
      return
    }
    if (task.state !== 'sent') return
    task.state = 'ending'
    task.reason = reason
    this.#bounded(feature, feature.exchanges.abort(task), 'ABORT TASK').then(
      code => {
        if (task.state !== 'ending') return
        if (code !== IscsiTaskResponse.functionComplete && code !== IscsiTaskResponse.taskDoesNotExist) {
          const refused = 'The target cannot abort a command, so its connection is ended'
          return feature.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', refused))
        }
        feature.tasks.remove(task)
        task.fail(reason)
        this.ready(feature)
      },
      () => task.fail(reason),
    )
  }

  #begin(feature: FullFeature, home: Portal): void {
    if (feature.gone !== null) throw feature.gone
    this.#destination = { ...this.#destination, portal: home }
    this.#feature = feature
    this.#settings = feature.settings
    this.#state = 'ready'
    this.#watch = new Watch(feature, this.#queue, this.#options, task =>
      this.#abort(task, timeoutError(task)),
    )
    this.ready(feature)
  }

  ready(feature: FullFeature): void {
    if (feature !== this.#feature) return
    while (!feature.leaving && feature.hasRoom) {
      const task = this.#queue.shift()
      if (task === null) break
      feature.start(task)
    }
    if (feature.tasks.size === 0 && (this.#queue.isEmpty || feature.leaving)) this.#drained?.()
  }

  lost(feature: FullFeature, error: TransportError): void {
    if (feature !== this.#feature) return
    this.#watch?.stop()
    this.#feature = null
    if (feature.completed > 0) this.#attempt = 0
    const final = this.#state === 'closing' || this.#attempt >= this.#options.reconnect.attempts
    const inFlight = feature.tasks.size
    const repeat = this.#sortOut(feature, error, final)
    this.#options.onEvent({ type: 'lost', error, inFlight })
    if (this.#state === 'closing') {
      this.#drained?.()
      return
    }
    this.#queue.unshift(repeat)
    this.#state = 'recovering'
    if (final) this.#giveUp(error)
    else this.#recover(feature.retryAfterMs, repeat.length).catch(failure => this.#giveUp(failure))
  }

  /** Ends what may not be sent again; returns the rest in the order of the first time. */
  #sortOut(feature: FullFeature, error: TransportError, final: boolean): Task[] {
    const repeat: Task[] = []
    for (const task of feature.tasks) {
      if (task.state === 'ending') task.fail(task.reason)
      else if (!final && task.repeatable) repeat.push(task)
      else task.fail(unsure(error))
    }
    repeat.sort((a, b) => (a.cmdSn - b.cmdSn) | 0)
    for (const task of repeat) task.restart()
    // A command may itself be what ends the connections. Then it soon is the oldest one, and fails before the session.
    const [oldest] = repeat
    if (oldest !== undefined && ++oldest.repeats > Math.max(1, this.#options.reconnect.attempts / 2)) {
      oldest.fail(unsure(error))
      repeat.shift()
    }
    return repeat
  }

  async #recover(notBeforeMs: number, repeated: number): Promise<void> {
    const { signal } = this.#ended
    const signals = this.#options.signal === null ? [signal] : [signal, this.#options.signal]
    const first = this.#attempt + 1
    const done = await reconnect(
      this.#destination,
      this.#options,
      this,
      AbortSignal.any(signals),
      first,
      notBeforeMs,
    )
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
  }

  #giveUp(failure: unknown): void {
    if (this.#state !== 'recovering') return
    this.#failure = failure
    this.#state = 'closed'
    for (const task of this.#queue.clear()) task.fail(this.#closedError())
    const error = failure instanceof InitiatorError ? failure : this.#closedError()
    this.#options.onEvent({ type: 'gave-up', error })
  }

  message(feature: FullFeature, { event, parameter2, parameter3, data }: AsyncMessage): void {
    this.#options.onEvent({ type: 'async', event, text: asyncEventText(event), sense: data })
    if (event === AsyncEvent.logoutRequested || event === AsyncEvent.negotiationRequested) {
      // A new login also negotiates all parameters anew.
      this.#leave(feature, parameter3 * 1000)
    } else if (event === AsyncEvent.connectionDropped || event === AsyncEvent.sessionDropped) {
      feature.retryAfterMs = parameter2 * 1000
      feature.connection.fail(
        new TransportError('TRANSPORT_CONNECTION_LOST', 'The target drops the connection'),
      )
    }
  }

  /** Lets commands under way end, logs out, and connects again. */
  async #leave(feature: FullFeature, limitMs: number): Promise<void> {
    if (feature.leaving || this.#state !== 'ready') return
    feature.leaving = true
    await this.#drain(feature, Math.min(limitMs, DRAIN_MS))
    await within(feature.exchanges.logout(), LOGOUT_MS)
    feature.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', 'The target asked for a logout'))
  }

  #drain(feature: FullFeature, limitMs: number): Promise<void> {
    if (feature.tasks.size === 0 && (this.#queue.isEmpty || feature.leaving)) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, limitMs)
    this.#drained = resolve
    return promise.finally(() => {
      clearTimeout(timer)
      this.#drained = null
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#state === 'closed') return
    const feature = this.#feature
    this.#state = 'closing'
    if (feature !== null) {
      await this.#drain(feature, DRAIN_MS)
      if (feature.gone === null) await within(feature.exchanges.logout(), LOGOUT_MS)
      this.#watch?.stop()
      this.#feature = null
      feature.connection.drop()
      for (const task of feature.tasks) task.fail(this.#closedError())
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

function unsure(error: TransportError): TransportError {
  const message = `${error.message}; it is not known whether the command ran`
  return new TransportError(error.code, message, { cause: error })
}

function timeoutError(task: Task): TransportError {
  return new TransportError(
    'TRANSPORT_TIMEOUT',
    `The command was not answered in ${task.timeoutMs} ms and was aborted; it is not known whether it ran`,
  )
}

/** Waits for a promise, but not longer than the limit and without caring how it ends. */
async function within(promise: Promise<unknown>, limitMs: number): Promise<void> {
  const limit = Promise.withResolvers<void>()
  const timer = setTimeout(limit.resolve, limitMs)
  await Promise.race([promise.catch(() => {}), limit.promise])
  clearTimeout(timer)
}
