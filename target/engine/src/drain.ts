// SPDX-License-Identifier: Apache-2.0
// Waiting for aborted tasks to end, for a limited time: after it, what a store still has is let go without its answer.
import { type Task, TaskState } from '@lunkit/target-api'
import type { Core, Wait } from './core.ts'
import type { Route } from './dispatch.ts'
import { answerDriver } from './finish.ts'
import { unitOf } from './logical-unit.ts'
import { forget } from './order.ts'
import { walkAfter } from './road.ts'

/**
 * Calls `over` when the driver has let go of all these tasks, or now if there are none. Unless `patient`, not later than
 * the time for task management: then the stuck ones are lost.
 */
export function whenDrained(core: Core, tasks: readonly Task[], over: () => void, patient = false): void {
  if (tasks.length === 0) {
    over()
    return
  }
  const wait: Wait = { tasks: new Set(tasks), over, timer: null }
  core.waits.add(wait)
  if (!patient) wait.timer = setTimeout(expire, core.limits.managementMs, core, wait)
}

function expire(core: Core, wait: Wait): void {
  walkAfter(core, () => {
    for (const task of [...wait.tasks]) {
      if (task.state !== TaskState.execute) continue
      // An inner task's buffers are those of the device that sent it: it stays until its end.
      if (task.inner === null) lose(core, task)
      else forget(core, task)
    }
    if (!core.waits.delete(wait)) return
    wait.over()
  })
}

/**
 * The driver answers for the task now. What the store has of it stays as it is, charged and never used again, until the
 * store answers; and where a late write could land, nobody else may go before that.
 */
function lose(core: Core, task: Task): void {
  const unit = unitOf(task)
  unit.enabled.remove(task)
  task.lost = true
  core.lost.add(task)
  const name = task.binding.command.name
  core.reportFailed(task, `The store has not ended an aborted ${name} in ${core.limits.managementMs} ms`)
  forget(core, task)
  unit.counters.ended(task, (task.binding as Route).access)
  answerDriver(core, task)
}
