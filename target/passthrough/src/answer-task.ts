// SPDX-License-Identifier: Apache-2.0
// From the unit's answer to the initiator's: data and residuals, sense data as they came, and what others have to hear.
import {
  INTERNAL_TARGET_FAILURE,
  INVALID_COMMAND_OPERATION_CODE,
  MODE_HEADER_6,
  MODE_HEADER_10,
  MODE_SENSE_6,
  MODE_SENSE_10,
  REQUEST_SENSE,
  type SenseCode,
  SenseKey,
  Status,
} from '@lunkit/spec'
import { fail, relay, type Task } from '@lunkit/target-api'
import { changesUnit, isOfTheWay } from './attentions.ts'
import type { BridgeAnswer } from './bridge.ts'
import { COMMAND_TIMEOUT, COMMUNICATION_FAILURE } from './conditions.ts'
import type { Passage } from './passage.ts'
import type { PassedUnit } from './passed-unit.ts'
import { codeOf } from './questions.ts'

const NO_SENSE = new Uint8Array(0)

/** Ends the passage's task, which is not aborted, with the bridge's answer. */
export function answerTask(device: PassedUnit, passage: Passage, answer: BridgeAnswer): void {
  const task = passage.task!
  const { outcome, reason } = answer
  if (outcome === 'done') {
    passOn(device, passage, answer)
    return
  }
  task.io.reason = reason
  if (passage.isWrong) fail(task, INTERNAL_TARGET_FAILURE)
  else if (outcome === 'lost') fail(task, COMMUNICATION_FAILURE)
  else if (outcome === 'refused') fail(task, INVALID_COMMAND_OPERATION_CODE)
  else fail(task, COMMAND_TIMEOUT)
}

/** Ends a task with another command's refusal. */
export function refuseLike(task: Task, { status, sense }: BridgeAnswer): void {
  task.releaseData()
  task.inLength = 0
  const code = status === Status.checkCondition ? codeOf(sense) : null
  if (status === Status.good || (status === Status.checkCondition && code === null)) {
    task.io.reason = 'the unit gave an answer that cannot be read'
    fail(task, INTERNAL_TARGET_FAILURE)
  } else relay(task, status, code === null ? NO_SENSE : sense, code)
}

function passOn(device: PassedUnit, passage: Passage, answer: BridgeAnswer): void {
  const task = passage.task!
  const { status, sense } = answer
  if (status === Status.good || status === Status.conditionMet) {
    setLengths(task, passage, answer)
    // The unit has told its unit attention as data, and forgets it.
    if (passage.command!.row === REQUEST_SENSE)
      spread(device, passage, passage.dataIn.subarray(0, answer.received))
    if (!device.writable || task.nexusUnit.readonly) sayProtected(passage, answer.received)
    succeeded(device, passage, status)
    return
  }
  if (status !== Status.checkCondition) {
    refuseLike(task, answer)
    return
  }
  const code = codeOf(sense)
  if (code === null) {
    task.io.reason = 'the unit ended with CHECK CONDITION and no sense data that can be read'
    fail(task, INTERNAL_TARGET_FAILURE)
    return
  }
  if (isAttention(sense, code) && isOfTheWay(code) && device.repeat(passage)) return
  spread(device, passage, sense)
  // Some commands bring data all the same: a tape's READ of a block of another length.
  setLengths(task, passage, answer)
  relay(task, status, sense, code)
}

/** Whoever may only read finds the medium write-protected in the header of the mode pages. */
function sayProtected({ command, dataIn }: Passage, received: number): void {
  const field =
    command!.row === MODE_SENSE_6
      ? MODE_HEADER_6.field.writeProtect
      : command!.row === MODE_SENSE_10
        ? MODE_HEADER_10.field.writeProtect
        : null
  if (field !== null && received > field.byte) field.set(dataIn, 0, 1)
}

/** Not a deferred error: those have response codes 71h and 73h. */
const isAttention = (sense: Uint8Array, { key }: SenseCode): boolean =>
  key === SenseKey.unitAttention && (sense[0]! & 1) === 0

/** A unit attention that one initiator has met, all others have pending. */
function spread(device: PassedUnit, { task }: Passage, sense: Uint8Array): void {
  const code = codeOf(sense)
  if (code === null || !isAttention(sense, code)) return
  device.unit.attention(code, task!.nexus)
  if (changesUnit(code)) device.presence.lookAgain(false)
}

/** What the driver takes residuals from: what the command had, in each direction. */
function setLengths(
  task: Task,
  { direction, dataIn }: Passage,
  { received, excess, outResidual }: BridgeAnswer,
): void {
  if (outResidual > 0) task.outLength = task.received - outResidual
  if (direction === 'both') {
    task.releaseData()
    task.segments.push(dataIn)
  }
  // Beyond the buffer there is nothing to send, but the initiator may not have wanted even that much.
  const beyond = received === dataIn.length && received >= task.expectedIn ? excess : 0
  task.inLength = direction === 'in' || direction === 'both' ? received + beyond : 0
}

function succeeded(device: PassedUnit, { task, command }: Passage, status: number): void {
  const { tells, changesUnit: changes } = command!
  if (tells !== null) device.unit.attention(tells, task!.nexus)
  if (changes) device.presence.lookAgain(true)
  relay(task!, status, NO_SENSE, null)
}
