// SPDX-License-Identifier: Apache-2.0
// From a CSCD descriptor to a unit that the initiator itself sees.
import {
  Association,
  COPY_TARGET_DEVICE_NOT_REACHABLE,
  INCORRECT_COPY_TARGET_DEVICE_TYPE,
  INVALID_FIELD_IN_PARAMETER_LIST,
  type SenseCode,
  UNREACHABLE_COPY_TARGET,
} from '@lunkit/spec'
import type { NexusUnit, Task } from '@lunkit/target-api'
import { unitDesignators } from '../../primary/identification.ts'
import type { Cscd } from './parameter-list.ts'

/** CSCD DESCRIPTOR ID of the unit that the command was sent to. */
export const THIS_UNIT = 0xffff

/** The unit behind an index of the list, or why it cannot be used. */
export function findUnit(task: Task, cscds: readonly Cscd[], index: number): NexusUnit | SenseCode {
  if (index === THIS_UNIT) return task.nexusUnit
  const cscd = cscds[index]
  if (cscd === undefined) return UNREACHABLE_COPY_TARGET
  const found = findCscd(task, cscd)
  if (found === null) return COPY_TARGET_DEVICE_NOT_REACHABLE
  const { device } = found.unit
  if (device.type.peripheralType !== cscd.peripheralType || device.blockSize === 0) {
    return INCORRECT_COPY_TARGET_DEVICE_TYPE
  }
  // Copying with another idea of the block length would copy other bytes than were meant.
  return device.blockSize === cscd.blockLength ? found : INVALID_FIELD_IN_PARAMETER_LIST
}

/** The unit of that name that the task's initiator sees, or null. */
export function findCscd(task: Task, cscd: Cscd): NexusUnit | null {
  return task.nexus.units().find(one => isNamed(one, cscd)) ?? null
}

function isNamed({ unit }: NexusUnit, cscd: Cscd): boolean {
  if (cscd.association !== Association.logicalUnit) return false
  return unitDesignators(unit.identity).some(
    ({ type, codeSet, value }) =>
      type === cscd.designatorType &&
      codeSet === cscd.codeSet &&
      Buffer.compare(value, cscd.designator) === 0,
  )
}
