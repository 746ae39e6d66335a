// SPDX-License-Identifier: Apache-2.0
// Requests that are not SCSI commands, with their answers: ping, task management, text, logout.
import { TransportError } from '@lunkit/initiator-core'
import {
  BHS,
  IscsiTaskFunction,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  LogoutReason,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEXT_REQUEST,
} from '@lunkit/spec'
import type { Connection } from './connection.ts'
import type { Links } from './links.ts'
import type { Task } from './task.ts'
import {
  exchangeText,
  readTextAnswer,
  type TextAnswer,
  type TextPiece,
  type TextReply,
} from './text-exchange.ts'

/** Times that a request is sent whose data come damaged. */
const MAX_TRIES = 8

/** `response` is one of `LogoutResponse`; the times are seconds, and count only at ErrorRecoveryLevel 2. */
export interface LogoutAnswer {
  readonly response: number
  readonly time2Wait: number
  readonly time2Retain: number
}

interface Exchange {
  /** Opcode of the answer. */
  readonly opcode: number
  readonly done: (header: Uint8Array, data: Uint8Array) => void
  readonly failed: (reason: unknown) => void
  readonly send: () => void
  tries: number
}

export class Exchanges {
  readonly #connection: Connection
  readonly #links: Links
  readonly #open = new Map<number, Exchange>()
  #loggedOut = false
  #gone: TransportError | null = null
  #lastText: Promise<unknown> = Promise.resolve()

  constructor(connection: Connection, links: Links) {
    this.#connection = connection
    this.#links = links
  }

  /** A logout that ends the connection was sent: no new request goes out here after it (RFC 7143, 11.14). */
  get isLoggedOut(): boolean {
    return this.#loggedOut || this.#links.loggedOut
  }

  /** The numbers that every request carries. */
  get #numbers() {
    return { cmdSn: this.#links.window.cmdSn, expStatSn: this.#connection.expStatSn }
  }

  /** Gives an answer to whom it belongs. Throws a TransportError if nobody asked. */
  answer(header: Uint8Array, data: Uint8Array): void {
    const itt = BHS.field.itt.get(header, 0)
    const exchange = this.#open.get(itt)
    if (exchange === undefined || exchange.opcode !== BHS.field.opcode.get(header, 0)) {
      throw broken(`answered to tag 0x${itt.toString(16)}, for which nothing was asked`)
    }
    this.#open.delete(itt)
    exchange.done(header, data)
  }

  /**
   * Ends the exchange of a tag with an error, or asks again where the request was only `damaged` on its way; returns false if
   * there is none.
   */
  reject(itt: number, error: TransportError, damaged: boolean): boolean {
    const exchange = this.#open.get(itt)
    if (damaged && exchange !== undefined && ++exchange.tries <= MAX_TRIES) {
      exchange.send()
      return true
    }
    this.#open.delete(itt)
    exchange?.failed(error)
    return exchange !== undefined
  }

  /** The connection is gone: ends all. */
  fail(error: TransportError): void {
    this.#gone = error
    for (const exchange of this.#open.values()) exchange.failed(error)
    this.#open.clear()
  }

  /** A NOP-Out that asks for a NOP-In; with a number of its own it takes the place of a request that was refused. */
  ping(number: number | null = null): Promise<void> {
    return this.#ask(
      Opcode.nopIn,
      (header, at, itt) => {
        const { cmdSn, expStatSn } = this.#numbers
        const fields = { opcode: Opcode.nopOut, final: 1, itt, ttt: RESERVED_TAG, expStatSn }
        const order = number === null ? { immediate: 1, cmdSn } : { immediate: 0, cmdSn: number }
        NOP_OUT.write({ ...fields, ...order }, header, at)
      },
      null,
      () => undefined,
    )
  }

  /** Resolves to the response code of a function on a unit. */
  manage(code: number, lun: Uint8Array): Promise<number> {
    return this.#manage({ function: code, lun, referencedTaskTag: RESERVED_TAG })
  }

