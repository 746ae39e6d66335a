// SPDX-License-Identifier: Apache-2.0
// ErrorRecoveryLevel 1 on one connection: what came damaged or not at all is asked for again (RFC 7143, 7.1.4).
import { TransportError } from '@lunkit/initiator-core'
import {
  BHS,
  DATA_IN,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  rejectReasonText,
  SCSI_RESPONSE,
  SNACK,
  SnackType,
} from '@lunkit/spec'
import { finishByDataIn, finishResponse } from './data-in.ts'
import { answerR2t } from './data-out.ts'
import {
  type DataRecovery,
  type Hole,
  isMissing,
  lacksStatus,
  locateDataIn,
  missDataIn,
  missTail,
  recoveryOf,
  startOver,
  takeDataIn,
} from './data-recovery.ts'
import type { FullFeature } from './full-feature.ts'
import { checkLun } from './lun-check.ts'
import { acknowledgeData, askForData, askForDataCutAnew, askForStatus } from './snack.ts'
import { StatusNumbers } from './status-numbers.ts'
import type { Task } from './task.ts'

/** After so long without an answer something is asked for again, in ms, and so often. */
const PATIENCE_MS = 1000
const MAX_ASKS = 5

const statSn = SCSI_RESPONSE.field.statSn
const field = DATA_IN.field

export class Retransmission {
  readonly #feature: FullFeature
  readonly #status: StatusNumbers
  #askedAt = 0
  #asks = 0
  #expStatSn = 0

  constructor(feature: FullFeature) {
    this.#feature = feature
    this.#status = new StatusNumbers(feature.connection)
    feature.connection.framer.keepsOn = true
  }

  /** Where the data of a Data-In PDU go; -1 where they are not needed. */
  locate(task: Task, header: Uint8Array, length: number): number {
    return locateDataIn(task, header, length)
  }

  dataIn(header: Uint8Array): void {
    const feature = this.#feature
    feature.takeWindow(header)
    const length = field.dataSegmentLength.get(header, 0)
    const withStatus = field.statusPresent.get(header, 0) === 1
    const again = withStatus && !this.#status.isNew(statSn.get(header, 0))
    const task = again ? feature.find(header) : feature.task(header)
    if (task === null) {
      if (withStatus) this.#skip(header)
      return
    }
    if (locateDataIn(task, header, length) >= 0) {
      const hole = takeDataIn(task, header, length)
      if (hole !== null) this.#ask(task, hole)
      if (field.acknowledge.get(header, 0) === 1 && !withStatus) this.#owe(task, header)
    }
    this.#acknowledge(task)
    if (withStatus) this.#end(task, header, EMPTY)
    else if (task.recovery !== null) this.#release(task)
  }

