// SPDX-License-Identifier: Apache-2.0
// Write data: immediate, unsolicited and solicited by R2T, within the negotiated limits (RFC 7143, 4.2.5 and 11.8).
import { TransportError } from '@lunkit/initiator-core'
import { DATA_OUT, Opcode, R2T, RESERVED_TAG } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import { checkLun } from './lun-check.ts'
import type { SessionSettings } from './settings.ts'
import type { Task } from './task.ts'

/** Times that a target may ask for the same data. */
const TIMES_AGAIN = 64
const field = DATA_OUT.field
const r2t = R2T.field

/** Bytes that may go in the command's own PDU. */
export function immediateLength(task: Task, settings: SessionSettings): number {
  if (!settings.immediateData) return 0
  return Math.min(task.outLength, settings.firstBurstLength, settings.maxSendDataLength)
}

/** Bytes that may go without an R2T, the immediate ones among them. */
export function unsolicitedLength(task: Task, settings: SessionSettings): number {
  if (settings.initialR2T) return immediateLength(task, settings)
  return Math.min(task.outLength, settings.firstBurstLength)
}

/** Sends bytes `from` up to `to` of the task's data as one sequence of Data-Out PDUs. */
export function sendSequence(
  connection: Connection,
  settings: SessionSettings,
  task: Task,
  ttt: number,
  from: number,
  to: number,
): void {
  let sn = 0
  for (let at = from; at < to; sn++) {
    const end = Math.min(to, at + settings.maxSendDataLength)
    const put = connection.begin()
    const header = connection.staging
    field.opcode.set(header, put, Opcode.dataOut)
    if (end === to) field.final.set(header, put, 1)
    // The LUN goes with the transfer tag, and means nothing without one (RFC 7143, 11.7.4).
    if (ttt !== RESERVED_TAG) field.lun.set(header, put, task.lun)
    field.itt.set(header, put, task.itt)
    field.ttt.set(header, put, ttt)
    field.expStatSn.set(header, put, connection.expStatSn)
    field.dataSn.set(header, put, sn)
    field.bufferOffset.set(header, put, at)
    connection.endOf(task.dataOut, at, end)
    at = end
  }
}

/**
 * Answers an R2T, after having checked that it asks for what is due; at ErrorRecoveryLevel 1 and above it may also ask for
 * data again. Returns how many R2Ts before it are missing, in which case it is not answered. Throws a TransportError
 * if it breaks the rules.
 */
export function answerR2t(
  connection: Connection,
  settings: SessionSettings,
  task: Task,
  header: Uint8Array,
): number {
  const sn = r2t.r2tSn.get(header, 0)
  const from = r2t.bufferOffset.get(header, 0)
  const length = r2t.desiredLength.get(header, 0)
  const ttt = r2t.ttt.get(header, 0)
  const strict = settings.errorRecoveryLevel === 0
  if (strict && sn !== task.r2ts) throw broken(`sent R2TSN ${sn} where ${task.r2ts} was due`)
  if (ttt === RESERVED_TAG) throw broken('sent an R2T with the reserved transfer tag')
  checkLun(task, header)
  if (length === 0 || length > settings.maxBurstLength) {
    throw broken(`asked for ${length} bytes in one burst where 1 to ${settings.maxBurstLength} were agreed`)
  }
  if (!strict && !task.reassigned) {
    if (sn < task.r2ts) return 0
    if (sn > task.r2ts) return sn - task.r2ts
  }
  // In order, because DataSequenceInOrder is Yes; this also bounds how much one target can make us send.
  if (strict ? from !== task.solicited : from > task.solicited)
    throw broken(`asked for data at offset ${from} where ${task.solicited} was due`)
  if (from + length > task.outLength) {
    throw broken(`asked for ${from + length} bytes of a command that has ${task.outLength}`)
  }
  task.askedAgain += Math.min(task.solicited, from + length) - from
  if (task.askedAgain > TIMES_AGAIN * task.outLength) {
    throw broken(`asked for the data of one command over ${TIMES_AGAIN} times`)
  }
  task.r2ts = sn + 1
  task.solicited = Math.max(task.solicited, from + length)
  sendSequence(connection, settings, task, ttt, from, from + length)
  return 0
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
