// SPDX-License-Identifier: Apache-2.0
// How the engine itself ends a task that it does not hand to a device.
import { LOGICAL_UNIT_NOT_READY_MANUAL_INTERVENTION_REQUIRED, type SenseCode, Status } from '@lunkit/spec'
import type { Task } from '@lunkit/target-api'
import type { Route } from './dispatch.ts'
import type { ItlNexus } from './nexus.ts'

/** Ends the task with CHECK CONDITION. Returns false: "the task does not go on". */
export function refuse(task: Task, code: SenseCode): false {
  // Data-out slices stay until the answer has left: the driver owns what they are cut from.
  task.inLength = 0
  task.status = Status.checkCondition
  task.senseCode = code
  return false
}

/** Ends the task with a status that has no sense. Returns false. */
export function refuseStatus(task: Task, status: number): false {
  task.inLength = 0
  task.status = status
  return false
}

/** Ends the task because of another's reservation; where reservations were lost, nobody knows of which. */
export function refuseReserved(task: Task, lost: boolean): false {
  if (lost) return refuse(task, LOGICAL_UNIT_NOT_READY_MANUAL_INTERVENTION_REQUIRED)
  return refuseStatus(task, Status.reservationConflict)
}

/**
 * CHECK CONDITION for a fault of the CDB. A pending unit attention comes before it (SAM-5, status precedence) unless the
 * command is one that leaves it pending.
 */
export function refuseCdb(task: Task, code: SenseCode, byte = -1, bit = -1): false {
  const route = task.binding as Route | null
  if ((route === null || route.reportsAttention) && task.inner === null) {
    const attention = (task.nexusUnit as ItlNexus).reportAttention()
    if (attention !== null) return refuse(task, attention)
  }
  task.fieldByte = byte
  task.fieldBit = bit
  task.fieldInCdb = true
  return refuse(task, code)
}
