// SPDX-License-Identifier: Apache-2.0
// The disk's mode pages: default values, and what MODE SELECT may change because the disk or the engine obeys it.
import {
  CACHING,
  CONTROL,
  CONTROL_EXTENSION,
  DISCONNECT_RECONNECT,
  ERROR_RECOVERY,
  FORMAT_DEVICE,
  ModeCode,
  POWER_CONDITION,
  RIGID_GEOMETRY,
  SENSE_LENGTH_MAX,
  VERIFY_ERROR_RECOVERY,
} from '@lunkit/spec'
import { exceptionsModePage } from '../primary/exceptions-mode-page.ts'
import { type ModePageRow, modePage } from '../primary/mode-pages.ts'
import type { Disk } from './disk.ts'
import { geometryOf } from './geometry.ts'
import { selfTestSeconds } from './limits.ts'
import { provisioningThresholds, thresholdExponent } from './provisioning-thresholds.ts'

/** QUEUE ALGORITHM MODIFIER: simple tasks may be reordered. */
const UNRESTRICTED = 1
/** CCF_IDLE, CCF_STANDBY and CCF_STOPPED: no command ends with CHECK CONDITION because it ends a power condition. */
const NEVER = 1

/** What may be changed in the Control mode page, and beyond that where there is protection information. */
const CONTROL_FIELDS = [
  'tst',
  'tmfOnly',
  'dSense',
  'queueAlgorithm',
  'qerr',
  'uaInterlock',
  'swp',
  'tas',
] as const
const PROTECTION_FIELDS = ['ato', 'dpicz', 'rwwp'] as const

export const diskModePages: readonly ModePageRow[] = [
  // Nothing is retried or moved elsewhere by the disk itself, and nobody can switch on what it has not.
  modePage(ModeCode.errorRecovery, 0, ERROR_RECOVERY, () => ({ awre: 1, arre: 1 }), {
    changeable: (disk: Disk) => (thresholdExponent(disk) > 0 ? ['lbpere'] : []),
  }),
  // Bursts are settled by the transport (RFC 7143: MaxBurstLength, FirstBurstLength): zero is no limit.
  modePage(ModeCode.disconnectReconnect, 0, DISCONNECT_RECONNECT, () => ({})),
  modePage(ModeCode.formatDevice, 0, FORMAT_DEVICE, (disk: Disk) => ({
    tracksPerZone: 1,
    sectorsPerTrack: geometryOf(disk.blocks).sectors,
    bytesPerSector: disk.blockSize,
    interleave: 1,
    hardSector: 1,
    removable: disk.removable ? 1 : 0,
  })),
  modePage(ModeCode.rigidGeometry, 0, RIGID_GEOMETRY, (disk: Disk) => {
    const { cylinders, heads } = geometryOf(disk.blocks)
    // No reduced current and no precompensation begins anywhere: behind the last cylinder.
    return {
      cylinders,
      heads,
      writePrecompensation: cylinders,
      reducedWriteCurrent: cylinders,
      rotationRate: disk.rotation > 1 ? disk.rotation : 0,
    }
  }),
  modePage(ModeCode.verifyErrorRecovery, 0, VERIFY_ERROR_RECOVERY, () => ({})),
  modePage(ModeCode.caching, 0, CACHING, (disk: Disk) => ({ wce: disk.initialWriteCache ? 1 : 0 }), {
    changeable: disk => (disk.store.volatileCache ? ['wce'] : []),
  }),
  modePage(
    ModeCode.control,
    0,
    CONTROL,
    (disk: Disk) => ({
      queueAlgorithm: UNRESTRICTED,
      // Else an initiator that was fenced off waits for its own time limit: nobody tells it of its commands.
      tas: 1,
      // Log counters are never saved by the target itself.
      gltsd: 1,
      selfTestTime: Math.min(selfTestSeconds(disk.blocks * disk.blockSize), 0xffff),
    }),
    {
      changeable: (disk: Disk) => [...CONTROL_FIELDS, ...(disk.hasProtection ? PROTECTION_FIELDS : [])],
      values: { tst: [0, 1], queueAlgorithm: [0, 1], qerr: [0, 1, 3], uaInterlock: [0, 2, 3] },
    },
  ),
  // The clock is the machine's (TCMOS) until an initiator sets it, and then that counts (SCSIP).
  modePage(ModeCode.control, 1, CONTROL_EXTENSION, () => ({
    tcmos: 1,
    scsip: 1,
    maxSenseLength: SENSE_LENGTH_MAX,
  })),
  modePage(
    ModeCode.powerCondition,
    0,
    POWER_CONDITION,
    () => ({ ccfIdle: NEVER, ccfStandby: NEVER, ccfStopped: NEVER }),
    {
      present: (disk: Disk) => disk.power !== null,
      changeable: () => [
        'standbyY',
        'idleC',
        'idleB',
        'idleA',
        'standbyZ',
        'idleATimer',
        'standbyZTimer',
        'idleBTimer',
        'idleCTimer',
        'standbyYTimer',
      ],
    },
  ),
  exceptionsModePage,
  provisioningThresholds,
]
