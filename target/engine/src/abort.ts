// SPDX-License-Identifier: Apache-2.0
// Finding tasks, and aborting them: each by the state that it is in.
import { COMMANDS_CLEARED_BY_ANOTHER_INITIATOR, type SenseCode } from '@lunkit/spec'
import { type Task, TaskState } from '@lunkit/target-api'
import type { Core } from './core.ts'
import { type Unit, unitOf } from './logical-unit.ts'
import type { ItlNexus, ItNexus } from './nexus.ts'
import { leave } from './order.ts'

/** The tasks of these units that match and whose answer is not on its way yet, in no certain order. */
export function findTasks(core: Core, units: readonly Unit[], matches: (task: Task) => boolean): Task[] {
  const concerned = new Set(units)
  const inQuestion = (task: Task): boolean => concerned.has(unitOf(task)) && matches(task)
  const tasks: Task[] = []
  core.ready.collect(inQuestion, tasks)
  core.memory.waiting.collect(inQuestion, tasks)
  for (const { set, enabled, aca } of units) {
    for (let task = set.oldest; task !== null; task = task.younger) {
      if (task.state === TaskState.waitOrder && inQuestion(task)) tasks.push(task)
    }
    enabled.collect(inQuestion, tasks)
    aca.suspended.collect(inQuestion, tasks)
  }
  return tasks
}

/**
 * Aborts the tasks of these units that match, and returns all of them that have not drained yet. Where `by` is not null,
 * the initiators of other nexuses hear of it as the Control mode page's TAS says (SAM-5, command abort): by TASK ABORTED
 * for each of their tasks, or by a unit attention with `code`.
 */
export function abortMatching(
  core: Core,
  units: readonly Unit[],
  matches: (task: Task) => boolean,
  by: ItNexus | 'another' | null = null,
  code: SenseCode | null = COMMANDS_CLEARED_BY_ANOTHER_INITIATOR,
): Task[] {
  const tasks = findTasks(core, units, matches)
  // First all of them: a blocked one that is let go by the end of another must not run.
  const fresh = tasks.filter(task => !task.aborted)
  for (const task of fresh) {
    task.aborted = true
    if (by === null || task.nexus === by || task.inner !== null) continue
    if (unitOf(task).device.policies.tas) task.told = true
    else if (code !== null) (task.nexusUnit as ItlNexus).attentions.add(code)
  }
  for (const task of fresh) abort(core, task)
  return tasks
}

/** A waiting task is let go at once; a running one is hurried, and ends when its device says so. */
function abort(core: Core, task: Task): void {
  const unit = unitOf(task)
  switch (task.state) {
    case TaskState.waitOrder:
      leave(core, task)
      break
    case TaskState.waitMemory:
      core.memory.forget(task)
      break
    case TaskState.waitData:
      unit.enabled.remove(task)
      break
    case TaskState.waitAca:
      unit.aca.suspended.remove(task)
      break
    case TaskState.execute:
      core.guardDevice('abort', unit.device, () => unit.device.abort(task))
      return
    default:
      // In the queue: the walk sees that it is aborted.
      return
  }
  core.proceed(task, TaskState.finish)
}
