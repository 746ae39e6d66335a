// SPDX-License-Identifier: Apache-2.0
// Sense data of a handler as the answer of a task: whole, as they came, once it is sure that they are sense data.
import {
  INTERNAL_TARGET_FAILURE,
  readSense,
  type SenseCode,
  Status,
  senseFault,
  senseText,
} from '@lunkit/spec'
import { fail, relay, type Task } from '@lunkit/target-api'

export const codeOf = (key: number, asc: number, ascq: number): SenseCode => ({
  key,
  asc,
  ascq,
  text: senseText(key, asc, ascq),
})

/** Ends the task with CHECK CONDITION; what came of data-in stays, as with a tape's block of another length. */
export function endWithSense(task: Task, sense: Buffer, received: number): void {
  const fault = senseFault(sense)
  const report = fault === '' ? readSense(sense) : null
  if (report === null) {
    task.io.reason = `the handler ended with CHECK CONDITION, and its sense data ${fault}`
    fail(task, INTERNAL_TARGET_FAILURE)
    return
  }
  if (received > 0) task.inLength = received
  else task.releaseData()
  relay(task, Status.checkCondition, sense, codeOf(report.key, report.asc, report.ascq))
}
