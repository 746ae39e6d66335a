// SPDX-License-Identifier: Apache-2.0
// Full feature phase of one connection: what comes is checked and given to its task, exchange or event.
import { TransportError } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  BHS,
  DATA_IN,
  NOP_IN,
  NOP_OUT,
  Opcode,
  REJECT,
  RESERVED_TAG,
  rejectReasonText,
  SCSI_RESPONSE,
} from '@lunkit/spec'
import { sendCommand } from './command-out.ts'
import { type CommandWindow, next } from './command-window.ts'
import type { Connection, ConnectionHost } from './connection.ts'
import { admitDataIn, finishDataIn, finishResponse } from './data-in.ts'
import { answerR2t } from './data-out.ts'
import { Exchanges } from './exchanges.ts'
import type { Framer } from './framer.ts'
import type { Settled } from './options.ts'
import type { SessionSettings } from './settings.ts'
import type { Task } from './task.ts'
import { TaskTable } from './task-table.ts'

/** Pings of a target that are answered while it does not read. */
const UNREAD_PINGS = 1000

export interface AsyncMessage {
  readonly event: number
  readonly parameter2: number
  readonly parameter3: number
  /** The data segment: sense data of a SCSI event. */
  readonly data: Uint8Array
}

export interface FullFeatureHost {
  /** Tasks have ended or the window has moved: more may be started. */
  ready(feature: FullFeature): void
  /** The connection is gone; the feature's tasks are as they were. */
  lost(feature: FullFeature, error: TransportError): void
  message(feature: FullFeature, message: AsyncMessage): void
}

export class FullFeature implements ConnectionHost {
  readonly connection: Connection
  readonly settings: SessionSettings
  readonly window: CommandWindow
  readonly tasks = new TaskTable()
  readonly exchanges: Exchanges
  /** Why the connection is gone, or null. */
  gone: TransportError | null = null
  /** Commands that got their answer on this connection. */
  completed = 0
  /** A logout is under way: nothing new is started. */
  leaving = false
  /** Time2Wait that the target asked for, in ms. */
  retryAfterMs = 0
  readonly #host: FullFeatureHost
  readonly #depth: number
  #pings = 0

  constructor(
    connection: Connection,
    settings: SessionSettings,
    window: CommandWindow,
    options: Settled,
    host: FullFeatureHost,
  ) {
    this.connection = connection
    this.settings = settings
    this.window = window
    this.#host = host
    this.#depth = options.queueDepth
    this.exchanges = new Exchanges(connection, window)
    connection.useDigests(settings.headerDigest, settings.dataDigest)
    connection.handTo(this)
  }

  /** Whether another command may be sent now. */
  get hasRoom(): boolean {
    return this.gone === null && this.tasks.size < this.#depth && this.window.room > 0
  }

  /** Sends a command. Only where `hasRoom`. */
  start(task: Task): void {
    this.tasks.add(task)
    task.state = 'sent'
    task.sentAt = performance.now()
    sendCommand(this.connection, this.window, this.settings, task)
  }

  place(header: Uint8Array, length: number, framer: Framer): Uint8Array | null {
    if (DATA_IN.field.opcode.get(header, 0) !== Opcode.dataIn) return null
    const task = this.#task(header)
    framer.at = admitDataIn(task, header, length)
    return task.dataIn
  }

