// SPDX-License-Identifier: Apache-2.0
// The disk's mode pages: default values, and what MODE SELECT may change.
import { CACHING, CONTROL, CONTROL_EXTENSION, ERROR_RECOVERY, EXCEPTIONS, ModeCode } from '@lunkit/spec'
import { type ModePageRow, modePage } from '../primary/mode-pages.ts'
import type { Disk } from './disk.ts'

/** QUEUE ALGORITHM MODIFIER: simple tasks may be reordered. */
const UNRESTRICTED = 1
/** No sense data of this target is longer. */
const MAX_SENSE = 96

export const diskModePages: readonly ModePageRow[] = [
  modePage(
    ModeCode.errorRecovery,
    0,
    ERROR_RECOVERY,
    () => ({ awre: 1, arre: 1 }),
    () => [],
  ),
  modePage(
    ModeCode.caching,
    0,
    CACHING,
    (disk: Disk) => ({ wce: disk.initialWriteCache ? 1 : 0 }),
    disk => (disk.store.volatileCache ? ['wce'] : []),
  ),
  modePage(
    ModeCode.control,
    0,
    CONTROL,
    () => ({ queueAlgorithm: UNRESTRICTED }),
    () => ['dSense', 'swp'],
  ),
  modePage(
    ModeCode.control,
    1,
    CONTROL_EXTENSION,
    () => ({ maxSenseLength: MAX_SENSE }),
    () => [],
  ),
  // Failures are told as they happen; none is predicted.
  modePage(
    ModeCode.exceptions,
    0,
    EXCEPTIONS,
    () => ({ dexcpt: 1 }),
    () => [],
  ),
]
