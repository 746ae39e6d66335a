// SPDX-License-Identifier: Apache-2.0
// The answers of READ CAPACITY and GET LBA STATUS.
import { bit, bits, u8, u16, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** READ CAPACITY (10) parameter data. `lastLba` is FFFFFFFFh where the last LBA does not fit. */
export const CAPACITY_10 = layout('READ CAPACITY (10) data', 'SBC-4 READ CAPACITY (10) parameter data', 8, {
  lastLba: u32(0),
  blockLength: u32(4),
})

/** READ CAPACITY (16) parameter data. */
export const CAPACITY_16 = layout('READ CAPACITY (16) data', 'SBC-4 READ CAPACITY (16) parameter data', 32, {
  lastLba: u64(0),
  blockLength: u32(8),
  rcBasis: bits(12, 5, 4),
  protectionType: bits(12, 3, 1),
  protectionEnabled: bit(12, 0),
  /** P_I_EXPONENT: 2 to this power protection information intervals in a block. */
  intervalExponent: bits(13, 7, 4),
  /** 2 to this power logical blocks in a physical block. */
  physicalExponent: bits(13, 3, 0),
  lbpme: bit(14, 7),
  lbprz: bit(14, 6),
  lowestAligned: u16(14, 14),
})

/** GET LBA STATUS parameter data header, followed by descriptors. PARAMETER DATA LENGTH counts from byte 4. */
export const LBA_STATUS_HEADER = layout('GET LBA STATUS data', 'SBC-4 GET LBA STATUS parameter data', 8, {
  length: u32(0),
  completion: bits(7, 3, 1),
  rtp: bit(7, 0),
})

export const LBA_STATUS_DESCRIPTOR = layout('LBA status descriptor', 'SBC-4 LBA status descriptor', 16, {
  lba: u64(0),
  blocks: u32(8),
  provisioning: bits(12, 3, 0),
  additional: u8(13),
})

/** PROVISIONING STATUS of an LBA status descriptor. */
export const ProvisioningStatus = Object.freeze({
  /** Or not known. */
  mapped: 0,
  deallocated: 1,
  anchored: 2,
  surelyMapped: 3,
  unknown: 4,
} as const)

/** REPORT TYPE of GET LBA STATUS (SBC-4, GET LBA STATUS (16) command). */
export const LbaReportType = Object.freeze({
  all: 0x00,
  additionalStatus: 0x01,
  mapped: 0x02,
  deallocated: 0x03,
  anchored: 0x04,
  unrecovered: 0x10,
} as const)

/** COMPLETION CONDITION of the GET LBA STATUS parameter data (SBC-4). */
export const LbaStatusCompletion = Object.freeze({
  unsaid: 0,
  allocation: 1,
  scanLength: 2,
  capacity: 3,
} as const)

/** UNMAP parameter list header, followed by block descriptors. */
export const UNMAP_HEADER = layout('UNMAP parameter list', 'SBC-4 UNMAP parameter list', 8, {
  dataLength: u16(0),
  descriptorLength: u16(2),
})

export const UNMAP_DESCRIPTOR = layout('UNMAP block descriptor', 'SBC-4 UNMAP block descriptor', 16, {
  lba: u64(0),
  blocks: u32(8),
})
