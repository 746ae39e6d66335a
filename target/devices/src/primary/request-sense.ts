// SPDX-License-Identifier: Apache-2.0
// REQUEST SENSE: a pending unit attention, else why the unit is not ready, an exception, its power condition, or no sense.
import {
  NO_ADDITIONAL_SENSE_INFORMATION,
  REQUEST_SENSE,
  SENSE_LENGTH_MAX,
  type SenseCode,
  writeSense,
} from '@lunkit/spec'
import { on, reply, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

const { desc, allocation } = REQUEST_SENSE.cdb.field

/** Answers with `code` as parameter data, in the format that the CDB asks for. */
export function replySense(task: Task, code: SenseCode, progress = -1): void {
  const bytes = Buffer.alloc(SENSE_LENGTH_MAX)
  const length = writeSense(bytes, desc.get(task.cdb, 0) === 1, code, progress < 0 ? {} : { progress })
  reply(task, bytes.subarray(0, length), allocation.get(task.cdb, 0))
}

export const requestSense = on(REQUEST_SENSE, (task: Task, device: PrimaryDevice) => {
  const attention = task.nexusUnit.takeAttention()
  if (attention !== null) return replySense(task, attention)
  const { occupied } = device
  if (occupied !== null) return replySense(task, occupied.code, occupied.progress)
  const { notReady, exceptions, power, selfTests } = device
  const { background } = selfTests
  if (background !== null) return replySense(task, background.code, background.progress)
  replySense(task, notReady ?? exceptions.sense ?? power?.sense ?? NO_ADDITIONAL_SENSE_INFORMATION)
})
