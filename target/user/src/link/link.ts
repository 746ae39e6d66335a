// SPDX-License-Identifier: Apache-2.0
// The way to a handler over all its connections: waits for it, sends again where that is safe, and gives it up in time.
import { stat } from 'node:fs/promises'
import { OperatorError, peerTrouble } from '@lunkit/target-api'
import { Connection, type ConnectionUser } from './connection.ts'
import { HandlerFault, type HandlerHello, Kind, VERSION } from './protocol.ts'
import { Request } from './request.ts'

export interface LinkOptions {
  /** Of the socket on which the handler listens. */
  readonly path: string
  /** Which of its units, should it have several. */
  readonly unit: string
  readonly level: 'blocks' | 'scsi'
  /** How long the handler may take for a request, in ms; 0 for ever. */
  readonly timeoutMs: number
  /** How long requests wait for a handler that is away, in ms. */
  readonly waitMs: number
  /** Whether data may go by shared memory. */
  readonly share: boolean
}

/** What has the link: a store or a device. */
export interface LinkUser extends Pick<ConnectionUser, 'roomFor' | 'answered' | 'notice'> {
  /** A handler has said hello, for the first time or again. May throw HandlerFault: it will not do. */
  greeted(hello: HandlerHello): void
  /**
   * A request ends without an answer: `gone`, no handler in time; `lost`, the connection broke while it was under way;
   * `aborted`, it was given up. A late connection cannot bring its effect any more.
   */
  ended(request: Request, how: 'gone' | 'lost' | 'aborted'): void
  /** Whether the request may be sent again after the connection broke. */
  mayRepeat(request: Request): boolean
  /** The connection is gone, and was of use. */
  interrupted(): void
  /** It cannot be reached, and why: for the operator. */
  away(reason: string): void
}

const TICK_MS = 200
/** How long a handler may take to answer what was aborted, before it is taken for stuck: less than the engine waits. */
const PATIENCE_MS = 2000
const FIRST_DELAY_MS = 20
const LONGEST_DELAY_MS = 5000
/** A connection that lasted so long was a good one. */
const STEADY_MS = 10_000
/** A request that was sent so often without an answer ends. */
const MOST_TRIES = 3
/** Requests that are kept for use again. */
const MOST_FREE = 1024

export class Link implements ConnectionUser {
  readonly roomFor: LinkUser['roomFor']
  readonly notice: LinkUser['notice']
  readonly #options: LinkOptions
  readonly #user: LinkUser
  readonly #free: Request[] = []
  /** In the order in which they came; a set, for one that is given up leaves it from the middle. */
  readonly #queue = new Set<Request>()
  #connection: Connection | null = null
  /** The connection has said hello. */
  #up = false
  #upSince = 0
  #downSince = 0
  #delay = FIRST_DELAY_MS
  #retry: NodeJS.Timeout | null = null
  #ticking: NodeJS.Timeout | null = null
  #closed = false
  /** Why it is away, as the operator was told. */
  #told = ''
  /** The first connection, which somebody waits for. */
  #opening: { readonly resolve: () => void; readonly reject: (why: Error) => void } | null = null

  constructor(options: LinkOptions, user: LinkUser) {
    this.#options = options
    this.#user = user
    this.roomFor = (request, bytes) => user.roomFor(request, bytes)
    this.notice = (kind, body) => user.notice(kind, body)
  }

