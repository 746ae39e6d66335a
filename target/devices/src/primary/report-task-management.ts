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

const SUPPORTED = {
  abortTask: 1,
  abortTaskSet: 1,
  clearAca: 1,
  clearTaskSet: 1,
  unitReset: 1,
  queryTask: 1,
  targetReset: 1,
  queryAsynchronousEvent: 1,
  queryTaskSet: 1,
  nexusReset: 1,
} as const

/** What a timeout counts in, ms. */
const TICK = 100

/** Functions that abort wait for stores, up to the engine's limit; those that only look are answered at once. */
const timeouts = (limit: number) => ({
  additionalLength: SUPPORTED_TASK_MANAGEMENT.length - SHORT,
  timeoutsValid: 1,
  queryTaskShort: 1,
  queryTaskSetShort: 1,
  queryAsynchronousEventShort: 1,
  longTimeout: Math.ceil(limit / TICK),
  shortTimeout: 1,
})

export const reportSupportedTaskManagementFunctions = on(
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
  (task: Task) => {
    const room = allocation.get(task.cdb, 0)
    if (room < SHORT) return fail(task, INVALID_FIELD_IN_CDB, allocation)
    const extended = repd.get(task.cdb, 0) === 1
    const answer = SUPPORTED_TASK_MANAGEMENT.write({
      ...SUPPORTED,
      ...(extended && timeouts(task.nexusUnit.unit.managementLimit)),
    })
    reply(task, extended ? answer : answer.subarray(0, SHORT), room)
  },
)