  pdu(header: Uint8Array, data: Uint8Array): void {
    const opcode = BHS.field.opcode.get(header, 0)
    switch (opcode) {
      case Opcode.dataIn:
        this.#dataIn(header)
        break
      case Opcode.scsiResponse:
        this.#response(header, data)
        break
      case Opcode.r2t:
        this.#numbers(header, false)
        answerR2t(this.connection, this.settings, this.#task(header), header, this.window.expStatSn)
        break
      case Opcode.nopIn:
        this.#nopIn(header, data)
        break
      case Opcode.taskManagementResponse:
      case Opcode.textResponse:
      case Opcode.logoutResponse:
        this.#numbers(header, true)
        this.exchanges.answer(header, data)
        break
      case Opcode.asyncMessage:
        this.#message(header, data)
        break
      case Opcode.reject:
        this.#reject(header, data)
        break
      default:
        throw broken(`sent a PDU of opcode 0x${opcode.toString(16)}, which no target may send now`)
    }
    if (this.gone === null) this.#host.ready(this)
  }

  lost(error: TransportError): void {
    this.gone = error
    this.exchanges.fail(error)
    this.#host.lost(this, error)
  }

  #dataIn(header: Uint8Array): void {
    const { statusPresent, dataSegmentLength } = DATA_IN.field
    const task = this.#task(header)
    const length = dataSegmentLength.get(header, 0)
    if (length === 0) admitDataIn(task, header, 0)
    this.#numbers(header, statusPresent.get(header, 0) === 1)
    if (!finishDataIn(task, header, length)) return
    this.tasks.remove(task)
    this.completed++
  }

  #response(header: Uint8Array, data: Uint8Array): void {
    const task = this.#task(header)
    this.#numbers(header, true)
    finishResponse(task, header, data)
    this.tasks.remove(task)
    this.completed++
  }

  #nopIn(header: Uint8Array, data: Uint8Array): void {
    const itt = NOP_IN.field.itt.get(header, 0)
    this.#numbers(header, itt !== RESERVED_TAG)
    if (itt !== RESERVED_TAG) {
      this.exchanges.answer(header, data)
      return
    }
    const ttt = NOP_IN.field.ttt.get(header, 0)
    if (ttt === RESERVED_TAG) return
    const { connection, window } = this
    if (connection.backlog === 0) this.#pings = 0
    else if (++this.#pings > UNREAD_PINGS) throw broken('sends pings but does not read the answers')
    const at = connection.begin()
    NOP_OUT.write(
      {
        opcode: Opcode.nopOut,
        immediate: 1,
        final: 1,
        lun: NOP_IN.field.lun.get(header, 0),
        itt: RESERVED_TAG,
        ttt,
        cmdSn: window.cmdSn,
        expStatSn: window.expStatSn,
      },
      connection.staging,
      at,
    )
    connection.end()
  }

  #message(header: Uint8Array, data: Uint8Array): void {
    this.#numbers(header, true)
    const { asyncEvent, parameter2, parameter3 } = ASYNC_MESSAGE.field
    this.#host.message(this, {
      event: asyncEvent.get(header, 0),
      parameter2: parameter2.get(header, 0),
      parameter3: parameter3.get(header, 0),
      data: asyncEvent.get(header, 0) === AsyncEvent.scsiEvent ? data.subarray(2) : data,
    })
  }

  /** The target refused a PDU; its header comes back as data (RFC 7143, 11.17). */
  #reject(header: Uint8Array, data: Uint8Array): void {
    this.#numbers(header, true)
    const reason = rejectReasonText(REJECT.field.reason.get(header, 0))
    const error = new TransportError('TRANSPORT_REJECTED', `The target rejected a PDU: ${reason}`)
    if (data.length < BHS.length) throw error
    const itt = BHS.field.itt.get(data, 0)
    const task = this.tasks.find(itt)
    if (task !== null) {
      this.tasks.remove(task)
      task.fail(error)
    } else if (!this.exchanges.reject(itt, error)) throw error
  }

  #task(header: Uint8Array): Task {
    const itt = BHS.field.itt.get(header, 0)
    const task = this.tasks.find(itt)
    if (task !== null) return task
    throw broken(`sent a PDU for task 0x${itt.toString(16)}, which is not in flight`)
  }

  /** StatSN counts up by one where a PDU has a status (RFC 7143, 4.2.2.2); the other numbers move the window. */
  #numbers(header: Uint8Array, counts: boolean): void {
    const { statSn, expCmdSn, maxCmdSn } = SCSI_RESPONSE.field
    const window = this.window
    if (counts) {
      const sn = statSn.get(header, 0)
      if (sn !== window.expStatSn) throw broken(`sent StatSN ${sn} where ${window.expStatSn} was due`)
      window.expStatSn = next(sn)
    }
    window.update(expCmdSn.get(header, 0), maxCmdSn.get(header, 0))
  }
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