  /** Resolves when a handler has said hello. Rejects with OperatorError. */
  async open(): Promise<void> {
    await checkSocket(this.#options.path)
    await new Promise<void>((resolve, reject) => {
      this.#opening = { resolve, reject }
      this.#connect()
    })
  }

  /** A request to fill and submit. */
  take(): Request {
    return this.#free.pop() ?? new Request()
  }

  submit(request: Request): void {
    const late = !this.#up && performance.now() - this.#downSince >= this.#options.waitMs
    if (this.#closed || late) {
      this.#end(request, 'gone')
      return
    }
    if (this.#up && this.#queue.size === 0 && this.#connection!.hasRoom) this.#connection!.send(request)
    else this.#queue.add(request)
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS)
  }

  /** The request is no longer wanted; it still ends once. */
  abort(request: Request): void {
    if (request.abortedAt > 0) return
    request.abortedAt = performance.now()
    if (this.#queue.delete(request)) this.#end(request, 'aborted')
    // Without a connection it is about to end with the one that is lost.
    else this.#connection?.tell(Kind.abort, request.session, request.tag)
  }

  /** A message without an answer, where there is somebody to hear it. */
  tell(kind: number, session: number, body: Buffer | null = null): void {
    if (this.#up) this.#connection!.tell(kind, session, 0, body)
  }

  close(): void {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#connection?.end(new Error('closed'))
    this.#endQueue()
    if (this.#ticking !== null) clearInterval(this.#ticking)
    this.#ticking = null
  }

  greeted(hello: HandlerHello): void {
    const { version } = hello
    if (!Number.isInteger(version) || version < 1 || version > VERSION) {
      throw new HandlerFault(`it speaks version ${String(version).slice(0, 20)}, not 1 to ${VERSION}`)
    }
    this.#user.greeted(hello)
    this.#up = true
    this.#upSince = performance.now()
    this.#opening?.resolve()
    this.#opening = null
    this.#told = ''
    this.#sendQueued()
  }

  answered(request: Request, sense: Buffer): void {
    this.#user.answered(request, sense)
    this.#recycle(request)
    if (this.#queue.size > 0) this.#sendQueued()
  }

  ended(why: Error, left: readonly Request[]): void {
    const wasUp = this.#up
    this.#up = false
    this.#connection = null
    if (wasUp) {
      const now = performance.now()
      this.#downSince = now
      if (now - this.#upSince > STEADY_MS) this.#delay = FIRST_DELAY_MS
      this.#user.interrupted()
    }
    this.#sortOut(left)
    if (this.#closed) {
      this.#endQueue()
      return
    }
    if (this.#opening !== null) {
      this.#opening.reject(this.#explain(why))
      this.#opening = null
      this.#closed = true
      return
    }
    this.#tell(why, wasUp)
    this.#retry = setTimeout(() => this.#connect(), this.#delay)
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS)
  }

  /** Each reason once until it is back; that nobody is there goes without saying. */
  #tell(why: Error, wasUp: boolean): void {
    if (!wasUp && (why.message === this.#told || !(why instanceof HandlerFault))) return
    this.#told = why.message
    this.#user.away(why.message)
  }

  /** What was under way goes again, before what waits, or ends; an end may bring aborts of all others. */
  #sortOut(left: readonly Request[]): void {
    const waiting = [...this.#queue]
    const over: Request[] = []
    this.#queue.clear()
    for (const request of left) {
      request.place = -1
      if (this.#goesAgain(request)) this.#queue.add(request)
      else over.push(request)
    }
    for (const request of waiting) this.#queue.add(request)
    for (const request of over) this.#end(request, request.abortedAt > 0 ? 'aborted' : 'lost')
  }

  /** Not what nobody wants, nor what connections break of. */
  #goesAgain(request: Request): boolean {
    const wanted = request.abortedAt === 0 && !this.#closed && request.tries < MOST_TRIES
    return wanted && this.#user.mayRepeat(request)
  }

  #sendQueued(): void {
    for (const request of this.#queue) {
      if (!this.#up || !this.#connection!.hasRoom) return
      this.#queue.delete(request)
      this.#connection!.send(request)
    }
  }

  #connect(): void {
    this.#retry = null
    const { path, unit, level, share } = this.#options
    const hello = { protocol: 'lunkit-handler', version: VERSION, level, unit }
    this.#connection = new Connection(path, hello, share, this)
  }

  /** Looks for what takes too long. */
  #tick(): void {
    const now = performance.now()
    const connection = this.#connection
    if (this.#up) this.#checkTimes(connection!, now)
    else if (now - this.#downSince >= this.#options.waitMs) this.#endQueue()
    if (this.#queue.size > 0 || (this.#connection?.underWay ?? 0) > 0) return
    clearInterval(this.#ticking!)
    this.#ticking = null
  }

  #checkTimes(connection: Connection, now: number): void {
    const { timeoutMs } = this.#options
    let stuck = ''
    for (const { abortedAt, began } of connection.requests()) {
      if (abortedAt > 0 && now - abortedAt > PATIENCE_MS)
        stuck = 'it does not answer a request that was aborted'
      else if (timeoutMs > 0 && now - began > timeoutMs) {
        stuck = `it does not answer a request in ${timeoutMs / 1000} s`
      }
    }
    if (stuck !== '') connection.end(new HandlerFault(stuck))
  }

  /** The end of one may be the abort of another (QERR), which then leaves by itself. */
  #endQueue(): void {
    for (const request of this.#queue) {
      this.#queue.delete(request)
      this.#end(request, 'gone')
    }
  }

  #end(request: Request, how: 'gone' | 'lost' | 'aborted'): void {
    this.#user.ended(request, how)
    this.#recycle(request)
  }

  #recycle(request: Request): void {
    request.clear()
    if (this.#free.length < MOST_FREE) this.#free.push(request)
  }

  #explain(why: Error): OperatorError {
    const { path } = this.#options
    const code = 'code' in why ? String(why.code) : ''
    if (why instanceof HandlerFault) {
      return new OperatorError('HANDLER_WRONG', `The handler at '${path}' will not do: ${why.message}`, {
        hint: 'docs/how-to/write-a-handler.md says what it has to answer',
        cause: why,
      })
    }
    if (code === 'EACCES' || code === 'EPERM') {
      return new OperatorError('HANDLER_SOCKET', `The socket '${path}' may not be used: permission denied`, {
        hint: 'let this user write to it, and search the folders that it is in',
        cause: why,
      })
    }
    return new OperatorError('HANDLER_AWAY', `No handler answers at '${path}': ${peerTrouble(why)}`, {
      hint: 'start the handler; wait=SECONDS has lunkit look for it longer at its start',
      cause: why,
    })
  }
}

/** A connection to what is no socket is refused as if nobody listened there. Rejects with OperatorError. */
async function checkSocket(path: string): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found === null || found.isSocket()) return
  const what = found.isDirectory() ? 'a directory, not a socket' : 'no socket'
  throw new OperatorError('HANDLER_SOCKET', `'${path}' is ${what}`, {
    hint: 'name the Unix socket on which the handler listens',
  })
}
