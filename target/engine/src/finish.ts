// SPDX-License-Identifier: Apache-2.0
// The last stage: sense data, then the task goes back to its driver.
import {
  INTERNAL_TARGET_FAILURE,
  REPORT_LUNS,
  REPORTED_LUNS_DATA_HAS_CHANGED,
  type SenseCode,
  SenseKey,
  Status,
  writeSense,
} from '@lunkit/spec'
import { type Task, TaskState } from '@lunkit/target-api'
import { afterCheckCondition, afterOtherStatus } from './contingency.ts'
import { type Core, describe } from './core.ts'
import type { Route } from './dispatch.ts'
import { unitOf } from './logical-unit.ts'
import type { ItNexus } from './nexus.ts'
import { leave } from './order.ts'
import { refuseStatus } from './refuse.ts'

export function finish(core: Core, task: Task): void {
  leave(core, task)
  const route = task.binding as Route | null
  if (route !== null) unitOf(task).counters.ended(task, route.access)
  if (!task.aborted) {
    if (task.status === Status.checkCondition) {
      addSense(core, task)
      afterCheckCondition(core, task)
    } else if (task.status !== Status.good) afterOtherStatus(task)
    else if (task.cdb[0] === REPORT_LUNS.opcode) lunsReported(task)
  }
  answerDriver(core, task)
}

/** The task goes back to whoever sent it. */
export function answerDriver(core: Core, task: Task): void {
  const { port } = task.nexus
  task.state = TaskState.respond
  if (task.told) refuseStatus(task, Status.taskAborted)
  try {
    if (task.inner !== null) task.inner.ended(task)
    else if (task.aborted && !task.told) port.abandon(task)
    else port.sendResponse(task)
  } catch (error) {
    core.reportFailed(task, `The driver failed to send the response: ${describe(error)}`)
    // It will hardly call responseSent(); should it do so after all, that is ignored.
    if (task.state === TaskState.respond) {
      core.taint(task)
      returned(core, task)
    }
  }
}

/** The driver has let go of the task. */
export function returned(core: Core, task: Task): void {
  const nexus = task.nexus as ItNexus
  nexus.running--
  if (task.lost) {
    task.state = TaskState.lost
    settle(core, task)
    return
  }
  if (task.charged > 0) core.memory.release(task)
  if (core.waits.size > 0) settle(core, task)
  core.giveTask(task)
}

/** The late answer of a lost task: nobody waits for it. */
export function endLost(core: Core, task: Task): void {
  core.lost.delete(task)
  leave(core, task)
  task.lost = false
  // The driver may still have it; then its return is the end.
  if (task.state === TaskState.respond) return
  if (task.charged > 0) core.memory.release(task)
  settle(core, task)
  core.giveTask(task)
}

/** One that was waited for has ended. */
function settle(core: Core, task: Task): void {
  for (const wait of core.waits) {
    if (!wait.tasks.delete(task) || wait.tasks.size > 0) continue
    core.waits.delete(wait)
    if (wait.timer !== null) clearTimeout(wait.timer)
    wait.over()
  }
}

function addSense(core: Core, task: Task): void {
  if (task.senseCode === null) {
    core.reportFailed(task, 'The device ended with CHECK CONDITION and gave no sense code')
    task.senseCode = INTERNAL_TARGET_FAILURE
  }
  const code = task.senseCode
  // A device that has the sense data from elsewhere has written them already.
  if (task.senseLength === 0) writeOwnSense(task, code)
  const { reason } = task.io
  // Blocks that do not fit their tags are an aborted command, by SBC-4; on the medium they have a reason.
  const unfit = code.key === SenseKey.abortedCommand && reason !== ''
  if (code.key !== SenseKey.mediumError && code.key !== SenseKey.hardwareError && !unfit) return
  // What an exception led to has been told with its stack already.
  if (core.tainted.has(task)) return
  core.reportFailed(task, reason === '' ? code.text : `${code.text}: ${reason}`)
}

function writeOwnSense(task: Task, code: SenseCode): void {
  task.senseLength = writeSense(task.sense, unitOf(task).device.policies.dSense, code, {
    ...(task.commandSpecific >= 0 && { commandSpecific: task.commandSpecific }),
    ...(task.information >= 0 && { information: task.information }),
    ...(task.progress >= 0 && { progress: task.progress }),
    ...(task.fieldByte >= 0 && {
      fieldPointer: { byte: task.fieldByte, bit: task.fieldBit, inCdb: task.fieldInCdb },
    }),
    ...task.senseExtra,
  })
}

/** The initiator has the new list: SAM-5 clears the condition at every unit that it sees. */
function lunsReported(task: Task): void {
  for (const { attentions } of (task.nexus as ItNexus).units())
    attentions.remove(REPORTED_LUNS_DATA_HAS_CHANGED)
}
