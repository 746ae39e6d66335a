// SPDX-License-Identifier: Apache-2.0
// The third stage: a task's turn, by its attribute and by what it does to which blocks (SAM-5, task set management).
import { INVALID_MESSAGE_ERROR, SenseKey, Status, sense, TaskAttribute } from '@lunkit/spec'
import { type Task, TaskState } from '@lunkit/target-api'
import type { Core } from './core.ts'
import type { Route } from './dispatch.ts'
import type { ItlNexus } from './nexus.ts'
import { ClassNumber } from './order-matrix.ts'
import { refuse, refuseStatus } from './refuse.ts'
import { Kind } from './task-set.ts'

/** No block is behind this one. */
const BEYOND = Number.MAX_SAFE_INTEGER

/** SAM-5, task attributes: ACA without an auto contingent allegiance. */
const BAD_ATTRIBUTE = sense(
  SenseKey.illegalRequest,
  INVALID_MESSAGE_ERROR.asc,
  INVALID_MESSAGE_ERROR.ascq,
  INVALID_MESSAGE_ERROR.text,
)

/** Whether the attribute is one that the task set takes now; else the task has its answer. */
export function checkAttribute(task: Task): boolean {
  const { attribute } = task
  if (attribute <= TaskAttribute.headOfQueue) return true
  return (
    (attribute === TaskAttribute.aca && (task.nexusUnit as ItlNexus).faulted) || refuse(task, BAD_ATTRIBUTE)
  )
}

/** True if it is the task's turn; else it waits and comes back in state `admit`, or, in state `finish`, has its answer. */
export function enter(core: Core, task: Task): boolean {
  const route = task.binding as Route
  const klass = route.order
  if (klass === ClassNumber.head) return true
  const kind = kindOfAttribute(task)
  // What only looks does not wait for those that change, were they stuck: unless its sender wants that.
  if (klass === ClassNumber.nothing && kind === Kind.simple) return true
  const itl = task.nexusUnit as ItlNexus
  const { unit } = itl
  if (isFull(core, task, itl)) {
    // SAM-5, status codes: TASK SET FULL tells an initiator port to wait for one of its own tasks there.
    refuseStatus(task, itl.queued > 0 ? Status.taskSetFull : Status.busy)
    task.state = TaskState.finish
    return false
  }
  task.rangeEnd = route.blocks === null ? BEYOND : task.lba + task.blocks
  itl.queued++
  if (unit.set.enter(task, kind, klass, unit.device.policies)) return true
  task.state = TaskState.waitOrder
  return false
}

/** The task has ended: those behind it may go. */
export function leave(core: Core, task: Task): void {
  if (task.order === 0) return
  const itl = task.nexusUnit as ItlNexus
  itl.queued--
  itl.unit.set.leave(task, itl.unit.device.policies, core.admit)
}

/** The task has no initiator any more; what its store may still write to stays taken. */
export function forget(core: Core, task: Task): void {
  if (task.order === 0) return
  const itl = task.nexusUnit as ItlNexus
  itl.unit.set.forget(task, itl.unit.device.policies, core.admit)
  if (task.order === 0) itl.queued--
}

function isFull(core: Core, task: Task, { queued, unit }: ItlNexus): boolean {
  const { queuePerUnit, queuePerSession } = core.limits
  return (unit.set.length >= queuePerUnit || queued >= queuePerSession) && task.inner === null
}

function kindOfAttribute({ attribute, inner }: Task): number {
  if (inner !== null) return Kind.inner
  if (attribute === TaskAttribute.ordered) return Kind.ordered
  if (attribute === TaskAttribute.aca) return Kind.aca
  return attribute === TaskAttribute.headOfQueue ? Kind.head : Kind.simple
}
