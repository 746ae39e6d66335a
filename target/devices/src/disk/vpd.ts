// SPDX-License-Identifier: Apache-2.0
// The disk's vital product data pages; page 00h lists them by itself.
import {
  BLOCK_CHARACTERISTICS,
  BLOCK_CHARACTERISTICS_EXTENSION,
  BLOCK_LIMITS,
  BLOCK_LIMITS_EXTENSION,
  EXTENDED_INQUIRY,
  LOGICAL_BLOCK_PROVISIONING,
  ProvisioningType,
  SENSE_LENGTH_MAX,
  SUPPORTS_ALL_PROTECTION_TYPES,
  Utilization,
  VpdCode,
} from '@lunkit/spec'
import { namingPages } from '../primary/identification.ts'
import { modePagePolicy } from '../primary/mode-page-policy.ts'
import { powerConditionPage } from '../primary/power-page.ts'
import { type VpdPage, vpdBytes, vpdPage } from '../primary/vpd-page.ts'
import { thirdPartyCopyDescriptors } from './copy/third-party-copy-page.ts'
import { canDestroy, canErase, type Disk } from './disk.ts'
import {
  MAX_COMPARE_AND_WRITE,
  MAX_UNMAP_BLOCKS,
  MAX_UNMAP_DESCRIPTORS,
  MAX_WRITE_SAME,
  selfTestSeconds,
} from './limits.ts'
import { thresholdExponent } from './provisioning-thresholds.ts'
import { referralsPage } from './referrals.ts'

/** Bytes of one command beyond which more commands do as well. Linux cuts its requests to this. */
const OPTIMAL_TRANSFER = 1024 * 1024

export const diskVpdPages: readonly VpdPage[] = [
  ...namingPages,
  referralsPage,
  vpdPage(VpdCode.extendedInquiry, EXTENDED_INQUIRY, (disk: Disk) => ({
    headOfQueue: 1,
    ordered: 1,
    simple: 1,
    ...(disk.hasProtection && {
      protectionTypes: SUPPORTS_ALL_PROTECTION_TYPES,
      guardCheck: 1,
      applicationCheck: 1,
      referenceCheck: 1,
      noProtectionCheck: 1,
    }),
    volatile: disk.store.volatileCache ? 1 : 0,
    // REPORT LUNS clears REPORTED LUNS DATA HAS CHANGED at every unit of the target.
    luiClear: 1,
    selfTestMinutes: Math.min(Math.ceil(selfTestSeconds(disk.blocks * disk.blockSize) / 60), 0xffff),
    descriptorSenseLength: SENSE_LENGTH_MAX,
    referrals: disk.unit.referrals.length > 0 ? 1 : 0,
  })),
  modePagePolicy,
  powerConditionPage,
  vpdBytes(VpdCode.thirdPartyCopy, (disk: Disk) => thirdPartyCopyDescriptors(disk)),
  vpdPage(VpdCode.blockLimits, BLOCK_LIMITS, (disk: Disk) => ({
    optimalGranularity: disk.physicalBlock / disk.blockSize,
    maxTransfer: disk.maxTransfer / disk.blockSize,
    optimalTransfer: OPTIMAL_TRANSFER / disk.blockSize,
    maxCompareAndWrite: MAX_COMPARE_AND_WRITE,
    maxWriteSame: MAX_WRITE_SAME / disk.blockSize,
    maxAtomic: disk.maxAtomic,
    ...(disk.thin && {
      maxUnmap: MAX_UNMAP_BLOCKS,
      maxUnmapDescriptors: MAX_UNMAP_DESCRIPTORS,
      optimalUnmapGranularity: disk.unmapGranularity / disk.blockSize,
      // Stores count from their first byte, which is that of block 0.
      unmapAlignmentValid: 1,
      unmapAlignment: 0,
    }),
  })),
  vpdPage(VpdCode.blockCharacteristics, BLOCK_CHARACTERISTICS, (disk: Disk) => ({
    rotationRate: disk.rotation,
    // After SANITIZE with BLOCK ERASE, READ goes well.
    wabereq: canErase(disk.store) ? 1 : 0,
    // And so it does after CRYPTOGRAPHIC ERASE.
    wacereq: canDestroy(disk.store) ? 1 : 0,
    // FUA and SYNCHRONIZE CACHE mean what SBC-4 says; VERIFY compares unmapped blocks with what they read as.
    fuab: 1,
    vbuls: 1,
  })),
  // No unit has a provisioning group of its own (DP).
  vpdPage(VpdCode.logicalBlockProvisioning, LOGICAL_BLOCK_PROVISIONING, (disk: Disk) =>
    disk.thin
      ? {
          thresholdExponent: thresholdExponent(disk),
          lbpu: 1,
          lbpws: 1,
          lbpws10: 1,
          lbprz: disk.unmappedReadsZero ? 1 : 0,
          ancSup: disk.anchors ? 1 : 0,
          provisioningType: ProvisioningType.thin,
        }
      : {},
  ),
  // No use wears it out: whatever an initiator can ask of it, it is made for.
  vpdPage(VpdCode.blockCharacteristicsExtension, BLOCK_CHARACTERISTICS_EXTENSION, () => ({
    utilizationType: Utilization.combined,
    utilizationUnits: Utilization.exabytes,
    utilizationInterval: Utilization.perDay,
    utilizationA: 0xffff_ffff,
  })),
  // Neither streams nor scattered writes.
  vpdPage(VpdCode.blockLimitsExtension, BLOCK_LIMITS_EXTENSION, () => ({})),
]
