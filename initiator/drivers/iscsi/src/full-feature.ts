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
  RejectReason,
  rejectReasonText,
  SCSI_RESPONSE,
} from '@lunkit/spec'
import { refuseData, refuseReservedCode } from './answer-form.ts'
import { sendCommand } from './command-out.ts'
import { next } from './command-window.ts'
import type { Connection, ConnectionHost } from './connection.ts'
import { admitDataIn, finishDataIn, finishResponse, senseOf } from './data-in.ts'
import { answerR2t } from './data-out.ts'
import { Exchanges } from './exchanges.ts'
import type { Framer } from './framer.ts'
import type { Links } from './links.ts'
import type { Seat } from './login.ts'
import { answerByNop } from './nop-answer.ts'
import type { Settled } from './options.ts'
import { Probe } from './probe.ts'
import { Retransmission } from './retransmission.ts'
import type { SessionSettings } from './settings.ts'
import type { Task } from './task.ts'

/** Times that one command is sent again under its number. */
const MAX_RETRIES = 16

export interface AsyncMessage {
  readonly event: number
  readonly lun: Uint8Array
  readonly parameter1: number
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
  /** The target knows nothing of a task; `ran` where it may have run all the same. */
  vanished(task: Task, error: TransportError, ran: boolean): void
}

export class FullFeature implements ConnectionHost {
  readonly connection: Connection
  readonly cid: number
  readonly links: Links
  readonly exchanges: Exchanges
  settings: SessionSettings
  /** The MaxRecvDataSegmentLength that this side declared last. */
  declared: number
  /** Counts when one is declared and when the target has answered: while it is odd, it is not known which one holds. */
  declarations = 0
  /** Why the connection is gone, or null. */
  gone: TransportError | null = null
  /** Commands whose allegiance is to this connection. */
  inFlight = 0
  /** A logout is under way: nothing new is started. */
  leaving = false
  /** Clock of the session when it is to be logged out because the target asked for that. */
  leavesAt = Number.POSITIVE_INFINITY
  /** The target does not wait for the logout any longer. */
  isLate = false
  /** The negotiation under way, if there is one. */
  negotiating: Promise<void> | null = null
  /** Time2Wait and Time2Retain that the target asked for, in ms; -1 where it did not. */
  retryAfterMs = -1
  retainMs = -1
  /** What is done about PDUs that did not come whole; null at ErrorRecoveryLevel 0. */
  readonly retransmission: Retransmission | null
  readonly #host: FullFeatureHost
  readonly #probe: Probe

  constructor(
    connection: Connection,
    settings: SessionSettings,
    { links, cid }: Seat,
    options: Settled,
    host: FullFeatureHost,
  ) {
    this.connection = connection
    this.cid = cid
    this.settings = settings
    this.links = links
    links.settings ??= settings
    this.declared = options.maxRecvDataSegmentLength
    this.#host = host
    this.exchanges = new Exchanges(connection, links)
    this.#probe = new Probe(this, options.nopIntervalMs)
    this.retransmission = settings.errorRecoveryLevel > 0 ? new Retransmission(this) : null
    connection.useDigests(settings.headerDigest, settings.dataDigest)
    connection.handTo(this)
  }

  /** Sends a command under the next CmdSN. Only where `links` has room. */
  start(task: Task): void {
    const { window, tasks, retried } = this.links
    if (retried.size > 0) retried.delete(this)
    tasks.add(task)
    task.cmdSn = window.cmdSn
    window.cmdSn = next(window.cmdSn)
    task.state = 'sent'
    task.sentAt = performance.now()
    this.take(task)
    sendCommand(this.connection, this.settings, task)
  }

  /** Gives a task its allegiance to this connection. */
  take(task: Task): void {
    if (task.link !== null) task.link.inFlight--
    task.link = this
    task.declarations = this.declarations
    this.inFlight++
  }

  /**
   * Sends a command again under its number and tag, if the target has not taken it in: what it has is left alone by both
   * (RFC 7143, 7.2.1).
   */
  retry(task: Task): void {
    // Data and R2Ts acknowledge it as well (RFC 7143, 7.1.4.2).
    const isIn = this.links.window.acknowledged(task.cmdSn) || task.dataInPdus > 0 || task.r2ts > 0
    if (isIn || this.exchanges.isLoggedOut) return
    if (++task.retries > MAX_RETRIES) {
      this.connection.fail(broken(`did not take a command in that was sent ${MAX_RETRIES} times`))
      return
    }
    this.#sendAgain(task)
  }

