// SPDX-License-Identifier: Apache-2.0
// Sense data of a handler as the answer of a task.
import { INTERNAL_TARGET_FAILURE, readSense, type SenseCode, senseText } from '@lunkit/spec'
import { fail, type Task } from '@lunkit/target-api'

export const codeOf = (key: number, asc: number, ascq: number): SenseCode => ({
  key,
  asc,
  ascq,
  text: senseText(key, asc, ascq),
})

/** Ends the task with CHECK CONDITION; the engine writes the sense data anew, in the format that the unit has. */
export function endWithSense(task: Task, sense: Buffer): void {
  const report = readSense(sense)
  if (report === null) {
    fail(task, INTERNAL_TARGET_FAILURE)
    return
  }
  const { information, commandSpecific, progress, fieldPointer } = report
  if (information !== undefined) task.information = information
  if (commandSpecific !== undefined) task.commandSpecific = commandSpecific
  if (progress !== undefined) task.progress = progress
  if (fieldPointer !== undefined) {
    task.fieldByte = fieldPointer.byte
    task.fieldBit = fieldPointer.bit
    task.fieldInCdb = fieldPointer.inCdb
  }
  fail(task, codeOf(report.key, report.asc, report.ascq))
}
