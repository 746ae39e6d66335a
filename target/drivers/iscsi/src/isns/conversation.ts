// SPDX-License-Identifier: Apache-2.0
// One TCP connection to an iSNS server: requests and their answers, one at a time, each with a time limit.
import { connect, type Socket } from 'node:net'
import {
  ISNS_RESPONSE,
  IsnsStatus,
  IsnsTag,
  isnsStatusText,
  parseIsnsAttributes,
  readIsnsNumber,
} from '@lunkit/spec'
import { IsnsInbox, type IsnsMessage } from './inbox.ts'
import { encodeRequest, type IsnsRequest } from './messages.ts'
import type { IsnsServer } from './options.ts'
import { answerInquiry } from './status-inquiry.ts'

/** A server's refusal. */
export class IsnsRefusal extends Error {
  readonly status: number
  constructor(status: number) {
    super(isnsStatusText(status))
    this.status = status
  }
}

interface Waiting {
  readonly transaction: number
  readonly functionId: number
  readonly resolve: (message: IsnsMessage) => void
  readonly reject: (error: Error) => void
}

export class Conversation {
  readonly #socket: Socket
  readonly #timeoutMs: number
  readonly #inbox = new IsnsInbox()
  #transaction = 0
  #waiting: Waiting | null = null
  #error: Error | null = null
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<Error>

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket
    this.#timeoutMs = timeoutMs
    socket.on('data', chunk => this.#receive(chunk as Buffer))
    this.ended = new Promise(resolve => {
      socket.on('error', error => {
        this.#error ??= error
      })
      socket.on('close', () => {
        const error = this.#error ?? new Error('Server closed the connection')
        this.#waiting?.reject(error)
        resolve(error)
      })
    })
  }

  /** Rejects if the server does not take the connection in time. */
  static open(
    { host, port }: IsnsServer,
    timeoutMs: number,
    signal: AbortSignal | null,
  ): Promise<Conversation> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port })
      const giveUp = (error: Error): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        socket.destroy()
        reject(error)
      }
      const abort = (): void => giveUp(new Error('Given up'))
      const timer = setTimeout(giveUp, timeoutMs, new Error('Server does not take the connection'))
      signal?.addEventListener('abort', abort, { once: true })
      socket.once('error', giveUp)
      socket.once('connect', () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        socket.off('error', giveUp)
        socket.setNoDelay(true)
        socket.setKeepAlive(true, 30_000)
        resolve(new Conversation(socket, timeoutMs))
      })
    })
  }

  get localAddress(): string {
    return this.#socket.localAddress ?? ''
  }

  /**
   * Sends a request and waits for its answer; gives the registration period that the server may say in it, in seconds.
   * Rejects with IsnsRefusal, or with why there is no answer; then the connection is of no use any more.
   */
  async ask(request: IsnsRequest): Promise<number | undefined> {
    const { payload } = await this.#answer(request)
    if (payload.length < 4) return this.#breakOff(new Error('Answer has no status'))
    const status = payload.readUInt32BE(0)
    if (status !== IsnsStatus.success) throw new IsnsRefusal(status)
    const attributes = parseIsnsAttributes(payload.subarray(4))
    if (attributes === null) return this.#breakOff(new Error('Answer has attributes of wrong lengths'))
    const period = attributes.find(({ tag }) => tag === IsnsTag.registrationPeriod)
    return period === undefined ? undefined : readIsnsNumber(period)
  }

  close(): void {
    this.#socket.destroy()
  }

  #breakOff(error: Error): never {
    this.#error ??= error
    this.#socket.destroy()
    throw error
  }

  #answer(request: IsnsRequest): Promise<IsnsMessage> {
    this.#transaction = (this.#transaction + 1) & 0xffff
    const transaction = this.#transaction
    const bytes = encodeRequest(request, transaction)
    return new Promise((resolve, reject) => {
      if (this.#error !== null || this.#socket.destroyed) {
        reject(this.#error ?? new Error('Server closed the connection'))
        return
      }
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting = null
      }
      const timer = setTimeout(() => {
        end()
        this.#error ??= new Error('Server does not answer')
        this.#socket.destroy()
        reject(this.#error)
      }, this.#timeoutMs)
      this.#waiting = {
        transaction,
        functionId: request.functionId | ISNS_RESPONSE,
        resolve: message => {
          end()
          resolve(message)
        },
        reject: error => {
          end()
          reject(error)
        },
      }
      this.#socket.write(bytes)
    })
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#inbox.push(chunk)) this.#take(message)
    } catch (error) {
      this.#error ??= error as Error
      this.#socket.destroy()
    }
  }

  #take(message: IsnsMessage): void {
    const waiting = this.#waiting
    if (message.functionId === waiting?.functionId && message.transaction === waiting.transaction) {
      waiting.resolve(message)
      return
    }
    // A server may inquire here as well; what else it may want to tell is none of a target's business.
    const answer = answerInquiry(message)
    if (answer !== null) this.#socket.write(answer)
  }
}
