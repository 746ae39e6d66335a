// SPDX-License-Identifier: Apache-2.0
// REPORT and SET TIMESTAMP: the machine's clock, or the one that an initiator has set (SPC-4, device clocks).
import {
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_PARAMETER_LIST,
  PARAMETER_LIST_LENGTH_ERROR,
  REPORT_TIMESTAMP,
  SET_TIMESTAMP,
  TIMESTAMP_CHANGED,
  TIMESTAMP_REPORT,
  TIMESTAMP_SETTING,
} from '@lunkit/spec'
import { type Binding, fail, failParameter, on, reply, succeed, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

const { allocation } = REPORT_TIMESTAMP.cdb.field
const { parameterLength } = SET_TIMESTAMP.cdb.field

const report = on(REPORT_TIMESTAMP, (task: Task, { notes }: PrimaryDevice) => {
  const answer = TIMESTAMP_REPORT.write({
    length: TIMESTAMP_REPORT.length - 2,
    origin: notes.timestampOrigin,
    timestamp: notes.timestamp,
  })
  reply(task, answer, allocation.get(task.cdb, 0))
})

const set = on(SET_TIMESTAMP, (task: Task, { notes, unit }: PrimaryDevice) => {
  const promised = parameterLength.get(task.cdb, 0)
  if (promised === 0) return succeed(task)
  const { length } = TIMESTAMP_SETTING
  if (promised < length || task.received < length) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  const list = Buffer.concat(task.segments, length)
  const stray = TIMESTAMP_SETTING.reserved(list)
  if (stray !== null) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, stray.byte, stray.bit)
  notes.setTimestamp(TIMESTAMP_SETTING.field.timestamp.get(list, 0), error => {
    if (error !== null) {
      task.io.reason = error.message
      return fail(task, INTERNAL_TARGET_FAILURE)
    }
    unit.attention(TIMESTAMP_CHANGED, task.nexus)
    succeed(task)
  })
})

export const timestamps: readonly Binding[] = [report, set]
