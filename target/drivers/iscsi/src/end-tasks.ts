// SPDX-License-Identifier: Apache-2.0
// Ends the tasks of one connection whose session goes on: each by an ABORT TASK that its initiator does not hear of.
import { Management, ManagementFunction } from '@lunkit/target-api'
import type { Connection } from './connection.ts'
import type { PendingManagement } from './inbound/task-management.ts'
import type { IscsiTask } from './iscsi-task.ts'
import type { Session } from './session.ts'

/** Resolves when none of the tasks can touch a store any more, or when the engine's time for task management is over. */
export async function endTasksOf(session: Session, connection: Connection): Promise<void> {
  const tasks = [...session.tasks.all()].filter(one => one.connection === connection)
  await Promise.all(tasks.map(one => endTask(session, one)))
}

/** The same for one task. */
export function endTask(session: Session, one: IscsiTask): Promise<void> {
  const { nexus } = session
  if (one.task === null) {
    // Its answer only waited for data.
    session.endTask(one)
    return Promise.resolve()
  }
  if (nexus === null) return session.drained
  const request = new Management(nexus, ManagementFunction.abortTask, one.task.lun, one.itt)
  return new Promise(resolve => {
    request.driverData = { answered: () => resolve() } satisfies PendingManagement
    session.port.engine.manage(request)
  })
}
