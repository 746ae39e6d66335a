// SPDX-License-Identifier: Apache-2.0
// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: what the engine can do to tasks.
import {
  INVALID_FIELD_IN_CDB,
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
  SUPPORTED_TASK_MANAGEMENT,
} from '@lunkit/spec'
import { fail, on, reply, type Task } from '@lunkit/target-api'

const { repd, allocation } = REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS.cdb.field

/** Length of the answer without REPD, and the shortest allocation length that the command takes. */
const SHORT = 4

export const reportSupportedTaskManagementFunctions = on(
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
  (task: Task) => {
    const room = allocation.get(task.cdb, 0)
    if (room < SHORT) return fail(task, INVALID_FIELD_IN_CDB, allocation)
    const extended = repd.get(task.cdb, 0) === 1
    const answer = SUPPORTED_TASK_MANAGEMENT.write({
      abortTask: 1,
      abortTaskSet: 1,
      clearTaskSet: 1,
      unitReset: 1,
      targetReset: 1,
      additionalLength: extended ? SUPPORTED_TASK_MANAGEMENT.length - SHORT : 0,
    })
    reply(task, extended ? answer : answer.subarray(0, SHORT), room)
  },
)
