// SPDX-License-Identifier: Apache-2.0
// The first stage: a task comes from its driver and learns which unit it is for.
import { type Task, TaskState } from '@lunkit/target-api'
import type { Core } from './core.ts'
import type { ItNexus } from './nexus.ts'

export function receive(core: Core, task: Task): void {
  const nexus = task.nexus as ItNexus
  nexus.running++
  task.nexusUnit = nexus.at(task.lun)
  // A driver that is late after closeNexus(): it gets the task back as it gets back the others.
  task.aborted = nexus.closed
  core.proceed(task, TaskState.decode)
}
