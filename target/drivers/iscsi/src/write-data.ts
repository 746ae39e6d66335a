// SPDX-License-Identifier: Apache-2.0
// A write's data on its way to the task: kept until wanted, asked for by R2T, counted by sequences.
import { empty, type Lease, type Task } from '@lunkit/target-api'
import { DATA_INCORRECT } from './condition.ts'
import type { Connection } from './connection.ts'
import { copies, SMALL_BYTES } from './gather.ts'
import type { IscsiTask } from './iscsi-task.ts'
import { sendR2T } from './outbound/r2t.ts'
import { sendScsiResponse } from './outbound/response.ts'

/** Sequences of one task that are asked for again; a peer that spoils more of them does so on purpose. */
const MOST_REPEATS = 64

/** Takes the next data of a task, in order and checked. What holds it goes over from `leases` to the task that gets it. */
export function keepData(one: IscsiTask, data: readonly Buffer[], leases: Lease[], length: number): void {
  one.dataSn = (one.dataSn + 1) >>> 0
  one.got += length
  if (length > 0) one.movedAt = one.session.port.clock
  if (one.answered) return
  if (one.fetching) {
    give(one, one.task!, data)
    // So little is copied, and holds nothing.
    if (length >= SMALL_BYTES) passOn(leases, one.task!)
  } else for (const piece of copies(data)) one.gather.add(one.held, piece, one.sequenceEnd - one.got + length)
}

/** The task is done with before the memory of what it has got is used again. */
export function passOn(leases: Lease[], task: Task): void {
  for (let lease = leases.pop(); lease !== undefined; lease = leases.pop()) task.leases.push(lease)
}

/** Adds slices to the task's segments, up to what is wanted: an initiator may bring more than the command needs. */
function give(one: IscsiTask, task: Task, data: readonly Buffer[]): void {
  for (let i = 0; i < data.length; i++) {
    const room = one.wanted - task.received
    if (room <= 0) return
    const slice = data[i]!
    const part = slice.length <= room ? slice : slice.subarray(0, room)
    one.gather.add(task.segments, part, room)
    task.received += part.length
  }
}

/** The engine wants the task's data; without a connection it is asked for when the task has one again. */
export function beginFetch(one: IscsiTask, task: Task): void {
  const { connection, session } = one
  if (one.early > 0) session.port.early.drop(one)
  one.fetching = true
  one.movedAt = session.port.clock
  one.wanted = Math.min(task.outLength, task.expectedOut)
  if (one.held.length > 0) {
    give(one, task, one.held)
    empty(one.held)
  }
  if (connection !== null) proceed(connection, one)
  else if (one.got >= one.wanted) endFetch(one)
}

/** A task has a connection again: what it has not got is asked for there. */
export function resumeFetch(connection: Connection, one: IscsiTask): void {
  if (!one.fetching) return
  one.movedAt = one.session.port.clock
  askAgain(connection, one)
  proceed(connection, one)
}

/** The next R2T begins where the data has come to. */
function askAgain(connection: Connection, one: IscsiTask): void {
  one.skipping = false
  one.dataSn = 0
  one.r2tOffset = one.got
  one.sequenceEnd = sequenceEndAfter(connection, one, one.got)
}

/** The initiator said that a sequence is complete. */
export function endSequence(connection: Connection, one: IscsiTask, solicited: boolean): void {
  one.dataSn = 0
  one.skipping = false
  if (!solicited) {
    one.unsolicited = false
    if (one.answered) finishAnswered(connection, one)
    else if (one.fetching) proceed(connection, one)
    return
  }
  if (one.got !== one.sequenceEnd && one.fault === null) {
    if (one.session.recovery !== null && one.repeats++ < MOST_REPEATS) {
      // A recovery R2T (RFC 7143, 7.1.4.1).
      one.r2tsDone++
      connection.counters.recoveryR2ts++
      askAgain(connection, one)
      proceed(connection, one)
      return
    }
    one.fault = DATA_INCORRECT
  }
  one.got = one.sequenceEnd
  one.r2tsDone++
  one.sequenceEnd = sequenceEndAfter(connection, one, one.got)
  proceed(connection, one)
}

/** Ends the fetch if all is there, else asks for as much as may be asked for. */
function proceed(connection: Connection, one: IscsiTask): void {
  if (one.unsolicited && (one.got < one.wanted || one.fault !== null)) return
  const outstanding = one.r2tsSent - one.r2tsDone
  if (one.fault !== null) {
    if (outstanding === 0) endFetch(one)
    return
  }
  if (one.got >= one.wanted) {
    endFetch(one)
    return
  }
  const { maxBurst, maxOutstandingR2T } = connection.session!.parameters
  if (one.r2tsSent === 0) {
    one.r2tOffset = one.got
    one.dataSn = 0
    one.sequenceEnd = sequenceEndAfter(connection, one, one.got)
  }
  for (let i = outstanding; i < maxOutstandingR2T && one.r2tOffset < one.wanted; i++) {
    const length = Math.min(maxBurst, one.wanted - one.r2tOffset)
    sendR2T(connection, one, one.r2tOffset, length)
    one.r2tOffset += length
  }
  connection.kick()
}

function sequenceEndAfter(connection: Connection, one: IscsiTask, offset: number): number {
  return Math.min(offset + connection.session!.parameters.maxBurst, one.wanted)
}

function endFetch(one: IscsiTask): void {
  const task = one.task!
  const { fault } = one
  one.fetching = false
  if (fault === null) one.session.port.engine.dataArrived(task)
  else one.session.port.engine.dataFailed(task, fault)
}

/** All data that the failed command announced is through: now its answer may go. */
function finishAnswered(connection: Connection, one: IscsiTask): void {
  const { session, itt } = one
  const { fence, several } = session
  if (!several || !(one.fenced || fence?.concerns(one.lun))) {
    sendAnswered(connection, one)
    return
  }
  session.sendInOrder({
    lun: one.lun,
    fenced: one.fenced,
    send() {
      // It may have been aborted, or its connection lost, meanwhile.
      if (session.tasks.get(itt) !== one || !one.answered) return null
      sendAnswered(connection, one)
      return connection
    },
    drop: () => undefined,
  })
}

function sendAnswered(connection: Connection, one: IscsiTask): void {
  const session = connection.session!
  if (session.recovery !== null) {
    session.recovery.answer(one, one.takeAnswer())
    session.endTask(one)
    return
  }
  const residual = one.outLength - one.expected
  session.endTask(one)
  const { itt, status, sense, senseLength, bidiResidual } = one
  sendScsiResponse(connection, itt, status, residual, 0, sense, senseLength, bidiResidual)
  connection.kick()
}
