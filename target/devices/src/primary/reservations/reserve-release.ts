// SPDX-License-Identifier: Apache-2.0
// RESERVE and RELEASE of SPC-2: the whole unit, for the nexus that asks.
import { RELEASE_6, RELEASE_10, RESERVE_6, RESERVE_10, Status } from '@lunkit/spec'
import { type Binding, on, refuse, succeed, type Task } from '@lunkit/target-api'

function reserve(task: Task): void {
  if (task.nexusUnit.unit.reservations.reserve(task.nexus)) succeed(task)
  else refuse(task, Status.reservationConflict)
}

function release(task: Task): void {
  if (task.nexusUnit.unit.reservations.release(task.nexus)) succeed(task)
  else refuse(task, Status.reservationConflict)
}

// Third parties and their parameter lists are obsolete; a length that nothing refers to is not looked at.
const alone = { refuses: ['thirdParty', 'longId'], dataOut: () => 0 } as const

export const reserveReleases: readonly Binding[] = [
  on(RESERVE_6, reserve),
  on(RELEASE_6, release),
  on(RESERVE_10, reserve, alone),
  on(RELEASE_10, release, alone),
]
