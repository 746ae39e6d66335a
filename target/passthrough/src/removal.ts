// SPDX-License-Identifier: Apache-2.0
// PREVENT ALLOW MEDIUM REMOVAL: the unit is told by the first initiator that prevents it, and by the last that allows it.
import { PREVENT_ALLOW_MEDIUM_REMOVAL } from '@lunkit/spec'
import { type Nexus, succeed, type Task } from '@lunkit/target-api'
import type { PassedCommand } from './passed-command.ts'
import type { PassedUnit } from './passed-unit.ts'

const { prevent } = PREVENT_ALLOW_MEDIUM_REMOVAL.cdb.field

function cdbFor(value: number): Uint8Array {
  const cdb = PREVENT_ALLOW_MEDIUM_REMOVAL.cdb.write({ prevent: value })
  cdb[0] = PREVENT_ALLOW_MEDIUM_REMOVAL.opcode
  return cdb
}

export function preventOrAllow(task: Task, device: PassedUnit, command: PassedCommand): void {
  const value = prevent.get(task.cdb, 0)
  // The other values are obsolete, and the unit's to refuse.
  if (value <= 1) {
    task.nexusUnit.preventsRemoval = value === 1
    if (value === 0 && device.unit.removalPrevented) {
      succeed(task)
      return
    }
    device.prevented = value === 1
  }
  device.take(task, command)
}

/** A nexus has gone; the medium may be taken out if nobody else prevents it. */
export function allowRemoval(device: PassedUnit, _gone: Nexus): void {
  if (!device.prevented || device.isAway || device.unit.removalPrevented) return
  device.prevented = false
  device.ask(cdbFor(0), 0).catch(() => undefined)
}

/** The unit has forgotten it. */
export async function preventRemoval(device: PassedUnit): Promise<void> {
  device.prevented = true
  await device.ask(cdbFor(1), 0)
}
