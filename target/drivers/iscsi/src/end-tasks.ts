// SPDX-License-Identifier: Apache-2.0
// Ends tasks whose session goes on: each by an ABORT TASK that its initiator does not hear of, and a unit attention for all.
import { SOME_COMMANDS_CLEARED_BY_ISCSI_PROTOCOL_EVENT } from '@lunkit/spec'
import { Management, ManagementFunction } from '@lunkit/target-api'
import type { Connection } from './connection.ts'
import type { PendingManagement } from './inbound/task-management.ts'
import type { IscsiTask } from './iscsi-task.ts'
import type { Session } from './session.ts'

/** What the next command of a nexus tells whose tasks ended without an answer (RFC 7143, 11.14.5). */
export const CLEARED = SOME_COMMANDS_CLEARED_BY_ISCSI_PROTOCOL_EVENT

/** Resolves when none of the tasks can touch a store any more, or when the engine's time for task management is over. */
export async function endTasksOf(session: Session, connection: Connection): Promise<void> {
  await endTasks(
    session,
    [...session.tasks.all()].filter(one => one.connection === connection),
  )
}

/** The same for these tasks; `luns` are those of others that ended with them. */
export async function endTasks(
  session: Session,
  tasks: readonly IscsiTask[],
  luns: Set<number> = new Set(),
): Promise<void> {
  // What has been answered has ended by itself; slots are used again, so the LUNs are taken down before.
  for (const { task } of tasks) if (task !== null) luns.add(task.lun)
  if (tasks.length > 0) await Promise.all(tasks.map(one => endTask(session, one)))
  const { nexus, port } = session
  if (nexus === null) return
  for (const lun of luns) port.engine.raiseAttention(nexus, lun, CLEARED)
}

function endTask(session: Session, one: IscsiTask): Promise<void> {
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
