// SPDX-License-Identifier: Apache-2.0
// The third stage: a task's turn by its attribute, one task set for all nexuses of a unit (SAM-5, task set management).
import { INVALID_MESSAGE_ERROR, SenseKey, sense, TaskAttribute } from '@lunkit/spec'
import { type Task, TaskState } from '@lunkit/target-api'
import type { Core } from './core.ts'
import type { Route } from './dispatch.ts'
import { type Unit, unitOf } from './logical-unit.ts'
import { refuse } from './refuse.ts'

/** What a task counts as while it is active (`task.order`); 0 counts as nothing. */
const OUTSIDE = 0
const SIMPLE = 1
const ORDERED = 2
const HEAD = 3

/** SAM-5, task attributes: ACA without an auto contingent allegiance, which this target never has. */
const BAD_ATTRIBUTE = sense(
  SenseKey.illegalRequest,
  INVALID_MESSAGE_ERROR.asc,
  INVALID_MESSAGE_ERROR.ascq,
  INVALID_MESSAGE_ERROR.text,
)

/** Whether the attribute is one that this task set knows; else the task has its answer. */
export function checkAttribute(task: Task): boolean {
  return task.attribute <= TaskAttribute.headOfQueue || refuse(task, BAD_ATTRIBUTE)
}

/** True if it is the task's turn; else it waits and comes back in state `admit`. */
export function enter(task: Task): boolean {
  if ((task.binding as Route).jumpsTheQueue) return true
  const unit = unitOf(task)
  const order = orderOf(task)
  if (!mayGo(unit, order) || (unit.blocked.length > 0 && order !== HEAD)) {
    task.state = TaskState.waitOrder
    unit.blocked.push(task)
    return false
  }
  count(unit, task, order)
  return true
}

/** The task has ended: those behind it may go. */
export function leave(core: Core, task: Task): void {
  const { order } = task
  if (order === OUTSIDE) return
  const unit = unitOf(task)
  task.order = OUTSIDE
  unit.active--
  if (order === ORDERED) unit.ordered--
  else if (order === HEAD) unit.head--
  if (unit.blocked.length > 0) release(core, unit)
}

/** Sends on the blocked tasks whose turn has come. */
export function release(core: Core, unit: Unit): void {
  // Everything older than the first blocked task is active or has ended, so the counts tell all.
  for (let task = unit.blocked.first; task !== null; task = unit.blocked.first) {
    const order = orderOf(task)
    if (!mayGo(unit, order)) return
    unit.blocked.remove(task)
    count(unit, task, order)
    core.proceed(task, TaskState.admit)
  }
}

function orderOf(task: Task): number {
  if (task.attribute === TaskAttribute.ordered) return ORDERED
  return task.attribute === TaskAttribute.headOfQueue ? HEAD : SIMPLE
}

function mayGo(unit: Unit, order: number): boolean {
  if (order === HEAD) return true
  return order === ORDERED ? unit.active === 0 : unit.ordered === 0 && unit.head === 0
}

function count(unit: Unit, task: Task, order: number): void {
  task.order = order
  unit.active++
  if (order === ORDERED) unit.ordered++
  else if (order === HEAD) unit.head++
}