  response(header: Uint8Array, data: Uint8Array): void {
    this.#feature.takeWindow(header)
    if (!this.#status.isNew(statSn.get(header, 0))) return
    const task = this.#feature.task(header)
    if (task === null) this.#skip(header)
    else this.#end(task, header, data)
  }

  r2t(header: Uint8Array): void {
    const { connection, settings } = this.#feature
    this.#feature.takeWindow(header)
    const task = this.#feature.task(header)
    if (task === null) return
    const missing = answerR2t(connection, settings, task, header)
    // This one is asked for as well: write data go in order.
    if (missing > 0 && !this.#feature.exchanges.isLoggedOut)
      askForData(connection, task, task.r2ts, missing + 1)
  }

  /** A task has ended without its data: a status that waits for them is acknowledged, or nothing behind it would be. */
  giveUp(task: Task): void {
    const sn = task.recovery?.heldSn ?? -1
    if (sn >= 0 && this.#status.isNew(sn)) this.#status.take(sn)
  }

  /** Whether a numbered response is the next one; others are asked for again, or had come before. */
  isDue(header: Uint8Array): boolean {
    const sn = statSn.get(header, 0)
    if (!this.#status.isNew(sn)) return false
    if (this.#status.isDue(sn)) {
      this.#status.take(sn)
      return true
    }
    // Those of tasks stand for themselves; the others may speak of what is missing.
    this.#status.pass(sn, false)
    this.askForStatus()
    return false
  }

  /** A PDU without a status of its own tells the number of the next one (RFC 7143, 11.19.3). */
  know(header: Uint8Array): void {
    this.#status.know(statSn.get(header, 0))
    this.askForStatus()
  }

  /** A PDU came with a wrong data digest (RFC 7143, 7.8). */
  damaged(header: Uint8Array): void {
    const feature = this.#feature
    const opcode = BHS.field.opcode.get(header, 0)
    const itt = BHS.field.itt.get(header, 0)
    if (opcode !== Opcode.dataIn) {
      // A ping has no number, and comes again if it matters.
      if (opcode === Opcode.nopIn && itt === RESERVED_TAG) return
      const sn = statSn.get(header, 0)
      if (this.#status.isNew(sn)) this.#status.pass(sn, true)
      this.askForStatus()
      return
    }
    const task = feature.find(header)
    if (task === null) return
    const hole = missDataIn(task, header, field.dataSegmentLength.get(header, 0))
    if (hole !== null) this.#ask(task, hole)
  }

  /** Asks for the statuses that are missing and were not asked for. */
  askForStatus(): void {
    if (!this.#status.hasMore) return
    const { connection } = this.#feature
    for (const { from, length } of this.#status.toAsk()) askForStatus(connection, from, length)
    this.#askedAt = performance.now()
  }

  /** The target refused a PDU: returns whether that is dealt with here. Throws where it ends the connection. */
  rejected(reason: number, header: Uint8Array): boolean {
    const opcode = BHS.field.opcode.get(header, 0)
    if (opcode === Opcode.snack) {
      if (SNACK.field.type.get(header, 0) === SnackType.dataAck) return true
      const why = `The target does not send again what was lost: ${rejectReasonText(reason)}`
      throw new TransportError('TRANSPORT_DATA_MISSING', why)
    }
    if (opcode !== Opcode.scsiCommand || reason !== RejectReason.dataDigestError) return false
    const task = this.#feature.find(header)
    if (task !== null) this.#feature.retry(task)
    return true
  }

  /** Asks again for what was asked for and did not come. Throws a TransportError where that does not help. */
  tick(now: number): void {
    const { connection, links } = this.#feature
    if (connection.expStatSn !== this.#expStatSn) {
      this.#expStatSn = connection.expStatSn
      this.#asks = 0
    }
    for (const task of links.tasksOf(this.#feature)) {
      if (isMissing(task) || lacksStatus(task)) this.#askAgain(task, now)
    }
    if (now - this.#askedAt < PATIENCE_MS) return
    for (const { from, length } of this.#status.missing()) {
      if (++this.#asks > MAX_ASKS) throw silent('a status')
      askForStatus(connection, from, length)
      this.#askedAt = now
    }
  }

  #askAgain(task: Task, now: number): void {
    const recovery = recoveryOf(task)
    if (now - recovery.askedAt < PATIENCE_MS || this.#feature.exchanges.isLoggedOut) return
    if (++recovery.asks > MAX_ASKS) throw silent('read data')
    if (!isMissing(task)) {
      askForStatus(this.#feature.connection, recovery.heldSn, 1)
      recovery.askedAt = now
    } else if (recovery.restarting || this.#isCutOtherwise(task)) {
      // What was asked for may just be late.
      recovery.strays = true
      this.#cutAnew(task)
    } else for (const hole of [...recovery.holes]) this.#ask(task, hole)
  }

  #ask(task: Task, { sn, end }: Hole): void {
    const recovery = recoveryOf(task)
    recovery.askedAt = performance.now()
    const { connection, exchanges } = this.#feature
    if (exchanges.isLoggedOut) return
    if (this.#isCutOtherwise(task)) this.#cutAnew(task)
    else {
      recovery.strays = true
      askForData(connection, task, sn, end - sn)
    }
  }

  /** This side's MaxRecvDataSegmentLength has changed since: the PDUs asked for would be others (RFC 7143, 11.16.3). */
  #isCutOtherwise({ declarations: before }: Task): boolean {
    const { declarations } = this.#feature
    return before !== declarations || declarations % 2 !== 0
  }

  #cutAnew(task: Task): void {
    startOver(task, this.#feature.links.snackTag())
    const { connection } = this.#feature
    const recovery = recoveryOf(task)
    recovery.askedAt = performance.now()
    askForDataCutAnew(connection, task, recovery.snackTag)
  }

  #owe(task: Task, header: Uint8Array): void {
    checkLun(task, header)
    const recovery = recoveryOf(task)
    recovery.ackDue = field.dataSn.get(header, 0) + 1
    recovery.ackTag = field.ttt.get(header, 0)
    recovery.ackLun = field.lun.get(header, 0).slice()
  }

  /** Acknowledges data where that is due and nothing before it is missing. */
  #acknowledge(task: Task): void {
    const { recovery } = task
    if (recovery === null || recovery.ackDue === 0) return
    const [hole] = recovery.holes
    const upTo = hole?.sn ?? task.dataInPdus
    if (upTo < recovery.ackDue || this.#feature.exchanges.isLoggedOut) return
    recovery.ackDue = 0
    recovery.ackedPdus = upTo
    recovery.ackedBytes = hole?.from ?? task.received
    acknowledgeData(this.#feature.connection, recovery.ackLun!, recovery.ackTag, upTo)
  }

  /** The status of a task has come: ends it, now or when its data are whole. */
  #end(task: Task, header: Uint8Array, data: Uint8Array): void {
    const sn = statSn.get(header, 0)
    if (!this.#status.isNew(sn)) return
    if (field.opcode.get(header, 0) === Opcode.scsiResponse && isLatest(task, header)) {
      if (task.recovery?.restarting) this.#cutOnceMore(task, task.recovery)
      else this.#missTail(task, header)
    }
    const { recovery } = task
    if (recovery !== null && (isMissing(task) || recovery.snackTag !== 0)) {
      if (isLatest(task, header)) recovery.held = { header: header.slice(), data }
      recovery.heldSn = sn
      this.#status.hold(sn)
      this.#release(task)
    } else this.#finish(task, header, data)
    this.askForStatus()
  }

  /** The data cut anew are over and did not count; nothing that was asked for is under way any more. */
  #cutOnceMore(task: Task, recovery: DataRecovery): void {
    if (this.#feature.exchanges.isLoggedOut) return
    if (++recovery.asks > MAX_ASKS) throw silent('read data')
    recovery.strays = false
    this.#cutAnew(task)
  }

  /** The target counted more data PDUs than came: the last ones are missing (RFC 7143, 11.4.8). */
  #missTail(task: Task, header: Uint8Array): void {
    const { expDataSn, underflow, residualCount } = SCSI_RESPONSE.field
    const sent = expDataSn.get(header, 0)
    if (task.dataIn.length === 0 || sent <= task.dataInPdus) return
    const under = underflow.get(header, 0) === 1 ? residualCount.get(header, 0) : 0
    this.#ask(task, missTail(task, sent, task.dataIn.length - under))
  }

  /** Ends a task whose status was held back, if its data are whole now. */
  #release(task: Task): void {
    const { recovery } = task
    if (recovery === null || recovery.held === null || isMissing(task)) return
    this.#finish(task, recovery.held.header, recovery.held.data)
    this.askForStatus()
  }

  #finish(task: Task, header: Uint8Array, data: Uint8Array): void {
    // What was asked for twice may come twice.
    const late = task.recovery !== null
    if (field.opcode.get(header, 0) === Opcode.dataIn) finishByDataIn(task, header)
    else finishResponse(task, header, data)
    this.#status.take(statSn.get(header, 0))
    this.#feature.done(task, late)
  }

  /** A status that nobody waits for any more. */
  #skip(header: Uint8Array): void {
    const sn = statSn.get(header, 0)
    if (this.#status.isNew(sn)) this.#status.take(sn)
    this.askForStatus()
  }
}

const EMPTY = new Uint8Array(0)

/** Whether this status is none of before the data were cut anew, which does not count (RFC 7143, 11.4.4). */
const isLatest = ({ recovery }: Task, header: Uint8Array): boolean =>
  recovery === null || recovery.snackTag === 0 || tagOf(header) === recovery.snackTag

/** SNACK tag of a response; in a Data-In PDU there is none. */
const tagOf = (header: Uint8Array): number =>
  field.opcode.get(header, 0) === Opcode.scsiResponse ? SCSI_RESPONSE.field.snackTag.get(header, 0) : 0

const silent = (what: string): TransportError =>
  new TransportError(
    'TRANSPORT_DATA_MISSING',
    `The target did not send ${what} again, asked ${MAX_ASKS} times`,
  )
