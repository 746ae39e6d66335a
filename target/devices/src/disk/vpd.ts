// SPDX-License-Identifier: Apache-2.0
// The disk's vital product data pages, ascending; page 00h lists them by itself.
import {
  BLOCK_CHARACTERISTICS,
  BLOCK_LIMITS,
  EXTENDED_INQUIRY,
  LOGICAL_BLOCK_PROVISIONING,
  VpdCode,
} from '@lunkit/spec'
import { LARGEST } from '@lunkit/target-api'
import { deviceIdentification, unitSerialNumber } from '../primary/identification.ts'
import { type VpdPage, vpdPage } from '../primary/vpd-page.ts'
import type { Disk } from './disk.ts'

export const diskVpdPages: readonly VpdPage[] = [
  unitSerialNumber,
  deviceIdentification,
  vpdPage(VpdCode.extendedInquiry, EXTENDED_INQUIRY, (disk: Disk) => ({
    headOfQueue: 1,
    ordered: 1,
    simple: 1,
    volatile: disk.store.volatileCache ? 1 : 0,
  })),
  vpdPage(VpdCode.blockLimits, BLOCK_LIMITS, (disk: Disk) => ({
    optimalGranularity: disk.physicalBlock / disk.blockSize,
    maxTransfer: disk.maxTransfer / disk.blockSize,
    optimalTransfer: LARGEST / disk.blockSize,
  })),
  vpdPage(VpdCode.blockCharacteristics, BLOCK_CHARACTERISTICS, (disk: Disk) => ({
    rotationRate: disk.rotation,
  })),
  // All zero: nothing can be unmapped, so no block is provisioned in another way than at once.
  vpdPage(VpdCode.logicalBlockProvisioning, LOGICAL_BLOCK_PROVISIONING, () => ({})),
]
