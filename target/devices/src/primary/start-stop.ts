// SPDX-License-Identifier: Apache-2.0
// START STOP UNIT: ready, stopped, or without its medium.
import {
  INVALID_FIELD_IN_CDB,
  LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED,
  MEDIUM_NOT_PRESENT,
  MEDIUM_REMOVAL_PREVENTED,
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED,
  START_STOP_UNIT,
} from '@lunkit/spec'
import { fail, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import { deviceOf, type PrimaryDevice } from './primary-device.ts'

const { immed, powerCondition, noFlush, loej, start } = START_STOP_UNIT.cdb.field

export const startStopUnit = on(START_STOP_UNIT, (task: Task, device: PrimaryDevice) => {
  const { cdb } = task
  // Nothing here draws less power in another condition, so each one is reached at once; LOEJ and START do not count.
  if (powerCondition.get(cdb, 0) !== 0) return succeed(task)
  const starts = start.get(cdb, 0) === 1
  if (loej.get(cdb, 0) === 1) {
    if (!device.removable) return fail(task, INVALID_FIELD_IN_CDB, loej)
    if (device.unit.removalPrevented) return fail(task, MEDIUM_REMOVAL_PREVENTED)
    if (starts) return load(task, device)
  } else if (starts) {
    if (device.notReady === MEDIUM_NOT_PRESENT) return fail(task, MEDIUM_NOT_PRESENT)
    device.notReady = null
    return succeed(task)
  } else if (device.removable) {
    // A drive with a removable medium starts it again by itself when it is needed: nobody can tell.
    return succeed(task)
  }
  if (device.notReady === MEDIUM_NOT_PRESENT) return succeed(task)
  if (noFlush.get(cdb, 0) === 1 && loej.get(cdb, 0) === 0) return halt(task)
  if (immed.get(cdb, 0) === 0) return device.flush(task, flushed)
  device.flushInBackground()
  halt(task)
})

function load(task: Task, device: PrimaryDevice): void {
  if (device.notReady === MEDIUM_NOT_PRESENT) {
    device.unit.attention(NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED, task.nexus)
  }
  device.notReady = null
  succeed(task)
}

function flushed(task: Task) {
  if (task.io.error !== StoreError.none) return failStore(task, deviceOf(task).blockSize, true)
  halt(task)
}

function halt(task: Task): void {
  deviceOf(task).notReady =
    loej.get(task.cdb, 0) === 1 ? MEDIUM_NOT_PRESENT : LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED
  succeed(task)
}
