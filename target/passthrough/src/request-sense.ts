// SPDX-License-Identifier: Apache-2.0
// REQUEST SENSE: a unit attention of this nexus, else what the unit says; of one that is away, that it is not ready.
import { LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE } from '@lunkit/spec'
import type { Task } from '@lunkit/target-api'
import { replySense } from '@lunkit/target-devices/per-nexus'
import type { PassedCommand } from './passed-command.ts'
import type { PassedUnit } from './passed-unit.ts'

export function requestSense(task: Task, device: PassedUnit, command: PassedCommand): void {
  const attention = task.nexusUnit.takeAttention()
  if (attention !== null) replySense(task, attention)
  else if (device.isAway) replySense(task, LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE)
  else device.take(task, command)
}
