// SPDX-License-Identifier: Apache-2.0
// The end of a task: data-in and status to the initiator, or nothing for an aborted one.
import { PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT, SenseKey, Status } from '@lunkit/spec'
import { type Engine, empty, type Task } from '@lunkit/target-api'
import type { Connection } from './connection.ts'
import type { IscsiTask } from './iscsi-task.ts'
import { sendDataIn } from './outbound/data-in.ts'
import { sendScsiResponse } from './outbound/response.ts'
import type { IscsiTargetPort } from './port.ts'
import type { Answer } from './recovery/kept-command.ts'

const { opcode: PREEMPTING, serviceAction: PREEMPT_AND_ABORT } = PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT

export function answerTask(engine: Engine, task: Task): void {
  const one = task.driverData as IscsiTask
  const { session } = one
  if (session.several && (session.fence?.concerns(task.lun) || isFenced(task)) && !waitsForData(one, task)) {
    session.dismissData(one)
    session.sendInOrder({
      lun: task.lun,
      fenced: isFenced(task),
      send() {
        const { connection } = one
        answerNow(engine, task)
        return connection
      },
      drop() {
        if (one.startedAt > 0) session.port.watch.dog.ended(one, task, false)
        session.endTask(one)
        engine.responseSent(task)
      },
    })
  } else answerNow(engine, task)
}

/** An answer after which the initiator may take others for settled (RFC 7143, 4.2.2.3.4). */
function isFenced({ cdb, status, senseCode, nexusUnit }: Task): boolean {
  if (cdb[0] === PREEMPTING && (cdb[1]! & 0x1f) === PREEMPT_AND_ABORT) return true
  if (status !== Status.checkCondition) return status === Status.acaActive
  return senseCode?.key === SenseKey.unitAttention || nexusUnit.faulted
}

/** The initiator still sends data without being asked. One with data-in to send cannot wait for it: it is thrown away. */
const waitsForData = (one: IscsiTask, task: Task): boolean =>
  one.unsolicited && (task.inLength === 0 || !isBidirectional(task))

function answerNow(engine: Engine, task: Task): void {
  const one = task.driverData as IscsiTask
  const { session, connection } = one
  if (one.startedAt > 0) session.port.watch.dog.ended(one, task, false)
  const { recovery } = session
  if (connection === null || connection.over) {
    if (connection === null && recovery !== null && !one.immediate)
      recovery.answerTask(engine, one, task, answerOf(task))
    else {
      session.endTask(one)
      engine.responseSent(task)
    }
    return
  }
  const bidirectional = isBidirectional(task)
  const bidiResidual = bidirectional ? task.inLength - task.expectedIn : 0
  if (waitsForData(one, task)) {
    // The answer waits for the end of the data, the engine's task need not.
    one.answered = true
    one.fetching = false
    one.fenced = session.several && isFenced(task)
    one.task = null
    empty(one.held)
    if (one.early > 0) session.port.early.drop(one)
    one.status = task.status
    one.outLength = task.outLength
    one.bidiResidual = bidiResidual
    one.senseLength = task.senseLength
    task.sense.copy(one.sense, 0, 0, task.senseLength)
    engine.responseSent(task)
    return
  }
  if (recovery !== null) {
    recovery.answerTask(engine, one, task, answerOf(task))
    return
  }
  // R2Ts and Data-In of one command share their numbers.
  const first = bidirectional ? one.r2tsSent : 0
  // First out of the table, so that the answer opens the window for the next command.
  session.endTask(one)
  const residual = residualOf(task)
  const length = Math.min(task.inLength, task.expectedIn)
  if (length === 0) {
    respond(connection, task, residual, 0, bidiResidual)
  } else {
    // RFC 7143, 11.7.3: status comes with data of plain reads only.
    const collapse = task.status === Status.good && task.senseLength === 0 && !bidirectional
    const count = sendDataIn(connection, task, length, collapse, residual, first)
    if (count < 0) {
      reportLack(session.port, task)
      engine.responseSent(task)
      void connection.end('fault')
      return
    }
    if (!collapse) {
      respond(connection, task, residual, count, bidiResidual)
    }
  }
  connection.out.endTask(task)
  connection.kick()
}

const isBidirectional = (task: Task): boolean => task.expectedIn > 0 && task.expectedOut > 0

const answerOf = (task: Task): Answer => ({
  status: task.status,
  residual: residualOf(task),
  bidiResidual: isBidirectional(task) ? task.inLength - task.expectedIn : 0,
  sense: Buffer.from(task.sense.subarray(0, task.senseLength)),
})

function respond(
  connection: Connection,
  task: Task,
  residual: number,
  dataIns: number,
  bidiResidual: number,
): void {
  const { tag, status, sense, senseLength } = task
  sendScsiResponse(connection, tag, status, residual, dataIns, sense, senseLength, bidiResidual)
}

/** What the command had more than the initiator expected, or less (negative), in the direction it expected. */
function residualOf(task: Task): number {
  if (task.expectedOut > 0) return task.outLength - task.expectedOut
  if (task.expectedIn > 0) return task.inLength - task.expectedIn
  return task.inLength > 0 ? task.inLength : task.outLength
}

/** A device broke its contract: zeros in the place of what it lacks would be taken for data. */
export function reportLack(port: IscsiTargetPort, task: Task): void {
  port.observe({
    type: 'warning',
    reason: `Command 0x${task.cdb[0]!.toString(16)} has less data than it says`,
  })
}

export function abandonTask(engine: Engine, task: Task): void {
  const one = task.driverData as IscsiTask
  const { session } = one
  if (one.startedAt > 0) session.port.watch.dog.ended(one, task, true)
  session.endTask(one)
  engine.responseSent(task)
  // No answer tells the initiator that there is room again.
  if (session.nexus !== null) session.port.tellWindow(session)
}
