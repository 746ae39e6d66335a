// SPDX-License-Identifier: Apache-2.0
// PREVENT ALLOW MEDIUM REMOVAL: a lock per nexus; the engine drops it on resets and when the nexus goes.
import { INVALID_FIELD_IN_CDB, PREVENT_ALLOW_MEDIUM_REMOVAL } from '@lunkit/spec'
import { fail, on, succeed, type Task } from '@lunkit/target-api'

const { prevent } = PREVENT_ALLOW_MEDIUM_REMOVAL.cdb.field

export const preventAllowMediumRemoval = on(PREVENT_ALLOW_MEDIUM_REMOVAL, (task: Task) => {
  const value = prevent.get(task.cdb, 0)
  // 10b and 11b are obsolete (they were for medium changers inside a drive).
  if (value > 1) return fail(task, INVALID_FIELD_IN_CDB, prevent)
  task.nexusUnit.preventsRemoval = value === 1
  succeed(task)
})
