// SPDX-License-Identifier: Apache-2.0
// Read data: what a target may send for a task, and the residual that must fit it (RFC 7143, 11.7 and 11.4.5).
import { TransportError } from '@lunkit/initiator-core'
import { DATA_IN, SCSI_RESPONSE, ScsiResponse, SENSE_SEGMENT, scsiResponseText } from '@lunkit/spec'
import type { Task } from './task.ts'

const { dataSn, bufferOffset, statusPresent, status, overflow, underflow, residualCount } = DATA_IN.field
const response = SCSI_RESPONSE.field
const NO_SENSE = new Uint8Array(0)
// Longest sense data (SPC-4, sense data: additional sense length is a byte, and counts from byte 8).
const MAX_SENSE = 8 + 0xff

/** Checks a Data-In header before its data are taken; returns the offset at which they go into the task's buffer. */
export function admitDataIn(task: Task, header: Uint8Array, length: number): number {
  const at = bufferOffset.get(header, 0)
  if (dataSn.get(header, 0) !== task.dataInPdus) {
    throw broken(`sent DataSN ${dataSn.get(header, 0)} where ${task.dataInPdus} was due`)
  }
  // In order, because DataPDUInOrder and DataSequenceInOrder are Yes.
  if (at !== task.received) throw broken(`sent read data for offset ${at} where ${task.received} was due`)
  if (at + length > task.dataIn.length) {
    throw broken(`sent ${at + length} bytes of read data where at most ${task.dataIn.length} were asked for`)
  }
  return at
}

/** Counts a complete Data-In PDU. Returns whether it carried the status, and so ended the task. */
export function finishDataIn(task: Task, header: Uint8Array, length: number): boolean {
  task.dataInPdus++
  task.received += length
  if (statusPresent.get(header, 0) === 0) return false
  finishByDataIn(task, header)
  return true
}

/** Ends a task with the status in a Data-In PDU. */
export function finishByDataIn(task: Task, header: Uint8Array): void {
  if (underflow.get(header, 0) === 1 && overflow.get(header, 0) === 1) throw bothWays()
  const count = residualCount.get(header, 0)
  settle(
    task,
    status.get(header, 0),
    NO_SENSE,
    underflow.get(header, 0) === 1 ? count : 0,
    overflow.get(header, 0) === 1 ? count : 0,
  )
}

/** Ends a task with its SCSI Response. Throws a TransportError if the response contradicts what was moved. */
export function finishResponse(task: Task, header: Uint8Array, data: Uint8Array): void {
  const code = response.response.get(header, 0)
  if (code > ScsiResponse.targetFailure && code < ScsiResponse.vendorSpecific)
    throw broken(`answered a command with the reserved code ${code}`)
  if (code !== ScsiResponse.commandCompleted) {
    task.fail(
      new TransportError(
        'TRANSPORT_TARGET_FAILURE',
        `The target could not complete the command: ${scsiResponseText(code)}`,
      ),
    )
    return
  }
  if (response.underflow.get(header, 0) === 1 && response.overflow.get(header, 0) === 1) {
    throw bothWays()
  }
  const sent = response.expDataSn.get(header, 0)
  // Some targets leave the number zero; one that is larger than what came means that data were lost.
  if (!task.reassigned && sent > task.dataInPdus + task.r2ts) {
    task.fail(missing(`of ${sent} data PDUs only ${task.dataInPdus + task.r2ts} came`))
    return
  }
  const count = response.residualCount.get(header, 0)
  settle(
    task,
    response.status.get(header, 0),
    senseOf(data),
    response.underflow.get(header, 0) === 1 ? count : 0,
    response.overflow.get(header, 0) === 1 ? count : 0,
  )
}

function settle(task: Task, code: number, sense: Uint8Array, under: number, over: number): void {
  const expected = task.dataIn.length > 0 ? task.dataIn.length : task.outLength
  if (under > expected) throw broken(`reported ${under} bytes as not moved of ${expected} that were expected`)
  // GOOD promises the data: what is not in the residual must be there.
  if (code === 0 && task.dataIn.length > 0 && task.received + under < expected) {
    task.fail(missing(`of ${expected} bytes ${task.received} came and ${under} were reported as not moved`))
    return
  }
  task.finish(code, sense, under, over)
}

/** Sense data at the head of a data segment (RFC 7143, 11.4.7). Throws a TransportError if they are cut short. */
export function senseOf(data: Uint8Array): Uint8Array {
  if (data.length < SENSE_SEGMENT.length) return NO_SENSE
  const length = SENSE_SEGMENT.field.senseLength.get(data, 0)
  if (length > data.length - SENSE_SEGMENT.length) {
    throw broken(`announced ${length} bytes of sense data but sent ${data.length - SENSE_SEGMENT.length}`)
  }
  return data.subarray(SENSE_SEGMENT.length, SENSE_SEGMENT.length + Math.min(length, MAX_SENSE))
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
const bothWays = (): TransportError => broken('reported an underflow and an overflow at once')
const missing = (what: string): TransportError =>
  new TransportError('TRANSPORT_DATA_MISSING', `The target reported success but data are missing: ${what}`)