  /** Sends a command here under its number and tag, whose connection has been logged out before the target took it in. */
  resume(task: Task): void {
    this.take(task)
    this.#sendAgain(task)
  }

  #sendAgain(task: Task): void {
    task.rewind()
    this.links.retried.add(this)
    sendCommand(this.connection, this.settings, task)
  }

  /** A task has ended; `late` where PDUs for it may still come. */
  done(task: Task, late = false): void {
    this.forget(task, late)
    this.links.completed++
  }

  forget(task: Task, late = false): void {
    const { tasks } = this.links
    if (task.recovery !== null) this.retransmission?.giveUp(task)
    if (late) tasks.bury(task)
    else tasks.remove(task)
    this.inFlight--
  }

  place(header: Uint8Array, length: number, framer: Framer): Uint8Array | null {
    if (DATA_IN.field.opcode.get(header, 0) !== Opcode.dataIn) {
      refuseData(header)
      return null
    }
    if (this.retransmission !== null) return this.#placeAgain(this.retransmission, header, length, framer)
    const task = this.task(header)
    if (task === null) return null
    framer.at = admitDataIn(task, header, length)
    return task.dataIn
  }

  /** Data that are not needed go to a buffer of the framer's. */
  #placeAgain(
    retransmission: Retransmission,
    header: Uint8Array,
    length: number,
    framer: Framer,
  ): Uint8Array | null {
    const task = this.find(header)
    const at = task === null ? -1 : retransmission.locate(task, header, length)
    if (at < 0) return null
    framer.at = at
    return task!.dataIn
  }

  pdu(header: Uint8Array, data: Uint8Array): void {
    const opcode = BHS.field.opcode.get(header, 0)
    const { retransmission } = this
    switch (opcode) {
      case Opcode.dataIn:
        if (retransmission === null) this.#dataIn(header)
        else retransmission.dataIn(header)
        break
      case Opcode.scsiResponse:
        if (retransmission === null) this.#response(header, data)
        else retransmission.response(header, data)
        break
      case Opcode.r2t:
        if (retransmission === null) this.#r2t(header)
        else retransmission.r2t(header)
        break
      case Opcode.nopIn:
        this.#nopIn(header, data)
        break
      case Opcode.taskManagementResponse:
      case Opcode.textResponse:
      case Opcode.logoutResponse:
        if (this.#isDue(header)) this.exchanges.answer(header, data)
        break
      case Opcode.asyncMessage:
        if (this.#isDue(header)) this.#message(header, data)
        break
      case Opcode.reject:
        if (this.#isDue(header)) this.#reject(header, data)
        break
      default:
        throw broken(`sent a PDU of opcode 0x${opcode.toString(16)}, which no target may send now`)
    }
    if (this.gone === null) this.#host.ready(this)
  }

  /** The clock of the session, every now and then. */
  tick(now: number): void {
    try {
      this.retransmission?.tick(now)
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      this.connection.fail(error)
    }
    if (this.gone === null && !this.exchanges.isLoggedOut) this.#probe.tick(now)
  }

  /** The task in flight here under this CmdSN, or null. */
  oldest(cmdSn: number): Task | null {
    for (const task of this.links.tasksOf(this)) if (task.cmdSn === cmdSn) return task
    return null
  }

  damaged(header: Uint8Array): void {
    this.retransmission?.damaged(header)
  }

  lost(error: TransportError): void {
    this.gone = error
    this.exchanges.fail(error)
    this.#host.lost(this, error)
  }

  /** Ends the connection without a word to the host. */
  end(error: TransportError): void {
    this.gone = error
    this.connection.drop()
    this.exchanges.fail(error)
  }

  #dataIn(header: Uint8Array): void {
    const { statusPresent, dataSegmentLength } = DATA_IN.field
    const task = this.task(header)
    const length = dataSegmentLength.get(header, 0)
    if (task !== null && length === 0) admitDataIn(task, header, 0)
    this.#numbers(header, statusPresent.get(header, 0) === 1)
    if (task !== null && finishDataIn(task, header, length)) this.done(task)
  }

  #response(header: Uint8Array, data: Uint8Array): void {
    const task = this.task(header)
    this.#numbers(header, true)
    if (task === null) return
    finishResponse(task, header, data)
    this.done(task)
  }

  #r2t(header: Uint8Array): void {
    this.#numbers(header, false)
    const task = this.task(header)
    if (task !== null) answerR2t(this.connection, this.settings, task, header)
  }

  #nopIn(header: Uint8Array, data: Uint8Array): void {
    const ttt = NOP_IN.field.ttt.get(header, 0)
    if (NOP_IN.field.itt.get(header, 0) !== RESERVED_TAG) {
      if (ttt !== RESERVED_TAG) throw broken('sent a NOP-In that both answers and asks')
      if (this.#isDue(header)) this.exchanges.answer(header, data)
      return
    }
    this.#numbers(header, false)
    this.retransmission?.know(header)
    if (ttt !== RESERVED_TAG) answerByNop(this, NOP_IN.field.lun.get(header, 0), ttt)
  }

  #message(header: Uint8Array, data: Uint8Array): void {
    const { asyncEvent, lun, parameter1, parameter2, parameter3 } = ASYNC_MESSAGE.field
    const event = asyncEvent.get(header, 0)
    this.#host.message(this, {
      event,
      lun: lun.get(header, 0).slice(),
      parameter1: parameter1.get(header, 0),
      parameter2: parameter2.get(header, 0),
      parameter3: parameter3.get(header, 0),
      data: event === AsyncEvent.scsiEvent ? senseOf(data) : data,
    })
  }

  /** The target refused a PDU; its header comes back as data (RFC 7143, 11.17). */
  #reject(header: Uint8Array, data: Uint8Array): void {
    const code = REJECT.field.reason.get(header, 0)
    const error = new TransportError(
      'TRANSPORT_REJECTED',
      `The target rejected a PDU: ${rejectReasonText(code)}`,
    )
    if (data.length < BHS.length) throw error
    // The command goes on: the target asks again, or ends it with a status (RFC 7143, 7.3).
    if (BHS.field.opcode.get(data, 0) === Opcode.dataOut) return
    if (this.retransmission?.rejected(code, data)) return
    this.#fillGap(data)
    const task = this.find(data)
    if (task !== null) {
      this.forget(task)
      // It never ran, and may do so elsewhere.
      const isFree = code === RejectReason.waitingForLogout && this.leaving
      if (isFree) this.#host.vanished(task, error, false)
      else task.fail(error)
      return
    }
    const damaged = code === RejectReason.dataDigestError
    if (!this.exchanges.reject(BHS.field.itt.get(data, 0), error, damaged)) throw error
  }

  /** A request that was refused was not received: unless another has its number, all behind it wait (RFC 7143, 7.3). */
  #fillGap(header: Uint8Array): void {
    if (BHS.field.opcode.get(header, 0) !== Opcode.scsiCommand || BHS.field.immediate.get(header, 0) === 1)
      return
    const number = NOP_OUT.field.cmdSn.get(header, 0)
    if (this.links.window.acknowledged(number)) return
    // Where this connection is on its way out, the target may refuse this one, too.
    const link = this.leaving ? (this.links.leastLoaded() ?? this) : this
    link.exchanges.ping(number).catch(() => undefined)
  }

  /** The task in flight on this connection that a header names, or null. */
  find(header: Uint8Array): Task | null {
    const task = this.links.tasks.find(BHS.field.itt.get(header, 0))
    return task !== null && task.link === this ? task : null
  }

  /** The same, but null only for one that has ended early; throws a TransportError if there is none. */
  task(header: Uint8Array): Task | null {
    const task = this.find(header)
    if (task !== null) return task
    const itt = BHS.field.itt.get(header, 0)
    if (this.links.tasks.isBuried(itt)) return null
    throw broken(`sent a PDU for task 0x${itt.toString(16)}, which is not in flight`)
  }

  /** Takes the numbers of a response that is no task's; returns whether it is to be dealt with now. */
  #isDue(header: Uint8Array): boolean {
    refuseReservedCode(header)
    this.#numbers(header, this.retransmission === null)
    return this.retransmission === null || this.retransmission.isDue(header)
  }

  /** StatSN counts up by one where a PDU has a status (RFC 7143, 4.2.2.2); the other numbers move the window. */
  #numbers(header: Uint8Array, counts: boolean): void {
    if (counts) {
      const { connection } = this
      const sn = SCSI_RESPONSE.field.statSn.get(header, 0)
      if (sn !== connection.expStatSn) throw broken(`sent StatSN ${sn} where ${connection.expStatSn} was due`)
      connection.expStatSn = next(sn)
    }
    this.takeWindow(header)
  }

  takeWindow(header: Uint8Array): void {
    const { expCmdSn, maxCmdSn } = SCSI_RESPONSE.field
    this.links.window.update(expCmdSn.get(header, 0), maxCmdSn.get(header, 0))
  }
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
