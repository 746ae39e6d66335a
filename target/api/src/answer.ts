// SPDX-License-Identifier: Apache-2.0
// How a device ends a task: with success, with data, with sense, or with what its store said.
import {
  INTERNAL_TARGET_FAILURE,
  LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  type SenseCode,
  type SenseExtra,
  SPACE_ALLOCATION_FAILED_WRITE_PROTECT,
  Status,
  UNRECOVERED_READ_ERROR,
  WRITE_ERROR,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import { StoreError } from './store-io.ts'
import { LONGEST_SENSE, type Task } from './task.ts'

/** Ends the task with GOOD; data-in, if any, is in `segments` and `inLength`. */
export function succeed(task: Task): void {
  task.status = Status.good
  task.done()
}

/**
 * Ends the task with GOOD and `bytes` as its data-in, cut to the CDB's allocation length (its default: no cut).
 * The task keeps `bytes` until the answer has left, so it must be the caller's to give.
 */
export function reply(task: Task, bytes: Uint8Array, allocation = bytes.length): void {
  const length = Math.min(bytes.length, allocation)
  task.releaseData()
  if (length > 0) task.segments.push(Buffer.from(bytes.buffer, bytes.byteOffset, length))
  task.inLength = length
  succeed(task)
}

/** Where a CDB or parameter list is wrong. */
export interface FieldPlace {
  readonly byte: number
  readonly bit: number
}

/**
 * Ends the task with CHECK CONDITION and this sense; `place` is a CDB field of the row (or any byte and bit of the
 * CDB) and becomes the field pointer.
 */
export function fail(task: Task, code: SenseCode, place: FieldPlace | null = null): void {
  if (place !== null) {
    task.fieldByte = place.byte
    task.fieldBit = place.bit
    task.fieldInCdb = true
  }
  failed(task, code)
}

/**
 * Ends the task with CHECK CONDITION and all that sense data can say (SPC-4, sense data): INFORMATION, FILEMARK, EOM, ILI, a deferred error
 * … Data-in stays, as SSC wants it of a READ that meets a block of another length: `segments` and `inLength` say what there is of it.
 */
export function failWith(task: Task, code: SenseCode, extra: SenseExtra): void {
  task.senseExtra = extra
  task.status = Status.checkCondition
  task.senseCode = code
  task.done()
}

/** As `fail`, for a parameter list: byte and bit count from the list's start. */
export function failParameter(task: Task, code: SenseCode, byte = -1, bit = -1): void {
  task.fieldByte = byte
  task.fieldBit = bit
  task.fieldInCdb = false
  failed(task, code)
}

function failed(task: Task, code: SenseCode): void {
  task.releaseData()
  task.inLength = 0
  task.status = Status.checkCondition
  task.senseCode = code
  task.done()
}

/** Ends the task with a status that carries neither data nor sense (BUSY, RESERVATION CONFLICT, TASK SET FULL). */
export function refuse(task: Task, status: number): void {
  task.releaseData()
  task.inLength = 0
  task.status = status
  task.done()
}

/**
 * Ends the task with somebody else's status and sense data, as they came; data-in stays. `code` is what the sense data say, or null where
 * there are none.
 */
export function relay(task: Task, status: number, sense: Uint8Array, code: SenseCode | null): void {
  const length = Math.min(sense.length, LONGEST_SENSE)
  for (let i = 0; i < length; i++) task.sense[i] = sense[i]!
  task.senseLength = length
  task.senseCode = code
  task.status = status
  task.done()
}

/** What each store error is to an initiator; medium errors differ by direction. */
const SENSE_OF: Readonly<Record<StoreError, SenseCode>> = {
  [StoreError.none]: INTERNAL_TARGET_FAILURE,
  [StoreError.medium]: UNRECOVERED_READ_ERROR,
  [StoreError.noSpace]: SPACE_ALLOCATION_FAILED_WRITE_PROTECT,
  [StoreError.readOnly]: WRITE_PROTECTED,
  [StoreError.gone]: LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  [StoreError.aborted]: INTERNAL_TARGET_FAILURE,
  [StoreError.internal]: INTERNAL_TARGET_FAILURE,
  [StoreError.protection]: INTERNAL_TARGET_FAILURE,
  [StoreError.busy]: INTERNAL_TARGET_FAILURE,
  [StoreError.sense]: INTERNAL_TARGET_FAILURE,
}

/** Ends the task with the status or sense for its store's error; the failing LBA, where known, becomes INFORMATION. */
export function failStore(task: Task, blockSize: number, writing: boolean): void {
  const { error, failedAt, sense, senseExtra } = task.io
  if (failedAt >= 0) task.information = Math.floor(failedAt / blockSize)
  if (error === StoreError.busy) refuse(task, Status.busy)
  else if (error === StoreError.protection && task.senseCode !== null) fail(task, task.senseCode)
  else if (error === StoreError.sense && sense !== null) {
    task.senseExtra = senseExtra
    fail(task, sense)
  } else fail(task, writing && error === StoreError.medium ? WRITE_ERROR : SENSE_OF[error])
}
