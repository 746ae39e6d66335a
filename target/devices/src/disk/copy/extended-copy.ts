// SPDX-License-Identifier: Apache-2.0
// EXTENDED COPY (LID1) and what RECEIVE COPY RESULTS tells about it.
import {
  COPY_COUNT_UNIT_BITS,
  COPY_FAILURE_DETAILS,
  COPY_OPERATING_PARAMETERS,
  COPY_STATUS,
  CopyStatus,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  INVALID_FIELD_IN_CDB,
  PARAMETER_LIST_LENGTH_ERROR,
  RECEIVE_COPY_DATA_LID1,
  RECEIVE_COPY_FAILURE_DETAILS_LID1,
  RECEIVE_COPY_OPERATING_PARAMETERS,
  RECEIVE_COPY_STATUS_LID1,
  SENSE_LENGTH_MAX,
  writeSense,
} from '@lunkit/spec'
import { type Binding, fail, failParameter, on, reply, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import type { CopyResult } from './copy-results.ts'
import { MAX_COPIES, MAX_CSCDS, MAX_DESCRIPTOR_BYTES, MAX_SEGMENT_BYTES, MAX_SEGMENTS } from './limits.ts'
import {
  type CopyPlan,
  IMPLEMENTED_DESCRIPTORS,
  LIST_ID_IN_USE,
  Objection,
  readCopyList,
} from './parameter-list.ts'

const { parameterLength } = EXTENDED_COPY_LID1.cdb.field

/** No list that can be good is longer. */
const LONGEST_LIST = EXTENDED_COPY_HEADER.length + MAX_DESCRIPTOR_BYTES

function extendedCopy(task: Task, disk: Disk) {
  const promised = parameterLength.get(task.cdb, 0)
  if (promised === 0) return succeed(task)
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  if (promised > LONGEST_LIST || list.length < promised) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  let plan: CopyPlan
  try {
    plan = readCopyList(list)
  } catch (objection) {
    if (!(objection instanceof Objection)) throw objection
    if (objection.byte < 0) return fail(task, objection.code)
    return failParameter(task, objection.code, objection.byte, objection.bit)
  }
  const sameId = disk.copies.find(task.nexus, plan.listId)
  if (sameId !== null && sameId.job !== null) return fail(task, LIST_ID_IN_USE)
  task.releaseData()
  disk.copies.begin(task, plan)
}

/** Runs `answer` with the copy that the list identifier names, if it is known. */
const ofList =
  (
    fields: typeof RECEIVE_COPY_STATUS_LID1.cdb.field,
    answer: (task: Task, disk: Disk, result: CopyResult, listId: number) => void,
  ) =>
  (task: Task, disk: Disk) => {
    const listId = fields.listId.get(task.cdb, 0)
    const result = disk.copies.find(task.nexus, listId)
    if (result === null) return fail(task, INVALID_FIELD_IN_CDB, fields.listId)
    answer(task, disk, result, listId)
  }

const status = RECEIVE_COPY_STATUS_LID1.cdb.field
const data = RECEIVE_COPY_DATA_LID1.cdb.field
const details = RECEIVE_COPY_FAILURE_DETAILS_LID1.cdb.field

function statusOf({ job, failure }: CopyResult): number {
  if (job !== null) return CopyStatus.inProgress
  return failure === null ? CopyStatus.completed : CopyStatus.failed
}

function replyStatus(task: Task, _disk: Disk, result: CopyResult) {
  const segments = result.job?.steps ?? result.segments
  const bytes = result.job?.bytes ?? result.bytes
  let countUnits = 0
  let count = bytes
  // The unit in which the count fits.
  for (; count > 0xffff_ffff; countUnits++) count = Math.floor(count / 2 ** COPY_COUNT_UNIT_BITS)
  const answer = COPY_STATUS.write({
    available: COPY_STATUS.length - 4,
    status: statusOf(result),
    segments,
    countUnits,
    count,
  })
  reply(task, answer, status.allocation.get(task.cdb, 0))
}

/** No segment descriptor that is taken holds data for the application client. */
function replyHeldData(task: Task, _disk: Disk, { job }: CopyResult) {
  if (job !== null) return fail(task, INVALID_FIELD_IN_CDB, data.listId)
  reply(task, new Uint8Array(4), data.allocation.get(task.cdb, 0))
}

function replyFailure(task: Task, disk: Disk, result: CopyResult, listId: number) {
  if (result.job !== null) return fail(task, INVALID_FIELD_IN_CDB, details.listId)
  const room = details.allocation.get(task.cdb, 0)
  if (result.failure === null) return reply(task, new Uint8Array(4), room)
  const sense = Buffer.alloc(SENSE_LENGTH_MAX)
  const senseLength = writeSense(sense, disk.policies.dSense, result.failure, {
    commandSpecific: result.segments,
  })
  const head = COPY_FAILURE_DETAILS.length
  const answer = new Uint8Array(head + senseLength)
  COPY_FAILURE_DETAILS.write({ available: answer.length - 4, status: CopyStatus.failed, senseLength }, answer)
  answer.set(sense.subarray(0, senseLength), head)
  // SPC-4: they are told once.
  disk.copies.forget(task.nexus, listId)
  reply(task, answer, room)
}

function replyParameters(task: Task, disk: Disk) {
  const head = COPY_OPERATING_PARAMETERS.length
  const answer = new Uint8Array(head + IMPLEMENTED_DESCRIPTORS.length)
  COPY_OPERATING_PARAMETERS.write(
    {
      available: answer.length - 4,
      supportsNoListId: 1,
      maxCscdDescriptors: MAX_CSCDS,
      maxSegmentDescriptors: MAX_SEGMENTS,
      maxDescriptorListLength: MAX_DESCRIPTOR_BYTES,
      maxSegmentLength: MAX_SEGMENT_BYTES,
      totalConcurrentCopies: MAX_COPIES,
      maxConcurrentCopies: MAX_COPIES,
      segmentGranularity: Math.log2(disk.blockSize),
      descriptorCount: IMPLEMENTED_DESCRIPTORS.length,
    },
    answer,
  )
  answer.set(IMPLEMENTED_DESCRIPTORS, head)
  reply(task, answer, RECEIVE_COPY_OPERATING_PARAMETERS.cdb.field.allocation.get(task.cdb, 0))
}

export const copiesByList: readonly Binding[] = [
  on(EXTENDED_COPY_LID1, extendedCopy, {
    // A longer list is refused for its length; its rest does not matter.
    dataOut: task => Math.min(parameterLength.get(task.cdb, 0), LONGEST_LIST),
  }),
  on(RECEIVE_COPY_STATUS_LID1, ofList(status, replyStatus)),
  on(RECEIVE_COPY_DATA_LID1, ofList(data, replyHeldData)),
  on(RECEIVE_COPY_FAILURE_DETAILS_LID1, ofList(details, replyFailure)),
  on(RECEIVE_COPY_OPERATING_PARAMETERS, replyParameters),
]
