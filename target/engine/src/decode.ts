// SPDX-License-Identifier: Apache-2.0
// The second stage: find the command's row and check its CDB against it.
import { INVALID_COMMAND_OPERATION_CODE, INVALID_FIELD_IN_CDB } from '@lunkit/spec'
import type { Task } from '@lunkit/target-api'
import { type Route, VARIABLE_LENGTH } from './dispatch.ts'
import { unitOf } from './logical-unit.ts'
import { refuseCdb } from './refuse.ts'

const ADDITIONAL_LENGTH = 7

/** True if the task goes on; else it has its answer. */
export function decode(task: Task): boolean {
  const { cdb } = task
  const { dispatch, counters, device } = unitOf(task)
  const route = dispatch.find(cdb)
  if (route === null || (route.offered !== null && !route.offered(task, device))) {
    counters.unknown.count(cdb)
    const action = dispatch.unknownAction(cdb)
    if (action === null) return refuseCdb(task, INVALID_COMMAND_OPERATION_CODE)
    return refuseCdb(task, INVALID_FIELD_IN_CDB, action.byte, action.bit)
  }
  task.binding = route
  if (!checkBits(task, route)) return false
  if (route.lba !== null) task.lba = route.lba.get(cdb, 0)
  if (route.blocks !== null) {
    const blocks = route.blocks.get(cdb, 0)
    task.blocks = blocks === 0 ? meaningOfZero(task, route) : blocks
  }
  counters.began(task, route.access)
  return true
}

function meaningOfZero(task: Task, route: Route): number {
  if (route.zeroIs256) return 256
  // At least one, so that an LBA behind the last block is out of range.
  return route.zeroIsRest ? Math.max(unitOf(task).device.blocks - task.lba, 1) : 0
}

function checkBits(task: Task, route: Route): boolean {
  const { cdb } = task
  const { forbidden } = route
  for (let byte = 1; byte < forbidden.length; byte++) {
    const stray = cdb[byte]! & forbidden[byte]!
    if (stray !== 0) return refuseCdb(task, INVALID_FIELD_IN_CDB, byte, 31 - Math.clz32(stray))
  }
  // A variable-length CDB tells its own length: another one than the row's means that fields are cut off.
  if (route.command.opcode === VARIABLE_LENGTH && cdb[ADDITIONAL_LENGTH] !== route.command.length - 8) {
    return refuseCdb(task, INVALID_FIELD_IN_CDB, ADDITIONAL_LENGTH, 7)
  }
  return true
}
