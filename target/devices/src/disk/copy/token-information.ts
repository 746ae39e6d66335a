// SPDX-License-Identifier: Apache-2.0
// RECEIVE ROD TOKEN INFORMATION: how a token command of this initiator stands, and the token that it made.
import {
  COUNTS_BLOCKS,
  INVALID_FIELD_IN_CDB,
  RECEIVE_ROD_TOKEN_INFORMATION,
  ROD_TOKEN_DESCRIPTOR_HEADER,
  ROD_TOKEN_INFORMATION,
  SENSE_LENGTH_MAX,
  Status,
  TokenStatus,
  writeSense,
} from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import type { TokenOperation } from './token-operations.ts'

const { listId, allocation } = RECEIVE_ROD_TOKEN_INFORMATION.cdb.field

/** ESTIMATED STATUS UPDATE DELAY in milliseconds while it goes on; all ones where there is nothing to wait for. */
const UPDATE_DELAY = 500
const NOTHING_TO_WAIT_FOR = 0xffff_ffff

export const receiveRodTokenInformation = on(RECEIVE_ROD_TOKEN_INFORMATION, (task: Task, disk: Disk) => {
  const found = disk.tokenOperations.find(task.nexus, listId.get(task.cdb, 0))
  if (found === null) return fail(task, INVALID_FIELD_IN_CDB, listId)
  reply(task, describe(found, disk), allocation.get(task.cdb, 0))
})

function describe(one: TokenOperation, disk: Disk): Uint8Array {
  const head = ROD_TOKEN_INFORMATION.length
  const sense = senseOf(one, disk.policies.dSense)
  const { token } = one
  const descriptors = token === null ? 0 : ROD_TOKEN_DESCRIPTOR_HEADER + token.length
  const answer = Buffer.alloc(head + sense.field.length + 4 + descriptors)
  ROD_TOKEN_INFORMATION.write(
    {
      available: answer.length - 4,
      responseTo: one.action,
      status: statusOf(one),
      operationCounter: 1,
      updateDelay: one.job === null ? NOTHING_TO_WAIT_FOR : UPDATE_DELAY,
      completionStatus: one.failure === null ? Status.good : Status.checkCondition,
      senseFieldLength: sense.field.length,
      senseLength: sense.length,
      countUnits: COUNTS_BLOCKS,
      count: one.job === null ? one.blocks : one.job.bytes / disk.blockSize,
    },
    answer,
  )
  answer.set(sense.field, head)
  answer.writeUInt32BE(descriptors, head + sense.field.length)
  if (token !== null) answer.set(token, answer.length - token.length)
  return answer
}

function statusOf({ job, background, cancelled, failure, residual }: TokenOperation): number {
  if (job !== null) return background ? TokenStatus.inBackground : TokenStatus.inForeground
  if (cancelled) return TokenStatus.terminated
  if (failure !== null) return TokenStatus.failed
  return residual ? TokenStatus.completedWithResidual : TokenStatus.completed
}

/** The field is filled up to a multiple of four bytes. */
function senseOf({ failure }: TokenOperation, descriptor: boolean) {
  if (failure === null) return { field: Buffer.alloc(0), length: 0 }
  const field = Buffer.alloc(SENSE_LENGTH_MAX)
  const length = writeSense(field, descriptor, failure)
  return { field: field.subarray(0, Math.ceil(length / 4) * 4), length }
}