  /** Resolves to the response code of an ABORT TASK. */
  abort(task: Task): Promise<number> {
    return this.#manage({
      function: IscsiTaskFunction.abortTask,
      lun: task.lun,
      referencedTaskTag: task.itt,
      refCmdSn: task.cmdSn,
    })
  }

  /**
   * Resolves to the response code of a TASK REASSIGN to this connection. `expDataSn` acknowledges the Data-In PDUs before
   * it (RFC 7143, 11.5.6); the LUN and RefCmdSN are reserved.
   */
  reassign(task: Task, expDataSn: number): Promise<number> {
    return this.#manage({
      function: IscsiTaskFunction.taskReassign,
      referencedTaskTag: task.itt,
      expDataSn,
    })
  }

  #manage(values: Parameters<typeof TASK_MANAGEMENT_REQUEST.write>[0]): Promise<number> {
    return this.#ask(
      Opcode.taskManagementResponse,
      (header, at, itt) => {
        const { cmdSn, expStatSn } = this.#numbers
        const common = { opcode: Opcode.taskManagementRequest, immediate: 1, final: 1, itt, cmdSn, expStatSn }
        TASK_MANAGEMENT_REQUEST.write({ ...common, ...values }, header, at)
      },
      null,
      header => TASK_MANAGEMENT_RESPONSE.field.response.get(header, 0),
    )
  }

  /**
   * Sends a text in pieces of `limit` bytes at most, and collects the answer over all of its own; `reply` answers within the
   * exchange. Comes after the one that is
   * under way: a connection has one text request at a time (RFC 7143, 11.10).
   */
  text(text: Uint8Array, limit: number, reply: TextReply | null = null): Promise<Uint8Array> {
    const { tasks } = this.#links
    const mine = this.#lastText.then(async () => {
      // The task tag stays the same over all pieces (RFC 7143, 11.10.3).
      const tag = tasks.otherTag()
      try {
        return await exchangeText(piece => this.#textPiece(tag, piece), text, limit, reply)
      } finally {
        tasks.freeOther(tag)
      }
    })
    this.#lastText = mine.catch(() => undefined)
    return mine
  }

  #textPiece(tag: number, { text, isLast, lun, ttt }: TextPiece): Promise<TextAnswer> {
    return this.#ask(
      Opcode.textResponse,
      (header, at, itt) => {
        const { cmdSn, expStatSn } = this.#numbers
        const common = { opcode: Opcode.textRequest, immediate: 1, itt, cmdSn, expStatSn }
        const bits = { final: isLast ? 1 : 0, continue: isLast ? 0 : 1 }
        TEXT_REQUEST.write({ ...common, ...bits, lun, ttt }, header, at)
      },
      text,
      readTextAnswer,
      tag,
    )
  }

  /**
   * Ends the session in order, or the connection of a CID for one of the other reasons (RFC 7143, 11.14.1). A connection is
   * closed on itself only.
   */
  logout(reason: number = LogoutReason.closeSession, cid = 0): Promise<LogoutAnswer> {
    const answer = this.#ask(
      Opcode.logoutResponse,
      (header, at, itt) => {
        const { cmdSn, expStatSn } = this.#numbers
        const common = { opcode: Opcode.logoutRequest, immediate: 1, final: 1, itt, cmdSn, expStatSn }
        LOGOUT_REQUEST.write({ ...common, reason, cid }, header, at)
      },
      null,
      header => {
        const { response, time2Wait, time2Retain } = LOGOUT_RESPONSE.read(header)
        return { response, time2Wait, time2Retain }
      },
    )
    if (reason === LogoutReason.closeSession) this.#links.loggedOut = true
    else if (reason === LogoutReason.closeConnection) this.#loggedOut = true
    return answer
  }

  #ask<T>(
    opcode: number,
    write: (header: Uint8Array, at: number, itt: number) => void,
    data: Uint8Array | null,
    read: (header: Uint8Array, data: Uint8Array) => T,
    own?: number,
  ): Promise<T> {
    if (this.#gone !== null) return Promise.reject(this.#gone)
    if (this.isLoggedOut) return Promise.reject(loggedOut())
    const { tasks } = this.#links
    const itt = own ?? tasks.otherTag()
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const free = (): void => tasks.freeOther(itt)
    if (own === undefined) promise.then(free, free)
    const done = (header: Uint8Array, segment: Uint8Array): void => {
      try {
        resolve(read(header, segment))
      } catch (error) {
        reject(error)
      }
    }
    const connection = this.#connection
    const send = (): void => {
      const at = connection.begin()
      write(connection.staging, at, itt)
      connection.end(data)
    }
    this.#open.set(itt, { opcode, done, failed: reject, send, tries: 1 })
    send()
    return promise
  }
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)

const loggedOut = (): TransportError =>
  new TransportError('TRANSPORT_CLOSED', 'The connection is being logged out')
