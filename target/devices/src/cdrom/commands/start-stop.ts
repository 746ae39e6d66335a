// SPDX-License-Identifier: Apache-2.0
// START STOP UNIT: opens and closes the tray; the disc itself starts when it is needed.
import {
  INVALID_FIELD_IN_CDB,
  MEDIUM_NOT_PRESENT_TRAY_OPEN,
  MEDIUM_REMOVAL_PREVENTED,
  MMC_START_STOP_UNIT,
} from '@lunkit/spec'
import { fail, on, succeed, type Task } from '@lunkit/target-api'
import type { Drive } from '../drive.ts'

const { powerCondition, loej, start } = MMC_START_STOP_UNIT.cdb.field

/** POWER CONDITION: active, idle and standby, each of which is left at once by itself. */
const STANDBY = 3

export const startStop = on(
  MMC_START_STOP_UNIT,
  (task: Task, drive: Drive) => {
    const { cdb } = task
    const condition = powerCondition.get(cdb, 0)
    if (condition > STANDBY) return fail(task, INVALID_FIELD_IN_CDB, powerCondition)
    if (condition > 0) return succeed(task)
    const starts = start.get(cdb, 0) === 1
    if (loej.get(cdb, 0) === 0) {
      if (starts && drive.notReady !== null) return fail(task, drive.notReady)
      return succeed(task)
    }
    if (starts) {
      if (drive.held) return fail(task, MEDIUM_NOT_PRESENT_TRAY_OPEN)
      drive.closeTray(task.nexus)
      return succeed(task)
    }
    if (drive.unit.removalPrevented && !drive.trayOpen) return fail(task, MEDIUM_REMOVAL_PREVENTED)
    drive.openTray()
    succeed(task)
  },
  // Hybrid discs have format layers.
  { refuses: ['formatLayer', 'fl'] },
)
