// SPDX-License-Identifier: Apache-2.0
// The road of a task: which stage follows which, walked from a queue so that the stack never grows.
import { INTERNAL_TARGET_FAILURE } from '@lunkit/spec'
import { type Task, TaskState } from '@lunkit/target-api'
import { admit } from './admit.ts'
import { passesAca } from './contingency.ts'
import { type Core, describe } from './core.ts'
import { decode } from './decode.ts'
import { execute } from './execute.ts'
import { endLost, finish } from './finish.ts'
import { unitOf } from './logical-unit.ts'
import { checkAttribute, enter, leave } from './order.ts'
import { refuse } from './refuse.ts'
import { charge, fetch } from './transfer.ts'

/**
 * Walks until nothing can go on. Every inlet of the engine ends here; one that is called from within a walk (by a
 * store that finishes at once, by a driver that sends at once) only adds to the queue.
 */
export function walk(core: Core): void {
  if (core.walking) return
  core.walking = true
  try {
    while (advance(core));
  } finally {
    core.walking = false
  }
}

/** Does something to many tasks at once, with nobody answered before all of it is done; then walks. */
export function walkAfter(core: Core, act: () => void): void {
  const { walking } = core
  core.walking = true
  try {
    act()
  } finally {
    core.walking = walking
  }
  walk(core)
}

/** Does the most urgent thing that is due; false if there is none. */
function advance(core: Core): boolean {
  const task = core.ready.shift()
  if (task !== null) step(core, task)
  else if (core.memory.freed && core.memory.waiting.length > 0) grant(core)
  else if (core.memory.restored.length > 0) restoreCredit(core)
  else if (core.answers.length > 0) answer(core)
  else return false
  return true
}

function step(core: Core, task: Task): void {
  if (core.acas > 0 && !task.aborted && isHeldUp(core, task)) return
  let ended: boolean
  try {
    ended = task.aborted || task.state === TaskState.finish || pass(core, task)
  } catch (error) {
    fault(core, task, error)
    return
  }
  if (ended) finish(core, task)
}

/** Whether an auto contingent allegiance keeps the task from going on, or from ending. */
function isHeldUp(core: Core, task: Task): boolean {
  const ended = task.state === TaskState.finish
  if (task.state === TaskState.decode || !unitOf(task).aca.suspend(task)) return false
  // What it did to its blocks is done: others need not wait for its answer.
  if (ended) leave(core, task)
  return true
}

/** Takes a task as far as it can go now; true if it has its answer. */
function pass(core: Core, task: Task): boolean {
  if (task.state === TaskState.decode) {
    if (core.acas > 0 && !passesAca(task)) return true
    if (!decode(task) || !checkAttribute(task)) return true
    // What occupies a unit may take hours: nothing is kept waiting behind it that would be refused anyway.
    if (unitOf(task).device.occupied !== null && !admit(task)) return true
    if (!enter(core, task)) return isAnswered(task)
    task.state = TaskState.admit
  }
  if (task.state === TaskState.admit) {
    if (!admit(task)) return true
    if (!charge(core, task)) return false
    task.state = TaskState.fetch
  }
  if (task.state === TaskState.fetch && !fetch(task)) return false
  execute(task)
  return false
}

const isAnswered = ({ state }: Task): boolean => state === TaskState.finish

function grant(core: Core): void {
  core.memory.grant(task => core.proceed(task, TaskState.fetch))
}

function restoreCredit(core: Core): void {
  const nexus = core.memory.restored.shift()!
  if (nexus.waiting > 0 || nexus.credit > 0 || nexus.closed) return
  nexus.credit = nexus.room
  core.guardPort('creditRestored', () => nexus.port.creditRestored(nexus))
}

function answer(core: Core): void {
  const request = core.answers.shift()!
  core.guardPort('managementDone', () => request.nexus.port.managementDone(request))
}

/**
 * An exception on the road of a task is a bug of device, store or driver: the task ends with HARDWARE ERROR, unless it
 * has its answer already. Its buffers may still be written to, so neither they nor the task are used again.
 */
export function fault(core: Core, task: Task, cause: unknown): void {
  core.reportFailed(task, describe(cause))
  // Thrown after the call that sent the task on: it is in the queue and stays there.
  if (task.state === TaskState.finish || task.state === TaskState.run) return
  if (task.state === TaskState.waitData || task.state === TaskState.execute) unitOf(task).enabled.remove(task)
  core.taint(task)
  refuse(task, INTERNAL_TARGET_FAILURE)
  core.proceed(task, TaskState.finish)
}

/** The same from a store's answer, which may come at any time: only the one that was waited for counts. */
export function faultLater(core: Core, task: Task, cause: unknown): void {
  if (task.lost) {
    core.reportFailed(task, describe(cause))
    core.taint(task)
    endLost(core, task)
  } else if (task.state === TaskState.execute) fault(core, task, cause)
  else core.reportMisuse(`A store's answer (it ended in ${describe(cause)})`, task)
  walk(core)
}
