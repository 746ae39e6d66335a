// SPDX-License-Identifier: Apache-2.0
// What a command's end means for others: QERR, NACA, unit attentions that statuses leave; and who may come under an ACA.
import {
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT,
  PREVIOUS_BUSY_STATUS,
  PREVIOUS_RESERVATION_CONFLICT_STATUS,
  PREVIOUS_TASK_SET_FULL_STATUS,
  type SenseCode,
  Status,
  TaskAttribute,
} from '@lunkit/spec'
import type { Task } from '@lunkit/target-api'
import { abortMatching } from './abort.ts'
import type { Core } from './core.ts'
import type { ItlNexus } from './nexus.ts'
import { refuseStatus } from './refuse.ts'
import { hasKind, Kind } from './task-set.ts'

/** Values of QERR (SPC-4, Control mode page). */
const Qerr = { abortAll: 1, abortOfNexus: 3 } as const
/** UA_INTLCK_CTRL: statuses without sense leave a unit attention. */
const ESTABLISHES = 3

const { opcode: PREEMPTING, serviceAction: PREEMPT_AND_ABORT } = PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT

/** Index of the last byte of a CDB by its opcode's group (SPC-4, operation code); the third is 7Fh's, in its second byte. */
const CONTROL = [5, 9, 9, 1, 15, 11, 5, 5] as const
const NACA = 0x04

const asksForAca = ({ cdb }: Task): boolean => (cdb[CONTROL[cdb[0]! >> 5]!]! & NACA) !== 0

/** After CHECK CONDITION (SAM-5, auto contingent allegiance; SPC-4, QERR). */
export function afterCheckCondition(core: Core, task: Task): void {
  const itl = task.nexusUnit as ItlNexus
  const { unit, nexus } = itl
  if (task.inner !== null || itl === nexus.absent) return
  const { qerr, tst } = unit.device.policies
  if (qerr === Qerr.abortAll || qerr === Qerr.abortOfNexus) {
    const all = qerr === Qerr.abortAll && tst === 0
    abortMatching(core, [unit], other => other !== task && (all || other.nexus === nexus), nexus)
  }
  if (asksForAca(task)) unit.aca.establish(itl)
  else if (task.attribute === TaskAttribute.aca) unit.aca.clear(itl)
}

const LEFT_BEHIND: ReadonlyMap<number, SenseCode> = new Map([
  [Status.busy, PREVIOUS_BUSY_STATUS],
  [Status.taskSetFull, PREVIOUS_TASK_SET_FULL_STATUS],
  [Status.reservationConflict, PREVIOUS_RESERVATION_CONFLICT_STATUS],
])

/** After a status that is neither GOOD nor CHECK CONDITION (SPC-4, Control mode page, UA_INTLCK_CTRL). */
export function afterOtherStatus(task: Task): void {
  const itl = task.nexusUnit as ItlNexus
  if (task.inner !== null || itl.unit.device.policies.uaIntlckCtrl !== ESTABLISHES) return
  const code = LEFT_BEHIND.get(task.status)
  if (code !== undefined) itl.attentions.add(code)
}

/**
 * Whether a new command may come although there are auto contingent allegiances (SAM-5, the tables of new commands while
 * an ACA condition exists): from the faulted nexus one with the ACA attribute, if TMF_ONLY lets it; from others the one that
 * takes the unit away. Else it has its answer.
 */
export function passesAca(task: Task): boolean {
  const itl = task.nexusUnit as ItlNexus
  const { unit } = itl
  if (task.inner !== null || !unit.aca.concerns(itl)) return true
  if (itl.faulted) {
    const taken = task.attribute !== TaskAttribute.aca || unit.device.policies.tmfOnly
    return (!taken && !hasKind(unit.set, Kind.aca)) || refuseStatus(task, Status.acaActive)
  }
  if (task.cdb[0] === PREEMPTING && (task.cdb[1]! & 0x1f) === PREEMPT_AND_ABORT) return true
  return refuseStatus(task, asksForAca(task) ? Status.acaActive : Status.busy)
}
