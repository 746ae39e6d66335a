// SPDX-License-Identifier: Apache-2.0
// The fourth stage, when the task's turn has come: what the state of the unit says to it, and how much data it needs.
import { INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, WRITE_PROTECTED } from '@lunkit/spec'
import type { Device, Task } from '@lunkit/target-api'
import { accessSense } from './access-rules.ts'
import type { Route } from './dispatch.ts'
import type { ItlNexus } from './nexus.ts'
import { refuse, refuseCdb, refuseReserved } from './refuse.ts'
import { isHarmless } from './reservations/admission.ts'

/**
 * True if the task goes on; else it has its answer. The order is that of SAM-5, status precedence: ACA ACTIVE, unit
 * attentions of resets, RESERVATION CONFLICT, all other CHECK CONDITIONs, of which unit attentions come first. ACA
 * ACTIVE, BUSY and TASK SET FULL are decided when the command enters the task set (`order.ts`).
 */
export function admit(task: Task): boolean {
  const route = task.binding as Route
  const itl = task.nexusUnit as ItlNexus
  const { device } = itl.unit
  // SAM-5: a unit attention is reported when the command's turn comes, not when it arrives.
  const attentive = itl.attentions.length > 0 && route.reportsAttention && task.inner === null
  if (attentive && itl.attentions.isReset) return refuse(task, itl.reportAttention()!)
  if ((itl.barred & route.reservationClass) !== 0 && isBarred(task, itl)) return false
  if (attentive) return refuse(task, itl.reportAttention()!)
  if (route.accessLevel < itl.nexus.accessFloor) return refuse(task, accessSense(itl.nexus.accessState))
  if (!isReady(task, route, device)) return false
  if (route.writesMedium && (itl.readonly || !device.writable)) return refuse(task, WRITE_PROTECTED)
  if (route.lba !== null && !inRange(task, route, device)) return refuse(task, LBA_OUT_OF_RANGE)
  return measure(task, route, device)
}

/** A reservation stands against the command's class; the harmless half of some commands passes nevertheless. */
function isBarred(task: Task, { unit }: ItlNexus): boolean {
  const { lost } = unit.reservations
  if (!lost && isHarmless(task.cdb)) return false
  return !refuseReserved(task, lost)
}

function isReady(task: Task, route: Route, device: Device): boolean {
  const { notReady, occupied } = device
  if (occupied !== null && !(occupied.failed ? route.recovers : route.runsAlways)) {
    task.progress = occupied.progress
    return refuse(task, occupied.code)
  }
  return notReady === null || route.runsUnready || refuse(task, notReady)
}

function inRange(task: Task, route: Route, device: Device): boolean {
  // A transfer of no blocks may stand right behind the last one; a bare LBA has to name a block.
  return route.blocks === null ? task.lba < device.blocks : task.lba + task.blocks <= device.blocks
}

function measure(task: Task, route: Route, device: Device): boolean {
  const bytes = task.blocks * device.blockSize
  if (route.movesOut) {
    if (route.dataOut !== null) task.outLength = route.dataOut(task, device)
    else if (route.blocks !== null) task.outLength = bytes
    else if (route.parameterLength !== null) task.outLength = route.parameterLength.get(task.cdb, 0)
  }
  const moved = route.movesIn ? bytes : Math.min(bytes, task.outLength)
  if (route.blocks === null || moved <= device.maxTransfer) return true
  return refuseCdb(task, INVALID_FIELD_IN_CDB, route.blocks.byte, route.blocks.bit)
}
