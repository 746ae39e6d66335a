// SPDX-License-Identifier: Apache-2.0
// Ends commands: one by ABORT TASK, many by the other task management functions (RFC 7143, 11.5).
import { type ManagementResponse, type TaskManagement, TransportError } from '@lunkit/initiator-core'
import { IscsiTaskFunction, IscsiTaskResponse } from '@lunkit/spec'
import type { FullFeature } from './full-feature.ts'
import type { Links } from './links.ts'
import type { Task } from './task.ts'

/** Wait for the answer to a task management function. */
const MANAGEMENT_MS = 10_000
/** Connections on which one command is aborted in vain; then only a new session ends it. */
const MOST_ABORTS = 2
const NO_LUN = new Uint8Array(8)

const FUNCTIONS: Readonly<Record<TaskManagement, number>> = {
  'abort-task-set': IscsiTaskFunction.abortTaskSet,
  'clear-aca': IscsiTaskFunction.clearAca,
  'clear-task-set': IscsiTaskFunction.clearTaskSet,
  'logical-unit-reset': IscsiTaskFunction.logicalUnitReset,
  'target-warm-reset': IscsiTaskFunction.targetWarmReset,
  'target-cold-reset': IscsiTaskFunction.targetColdReset,
}

/** Functions that are of no unit: their LUN is reserved (RFC 7143, 11.5). */
const OF_TARGET: ReadonlySet<TaskManagement> = new Set(['target-warm-reset', 'target-cold-reset'])

const RESPONSES: Readonly<Record<number, ManagementResponse>> = {
  [IscsiTaskResponse.taskDoesNotExist]: 'no-such-task',
  [IscsiTaskResponse.lunDoesNotExist]: 'no-such-lun',
  [IscsiTaskResponse.functionNotSupported]: 'unsupported',
}

/** `abort` is called for tasks that may have been ended, where it does not come to be known whether they were. */
export async function manageTasks(
  link: FullFeature,
  action: TaskManagement,
  lun: Uint8Array,
  abort: (task: Task, reason: TransportError) => void,
): Promise<ManagementResponse> {
  const { links, exchanges } = link
  const everywhere = OF_TARGET.has(action)
  const before = links.window.cmdSn
  const affected = [...affectedTasks(links, action, everywhere ? null : lun, before)]
  const answer = exchanges.manage(FUNCTIONS[action], everywhere ? NO_LUN : lun)
  const ended = new TransportError('TRANSPORT_TASK_ABORTED', `The command was ended by ${action}`)
  let code: number
  try {
    code = await bounded(link, answer, action)
  } catch (error) {
    // They are over in either case (RFC 7143, 4.2.3.3).
    if (link.gone !== null) for (const task of affected) abort(task, ended)
    throw error
  }
  if (code !== IscsiTaskResponse.functionComplete) return RESPONSES[code] ?? 'rejected'
  // The target has ended them and sends no answer for them; what it sent before may come on the other connections.
  for (const task of affectedTasks(links, action, everywhere ? null : lun, before)) {
    task.link!.forget(task, true)
    task.fail(ended)
  }
  return 'complete'
}

/** Tasks before this CmdSN on a unit, or on all where there is none. */
function* affectedTasks(
  { tasks }: Links,
  action: TaskManagement,
  lun: Uint8Array | null,
  before: number,
): Generator<Task> {
  if (action === 'clear-aca') return
  for (const task of tasks) {
    if (((task.cmdSn - before) | 0) >= 0) continue
    if (lun === null || Buffer.compare(task.lun, lun) === 0) yield task
  }
}

/** Sends an ABORT TASK for a task that is `ending`; it then fails with its reason. `ready` is called after that. */
export function abortTask(task: Task, ready: (link: FullFeature) => void): void {
  const link = task.link!
  // Each connection that is lost for it is recovered, and the command with it: that must not go on for ever.
  const isLast = ++task.aborts >= MOST_ABORTS
  bounded(link, link.exchanges.abort(task), 'ABORT TASK', isLast).then(
    code => {
      if (task.state !== 'ending' || task.link !== link) return
      if (code !== IscsiTaskResponse.functionComplete && code !== IscsiTaskResponse.taskDoesNotExist) {
        const refused = 'The target cannot abort a command, so its connection is ended'
        return link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', refused))
      }
      link.forget(task, true)
      task.fail(task.reason)
      ready(link)
    },
    () => {
      // Where the connection can be recovered, the task is, too, and aborted then.
      if (link.links.level < 2 || link.gone === null) task.fail(task.reason)
    },
  )
}

/** Waits for an answer; a target that does not give one loses its connection, or with `isLast` the session. */
export async function bounded<T>(
  link: FullFeature,
  answer: Promise<T>,
  what: string,
  isLast = false,
): Promise<T> {
  const timer = setTimeout(() => {
    if (isLast) link.links.isHopeless = true
    const silent = `The target did not answer ${what} in ${MANAGEMENT_MS} ms`
    link.connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', silent))
  }, MANAGEMENT_MS)
  try {
    return await answer
  } finally {
    clearTimeout(timer)
  }
}
