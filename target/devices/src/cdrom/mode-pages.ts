// SPDX-License-Identifier: Apache-2.0
// The drive's mode pages: what systems ask of a CD-ROM drive, and the policies that the engine obeys.
import {
  CACHING,
  CD_CAPABILITIES,
  CONTROL,
  DRIVE_POWER_CONDITION,
  ERROR_RECOVERY,
  ModeCode,
  TIMEOUT_AND_PROTECT,
} from '@lunkit/spec'
import { exceptionsModePage } from '../primary/exceptions-mode-page.ts'
import { type ModePageRow, modePage } from '../primary/mode-pages.ts'
import type { Drive } from './drive.ts'

/** Kilobytes a second, the most that the fields of page 2Ah hold: the network is the limit. */
export const SPEED = 0xffff
/** Kilobytes. */
const BUFFER = 8192
/** LOADING MECHANISM TYPE. */
export const TRAY = 1

export const driveModePages: readonly ModePageRow[] = [
  modePage(ModeCode.errorRecovery, 0, ERROR_RECOVERY, () => ({})),
  modePage(ModeCode.caching, 0, CACHING, () => ({})),
  modePage(ModeCode.control, 0, CONTROL, () => ({ queueAlgorithm: 1, tas: 1, gltsd: 1 }), {
    changeable: () => ['tst', 'tmfOnly', 'dSense', 'queueAlgorithm', 'qerr', 'uaInterlock', 'tas'],
    values: { tst: [0, 1], queueAlgorithm: [0, 1], qerr: [0, 1, 3], uaInterlock: [0, 2, 3] },
  }),
  modePage(ModeCode.powerCondition, 0, DRIVE_POWER_CONDITION, () => ({})),
  exceptionsModePage,
  modePage(ModeCode.timeoutAndProtect, 0, TIMEOUT_AND_PROTECT, () => ({})),
  modePage(ModeCode.cdCapabilities, 0, CD_CAPABILITIES, (drive: Drive) => ({
    dvdRomRead: 1,
    cdRwRead: 1,
    cdRRead: 1,
    loadingMechanism: TRAY,
    eject: 1,
    lock: 1,
    // Not before it has become a unit.
    lockState: drive.unit?.removalPrevented ? 1 : 0,
    maxReadSpeed: SPEED,
    bufferSize: BUFFER,
    currentReadSpeed: SPEED,
  })),
]
