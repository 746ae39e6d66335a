// SPDX-License-Identifier: Apache-2.0
// Ends commands: one by ABORT TASK, many by the other task management functions (RFC 7143, 11.5).
import { type ManagementResponse, type TaskManagement, TransportError } from '@lunkit/initiator-core'
import { IscsiTaskFunction, IscsiTaskResponse } from '@lunkit/spec'
import type { FullFeature } from './full-feature.ts'
import type { Links } from './links.ts'
import type { Task } from './task.ts'

/** Wait for the answer to a task management function. */
const MANAGEMENT_MS = 10_000

const FUNCTIONS: Readonly<Record<TaskManagement, number>> = {
  'abort-task-set': IscsiTaskFunction.abortTaskSet,
  'clear-aca': IscsiTaskFunction.clearAca,
  'clear-task-set': IscsiTaskFunction.clearTaskSet,
  'logical-unit-reset': IscsiTaskFunction.logicalUnitReset,
  'target-warm-reset': IscsiTaskFunction.targetWarmReset,
  'target-cold-reset': IscsiTaskFunction.targetColdReset,
}

const RESPONSES: Readonly<Record<number, ManagementResponse>> = {
  [IscsiTaskResponse.functionComplete]: 'complete',
  [IscsiTaskResponse.taskDoesNotExist]: 'no-such-task',
  [IscsiTaskResponse.lunDoesNotExist]: 'no-such-lun',
  [IscsiTaskResponse.functionNotSupported]: 'unsupported',
}

export async function manageTasks(
  link: FullFeature,
  action: TaskManagement,
  lun: Uint8Array,
): Promise<ManagementResponse> {
  const before = link.links.window.cmdSn
  const code = await bounded(link, link.exchanges.manage(FUNCTIONS[action], lun), action)
  const response = RESPONSES[code] ?? 'rejected'
  if (response === 'complete' && action !== 'clear-aca') terminate(link.links, action, lun, before)
  return response
}

/** The target has ended these tasks and sends no answer for them (RFC 7143, 4.2.3.3). */
function terminate(links: Links, action: string, lun: Uint8Array, before: number): void {
  const everywhere = action.startsWith('target-')
  for (const task of links.tasks) {
    if (((task.cmdSn - before) | 0) >= 0) continue
    if (!everywhere && Buffer.compare(task.lun, lun) !== 0) continue
    // Answers that were sent before may be under way on the other connections.
    task.link!.forget(task, true)
    task.fail(new TransportError('TRANSPORT_TASK_ABORTED', `The command was ended by ${action}`))
  }
}

/** Sends an ABORT TASK for a task that is `ending`; it then fails with its reason. `ready` is called after that. */
export function abortTask(task: Task, ready: (link: FullFeature) => void): void {
  const link = task.link!
  bounded(link, link.exchanges.abort(task), 'ABORT TASK').then(
    code => {
      if (task.state !== 'ending' || task.link !== link) return
      if (code !== IscsiTaskResponse.functionComplete && code !== IscsiTaskResponse.taskDoesNotExist) {
        const refused = 'The target cannot abort a command, so its connection is ended'
        return link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', refused))
      }
      link.forget(task, link.retransmission !== null)
      task.fail(task.reason)
      ready(link)
    },
    () => {
      // Where the connection can be recovered, the task is, too, and aborted then.
      if (link.links.level < 2 || link.gone === null) task.fail(task.reason)
    },
  )
}

/** Waits for an answer; a target that does not give one loses its connection. */
export async function bounded<T>(link: FullFeature, answer: Promise<T>, what: string): Promise<T> {
  const timer = setTimeout(() => {
    const silent = `The target did not answer ${what} in ${MANAGEMENT_MS} ms`
    link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', silent))
  }, MANAGEMENT_MS)
  try {
    return await answer
  } finally {
    clearTimeout(timer)
  }
}
