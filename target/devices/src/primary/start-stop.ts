// SPDX-License-Identifier: Apache-2.0
// START STOP UNIT: ready, stopped, without its medium, or in a power condition.
import {
  INVALID_FIELD_IN_CDB,
  LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED,
  MEDIUM_NOT_PRESENT,
  MEDIUM_REMOVAL_PREVENTED,
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED,
  START_STOP_UNIT,
} from '@lunkit/spec'
import { fail, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import { Condition, type PowerConditions } from './power-conditions.ts'
import { deviceOf, type PrimaryDevice } from './primary-device.ts'

const { immed, powerCondition, powerConditionModifier, noFlush, loej, start } = START_STOP_UNIT.cdb.field

export const startStopUnit = on(START_STOP_UNIT, (task: Task, device: PrimaryDevice) => {
  const { cdb } = task
  // SBC-4: with a power condition, START and LOEJ do not count.
  if (powerCondition.get(cdb, 0) !== 0) {
    if (device.power === null) return succeed(task)
    return setCondition(task, device, device.power)
  }
  const starts = start.get(cdb, 0) === 1
  if (loej.get(cdb, 0) === 1) {
    if (!device.removable) return fail(task, INVALID_FIELD_IN_CDB, loej)
    if (device.unit.removalPrevented) return fail(task, MEDIUM_REMOVAL_PREVENTED)
    if (starts) return load(task, device)
  } else if (starts) {
    if (device.notReady === MEDIUM_NOT_PRESENT) return fail(task, MEDIUM_NOT_PRESENT)
    device.notReady = null
    device.power?.activate()
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

/** POWER CONDITION (SBC-4 START STOP UNIT command): what follows each value, by POWER CONDITION MODIFIER. */
const IDLES = [Condition.idleA, Condition.idleB, Condition.idleC] as const
const STANDBYS = [Condition.standbyZ, Condition.standbyY] as const
const Power = { active: 1, idle: 2, standby: 3, luControl: 7, forceIdle: 0xa, forceStandby: 0xb } as const
const CONDITIONS: Readonly<Record<number, readonly Condition[]>> = {
  [Power.active]: [Condition.active],
  [Power.idle]: IDLES,
  [Power.standby]: STANDBYS,
  [Power.luControl]: [Condition.active],
  [Power.forceIdle]: IDLES,
  [Power.forceStandby]: STANDBYS,
}

function setCondition(task: Task, device: PrimaryDevice, power: PowerConditions) {
  const { cdb } = task
  const value = powerCondition.get(cdb, 0)
  const conditions = CONDITIONS[value]
  if (conditions === undefined) return fail(task, INVALID_FIELD_IN_CDB, powerCondition)
  const condition = conditions[powerConditionModifier.get(cdb, 0)]
  if (condition === undefined) return fail(task, INVALID_FIELD_IN_CDB, powerConditionModifier)
  if (value === Power.luControl) {
    power.giveControl()
    return succeed(task)
  }
  const standby = condition >= Condition.standbyY && noFlush.get(cdb, 0) === 0
  if (standby && immed.get(cdb, 0) === 0) return device.flush(task, reachFlushed)
  if (standby) device.flushInBackground()
  reach(task, device, power)
}

/** The medium stops in standby, so what is cached has to be on it. */
function reachFlushed(task: Task) {
  const device = deviceOf(task)
  if (task.io.error !== StoreError.none) return failStore(task, device.blockSize, true)
  reach(task, device, device.power!)
}

function reach(task: Task, device: PrimaryDevice, power: PowerConditions): void {
  const value = powerCondition.get(task.cdb, 0)
  const condition = CONDITIONS[value]![powerConditionModifier.get(task.cdb, 0)]!
  if (value === Power.forceIdle || value === Power.forceStandby) power.expire(condition)
  else {
    // From stopped, too.
    device.notReady = null
    power.choose(condition)
  }
  succeed(task)
}

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
  const device = deviceOf(task)
  if (device.notReady === null) device.cycles++
  device.notReady =
    loej.get(task.cdb, 0) === 1 ? MEDIUM_NOT_PRESENT : LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED
  succeed(task)
}
