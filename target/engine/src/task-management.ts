// SPDX-License-Identifier: Apache-2.0
// Task management and the end of a nexus: abort the tasks concerned, and answer when the last of them has drained.
import {
  BUS_DEVICE_RESET_FUNCTION_OCCURRED,
  COMMANDS_CLEARED_BY_ANOTHER_INITIATOR,
  POWER_ON_OCCURRED,
  type SenseCode,
} from '@lunkit/spec'
import {
  type Management,
  ManagementFunction,
  ManagementResponse,
  type Task,
  TaskState,
} from '@lunkit/target-api'
import type { Core } from './core.ts'
import { type Unit, unitOf } from './logical-unit.ts'
import type { ItNexus } from './nexus.ts'
import { leave } from './order.ts'

/** Carries out a request and sees to its answer. */
export function manage(core: Core, request: Management): void {
  const { tasks, response } = perform(core, request)
  request.response = response
  request.waiting = tasks.length
  whenDrained(core, tasks, () => {
    request.waiting = 0
    core.answers.push(request)
  })
}

interface Outcome {
  readonly tasks: readonly Task[]
  readonly response: number
}

const only = (response: number): Outcome => ({ tasks: [], response })

function perform(core: Core, request: Management): Outcome {
  const nexus = request.nexus as ItNexus
  const fn = ManagementFunction
  const whole = request.fn === fn.targetWarmReset || request.fn === fn.targetColdReset
  if (whole) return resetTarget(core, nexus, request.fn === fn.targetColdReset)
  if (request.fn === fn.clearAca || request.fn < fn.abortTask || request.fn > fn.targetColdReset) {
    return only(ManagementResponse.notSupported)
  }
  const itl = nexus.at(request.lun)
  if (itl === nexus.absent) return only(ManagementResponse.lunDoesNotExist)
  const { unit } = itl
  switch (request.fn) {
    case fn.abortTask:
      return abortTask(core, nexus, unit, request.tag)
    case fn.abortTaskSet:
      return abortSet(core, [unit], task => task.nexus === nexus)
    case fn.clearTaskSet:
      return clearTaskSet(core, nexus, unit)
    default:
      return resetUnits(core, [unit], BUS_DEVICE_RESET_FUNCTION_OCCURRED)
  }
}

function abortTask(core: Core, nexus: ItNexus, unit: Unit, tag: number): Outcome {
  const found = abortSet(core, [unit], task => task.nexus === nexus && task.tag === tag)
  return found.tasks.length > 0 ? found : only(ManagementResponse.taskDoesNotExist)
}

function clearTaskSet(core: Core, nexus: ItNexus, unit: Unit): Outcome {
  const cleared = abortSet(core, [unit], () => true)
  const others = new Set(cleared.tasks.map(task => task.nexus))
  others.delete(nexus)
  // TAS is zero: the others learn of it by a unit attention instead of a status for each task (SAM-5, command abort).
  for (const itl of unit.nexuses) {
    if (others.has(itl.nexus)) itl.attentions.add(COMMANDS_CLEARED_BY_ANOTHER_INITIATOR)
  }
  return cleared
}

function resetTarget(core: Core, nexus: ItNexus, cold: boolean): Outcome {
  const units = [...nexus.target.units()]
  if (cold) nexus.target.forgetAll()
  return resetUnits(core, units, cold ? POWER_ON_OCCURRED : BUS_DEVICE_RESET_FUNCTION_OCCURRED)
}

/** SAM-5, logical unit reset: abort all tasks, reset the device, tell every nexus, the resetting one too. */
function resetUnits(core: Core, units: readonly Unit[], code: SenseCode): Outcome {
  const outcome = abortSet(core, units, () => true)
  for (const unit of units) {
    for (const itl of unit.nexuses) itl.preventsRemoval = false
    unit.reservations.reset()
    core.guardDevice('reset', unit.device, () => unit.device.reset())
    unit.attention(code, null)
  }
  return outcome
}

function abortSet(core: Core, units: readonly Unit[], matches: (task: Task) => boolean): Outcome {
  const tasks = abortMatching(core, units, matches)
  return { tasks, response: ManagementResponse.complete }
}

/** Aborts the tasks of these units that match, and returns all of them that have not drained yet. */
export function abortMatching(core: Core, units: readonly Unit[], matches: (task: Task) => boolean): Task[] {
  const concerned = new Set(units)
  const inQuestion = (task: Task): boolean => concerned.has(unitOf(task)) && matches(task)
  const tasks: Task[] = []
  core.ready.collect(inQuestion, tasks)
  core.memory.waiting.collect(inQuestion, tasks)
  for (const { set, enabled } of units) {
    for (let task = set.oldest; task !== null; task = task.younger) {
      if (task.state === TaskState.waitOrder && inQuestion(task)) tasks.push(task)
    }
    enabled.collect(inQuestion, tasks)
  }
  // First all of them: a blocked one that is let go by the end of another must not run.
  const fresh = tasks.filter(task => !task.aborted)
  for (const task of fresh) task.aborted = true
  for (const task of fresh) abort(core, task)
  return tasks
}

/** A waiting task is let go at once; a running one is hurried, and ends when its device says so. */
function abort(core: Core, task: Task): void {
  const unit = unitOf(task)
  switch (task.state) {
    case TaskState.waitOrder:
      leave(core, task)
      core.proceed(task, TaskState.finish)
      return
    case TaskState.waitMemory:
      core.memory.forget(task)
      core.proceed(task, TaskState.finish)
      return
    case TaskState.waitData:
      unit.enabled.remove(task)
      core.proceed(task, TaskState.finish)
      return
    case TaskState.execute:
      core.guardDevice('abort', unit.device, () => unit.device.abort(task))
      return
    default:
    // In the queue: the walk sees that it is aborted.
  }
}

/** Calls `over` when the driver has let go of all these tasks, or now if there are none. */
export function whenDrained(core: Core, tasks: readonly Task[], over: () => void): void {
  if (tasks.length === 0) over()
  else core.waits.add({ tasks: new Set(tasks), over })
}
