// SPDX-License-Identifier: Apache-2.0
// SANITIZE: what the medium held is gone for every initiator, by overwriting or by giving all blocks back.
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS,
  PARAMETER_LIST_LENGTH_ERROR,
  SANITIZE_BLOCK_ERASE,
  SANITIZE_COMMAND_FAILED,
  SANITIZE_CRYPTOGRAPHIC_ERASE,
  SANITIZE_EXIT_FAILURE_MODE,
  SANITIZE_OVERWRITE,
  SANITIZE_OVERWRITE_HEADER,
} from '@lunkit/spec'
import { fail, failParameter, on, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { type FailedOperation, MediumOperation, type Pass } from '../medium-operation.ts'

const { immed, ause, parameterLength } = SANITIZE_OVERWRITE.cdb.field
/** Where a service action of the short CDBs stands. */
const SERVICE_ACTION = { byte: 1, bit: 4 } as const
const HEADER = SANITIZE_OVERWRITE_HEADER

/** The failure of a sanitize operation that nobody has mended yet, or null. */
function failureOf({ occupied }: Disk): FailedOperation | null {
  return occupied?.code === SANITIZE_COMMAND_FAILED ? (occupied as FailedOperation) : null
}

/** True if the task has ended: after a failure without AUSE, only another operation without it helps. */
function isBarred(task: Task, disk: Disk): boolean {
  const failure = failureOf(disk)
  if (failure === null || failure.mayExit || ause.get(task.cdb, 0) === 0) return false
  fail(task, INVALID_FIELD_IN_CDB, ause)
  return true
}

function sanitize(task: Task, disk: Disk, passes: readonly Pass[]): void {
  const waits = immed.get(task.cdb, 0) === 0
  const mayExit = ause.get(task.cdb, 0) === 1
  task.releaseData()
  MediumOperation.start(
    disk,
    {
      passes,
      underWay: LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS,
      failure: SANITIZE_COMMAND_FAILED,
      mayExit,
    },
    task,
    waits,
  )
  if (!waits) succeed(task)
}

/** No disk here has zones (ZNR). */
const refuses = ['znr'] as const

export const sanitizeOverwrite = on(
  SANITIZE_OVERWRITE,
  (task: Task, disk: Disk) => {
    const length = parameterLength.get(task.cdb, 0)
    if (length <= HEADER.length || length > HEADER.length + disk.blockSize)
      return fail(task, INVALID_FIELD_IN_CDB, parameterLength)
    if (isBarred(task, disk)) return
    if (task.received < length) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
    const list = Buffer.concat(task.segments, length)
    const wrong = wrongPlace(list, disk)
    if (wrong !== null) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, wrong.byte, wrong.bit)
    const { count, invert, patternLength } = HEADER.field
    const bytes = patternLength.get(list, 0)
    if (HEADER.length + bytes > length) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
    const block = Buffer.alloc(disk.blockSize, list.subarray(HEADER.length, HEADER.length + bytes))
    sanitize(task, disk, overwrites(block, count.get(list, 0), invert.get(list, 0) === 1))
  },
  { refuses },
)

function wrongPlace(list: Buffer, { blockSize }: Disk): { byte: number; bit: number } | null {
  const { test, count, patternLength } = HEADER.field
  const stray = HEADER.reserved(list)
  if (stray !== null) return stray
  if (test.get(list, 0) !== 0) return test
  if (count.get(list, 0) === 0) return count
  const bytes = patternLength.get(list, 0)
  return bytes === 0 || bytes > blockSize ? { byte: patternLength.byte, bit: -1 } : null
}

/** With INVERT the patterns take turns, so that the last pass leaves the one that was sent (SBC-4). */
function overwrites(block: Buffer, count: number, invert: boolean): Pass[] {
  const inverted = Buffer.from(block.map(byte => ~byte))
  return Array.from({ length: count }, (_, pass) => ({
    block: invert && (count - pass) % 2 === 0 ? inverted : block,
    discards: false,
  }))
}

function giveAllBack(task: Task, disk: Disk): void {
  if (hasList(task) || isBarred(task, disk)) return
  sanitize(task, disk, [{ block: null, discards: true }])
}

/** For disks whose store takes blocks back and reads zeros then. */
export const sanitizeBlockErase = on(SANITIZE_BLOCK_ERASE, giveAllBack, { refuses })

/** For those whose store keeps nothing of what it takes back: that is what throwing the key away is for. */
export const sanitizeCryptographicErase = on(SANITIZE_CRYPTOGRAPHIC_ERASE, giveAllBack, { refuses })

export const sanitizeExitFailureMode = on(
  SANITIZE_EXIT_FAILURE_MODE,
  (task: Task, disk: Disk) => {
    if (hasList(task)) return
    const failure = failureOf(disk)
    if (failure === null && disk.occupied !== null) return fail(task, disk.occupied.code)
    if (failure?.mayExit === false) return fail(task, INVALID_FIELD_IN_CDB, SERVICE_ACTION)
    disk.occupied = null
    succeed(task)
  },
  { refuses },
)

/** True if the task has ended: these service actions have no parameter list. */
function hasList(task: Task): boolean {
  if (parameterLength.get(task.cdb, 0) === 0) return false
  fail(task, INVALID_FIELD_IN_CDB, parameterLength)
  return true
}
