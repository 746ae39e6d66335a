// SPDX-License-Identifier: Apache-2.0
// The bridge to a unit of an iSCSI target, over lunkit's own initiator: a session, and a new one after it was lost.
import {
  type ConnectOptions,
  formatUrl,
  InitiatorError,
  openSession,
  RequestError,
  type Session,
  TransportError,
} from '@lunkit/initiator-driver-iscsi'
import { OperatorError, type ParameterValues } from '@lunkit/target-api'
import {
  type Bridge,
  type BridgeAnswer,
  type BridgeRequest,
  type OpenedBridge,
  unanswered,
} from '@lunkit/target-passthrough'
import { loginOptions } from './keys.ts'
import { type UnitUrl, urlOf } from './unit-url.ts'

/** Beyond it, data of one command are more than the initiator's counters of 32 bits should be trusted with in one piece of memory. */
const MOST_BYTES = 32 * 1024 * 1024
const LONGEST_CDB = 32
/** Commands under way at once at the real target; more wait in their order. */
const QUEUE_DEPTH = 256
/** A login is given up before pass-through gives up the question that waits for it. */
const LOGIN_MS = 8000

export async function openIscsi(where: string, values: ParameterValues): Promise<OpenedBridge> {
  const url = urlOf(where)
  const login = await loginOptions(values, url)
  const bridge = new IscsiBridge(url, login)
  try {
    await bridge.open()
  } catch (error) {
    if (!(error instanceof InitiatorError)) throw error
    throw new OperatorError(error.code, `${bridge.identity} cannot be reached: ${error.message}`, {
      hint: error.hint,
      cause: error,
    })
  }
  return {
    bridge,
    identity: bridge.identity,
    maxTransfer: MOST_BYTES,
    longestCdb: LONGEST_CDB,
    close: () => bridge.close(),
  }
}

class IscsiBridge implements Bridge {
  readonly identity: string
  readonly #lun: number
  readonly #options: ConnectOptions
  #session: Session | null = null
  /** Why there is none. */
  #loss = 'its session has ended'
  /** A login or a reset is under way: what comes meanwhile goes after it. */
  #busy = false
  readonly #held: BridgeRequest[] = []
  readonly #end = new AbortController()
  /** What ends each request under way. */
  readonly #under = new Set<AbortController>()

  constructor({ portal, target, lun }: UnitUrl, login: ConnectOptions) {
    this.identity = formatUrl(portal, target, lun)
    this.#lun = lun
    this.#options = {
      ...login,
      portal,
      target,
      queueDepth: QUEUE_DEPTH,
      loginTimeoutMs: LOGIN_MS,
      signal: this.#end.signal,
      // Pass-through looks for a unit that is away, for every kind of bridge alike.
      reconnect: { attempts: 0, delays: [0] },
      onEvent: event => {
        if (event.type !== 'gave-up') return
        this.#session = null
        this.#loss = event.error.message
      },
    }
  }

  async open(): Promise<void> {
    const session = await openSession(this.#options)
    if (this.#end.signal.aborted) await session.close()
    else this.#session = session
  }

  execute(request: BridgeRequest): void {
    if (this.#busy) this.#hold(request)
    else if (this.#session !== null) this.#send(this.#session, request)
    else {
      // What comes next waits for the login: pass-through's question whether the unit is there.
      this.#occupy(this.open())
      request.finish(unanswered('lost', this.#loss))
    }
  }

  #hold(request: BridgeRequest): void {
    this.#held.push(request)
    request.cancel = () => {
      const at = this.#held.indexOf(request)
      if (at < 0) return
      this.#held.splice(at, 1)
      request.finish(unanswered('ended', 'it was cancelled'))
    }
  }

  reset(): void {
    const session = this.#session
    if (session !== null && !this.#busy) this.#occupy(this.#reset(session))
  }

  /** A target that cannot reset the unit ends what it was at with the session. */
  async #reset(session: Session): Promise<void> {
    const response = await session.manage('logical-unit-reset', this.#lun)
    if (response === 'complete') return
    this.#session = null
    await session.close()
    throw new Error(`the target did not reset the unit: ${response}`)
  }

  #occupy(work: Promise<unknown>): void {
    this.#busy = true
    work.then(
      () => this.#letGo(null),
      (error: unknown) => this.#letGo(error),
    )
  }

  #letGo(error: unknown): void {
    this.#busy = false
    for (const request of this.#held.splice(0)) {
      if (this.#session === null) request.finish(unanswered('lost', messageOf(error)))
      else this.#send(this.#session, request)
    }
  }

  #send(session: Session, request: BridgeRequest): void {
    const { cdb, direction, dataIn, dataOut, timeout } = request
    const cancel = new AbortController()
    request.cancel = () => cancel.abort()
    this.#under.add(cancel)
    const end = (answer: BridgeAnswer): void => {
      this.#under.delete(cancel)
      request.finish(answer)
    }
    session
      .execute({
        lun: this.#lun,
        cdb,
        ...(dataOut.length > 0 && { dataOut }),
        ...(dataIn.length > 0 && { dataIn }),
        signal: cancel.signal,
        timeoutMs: timeout,
      })
      .then(
        ({ status, sense, dataIn: filled, underflow, overflow }) =>
          end({
            outcome: 'done',
            status,
            sense,
            received: dataIn.length > 0 ? filled.length : 0,
            excess: dataIn.length > 0 ? overflow : 0,
            outResidual: direction === 'out' ? underflow : 0,
            reason: '',
          }),
        (error: unknown) => end(unanswered(this.#outcomeOf(error), messageOf(error))),
      )
  }

  #outcomeOf(error: unknown): 'ended' | 'lost' | 'refused' {
    if (error instanceof RequestError) return 'refused'
    if (this.#session === null || !(error instanceof Error)) return 'lost'
    const isLost = error instanceof TransportError && LOST.has(error.code)
    return isLost ? 'lost' : 'ended'
  }

  async close(): Promise<void> {
    // A login under way is given up: nobody waits for it.
    this.#end.abort()
    for (const cancel of this.#under) cancel.abort()
    await this.#session?.close()
  }
}

const LOST: ReadonlySet<string> = new Set([
  'TRANSPORT_CONNECT_FAILED',
  'TRANSPORT_CONNECTION_LOST',
  'TRANSPORT_CLOSED',
])

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error ?? 'it is gone')
