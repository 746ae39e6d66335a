// SPDX-License-Identifier: Apache-2.0
// The sixth stage: the device does what the command says.
import { type Task, TaskState } from '@lunkit/target-api'
import { type Unit, unitOf } from './logical-unit.ts'

export function execute(task: Task): void {
  if (task.received > task.outLength) trim(task)
  const unit = unitOf(task)
  task.state = TaskState.execute
  unit.enabled.push(task)
  if (unit.onChange !== null) tellChange(task, unit.onChange)
  const { inner } = task
  if (inner === null || inner.run === null) task.binding.run(task, unit.device)
  else inner.run(task, unit.device)
}

function tellChange(task: Task, tell: NonNullable<Unit['onChange']>): void {
  const { command, lba, blocks } = task.binding
  // A third-party copy is in no such order: what it writes, it writes by inner commands, which come by here.
  if (command.order === 'medium') tell(0, Number.POSITIVE_INFINITY)
  else if (command.order !== 'write' && command.order !== 'atomic') return
  else if (lba !== null && blocks !== null) tell(task.lba, task.blocks)
  else tell(0, Number.POSITIVE_INFINITY)
}

/** Cuts off data beyond what the command takes, so that handlers may give `segments` to a store as they are. */
function trim(task: Task): void {
  const { segments } = task
  let left = task.outLength
  let kept = 0
  while (left > 0) {
    const segment = segments[kept]!
    if (segment.length > left) segments[kept] = segment.subarray(0, left)
    left -= segments[kept++]!.length
  }
  while (segments.length > kept) segments.pop()
  task.received = task.outLength
}
