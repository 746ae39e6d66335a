// SPDX-License-Identifier: Apache-2.0
// Token copies of disks: representation-of-data (ROD) tokens, parameter lists that make and use them, and results.
import { bit, bits, bytes, u8, u16, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

export const RodType = Object.freeze({
  /** The copy manager chooses. */
  any: 0x0000_0000,
  /** Point in time: may become invalid when the data is written to. */
  changeVulnerable: 0x0080_0001,
  /** Made by nobody: stands for zeros. */
  blockZero: 0xffff_0001,
} as const)

export const ROD_TOKEN_LENGTH = 512

export const ROD_TOKEN = layout('ROD token', 'SPC-4 ROD token format', ROD_TOKEN_LENGTH, {
  type: u32(0),
  /** Counts from byte 8. */
  length: u16(6),
  identifier: bytes(8, 8),
  creator: bytes(16, 32),
  /** The lower half of NUMBER OF BYTES REPRESENTED. */
  size: u64(56),
  deviceTypeSpecific: bytes(96, 32),
  extended: bytes(128, 384),
})

/** PARAMETER LIST header of POPULATE TOKEN; range descriptors follow. The data length counts from byte 2. */
export const POPULATE_TOKEN_LIST = layout(
  'POPULATE TOKEN parameter list',
  'SBC-4 POPULATE TOKEN parameter list',
  16,
  {
    dataLength: u16(0),
    rodTypeValid: bit(2, 1),
    immed: bit(2, 0),
    inactivityTimeout: u32(4),
    rodType: u32(8),
    rangeLength: u16(14),
  },
)

/** The same of WRITE USING TOKEN. */
export const WRITE_USING_TOKEN_LIST = layout(
  'WRITE USING TOKEN parameter list',
  'SBC-4 WRITE USING TOKEN parameter list',
  536,
  {
    dataLength: u16(0),
    deleteToken: bit(2, 1),
    immed: bit(2, 0),
    offset: u64(8),
    token: bytes(16, ROD_TOKEN_LENGTH),
    rangeLength: u16(534),
  },
)

export const BLOCK_DEVICE_RANGE = layout(
  'Block device range descriptor',
  'SBC-4 Block device range descriptor',
  16,
  { lba: u64(0), blocks: u32(8) },
)

/** COPY OPERATION STATUS. */
export const TokenStatus = Object.freeze({
  completed: 0x01,
  failed: 0x02,
  /** The ranges are longer than what the token stands for. */
  completedWithResidual: 0x03,
  inForeground: 0x11,
  inBackground: 0x12,
  terminated: 0x60,
} as const)

/** TRANSFER COUNT UNITS: logical blocks. */
export const COUNTS_BLOCKS = 0xf1

/** Sense data follows, then the length of the ROD token descriptors (four bytes), then these. */
export const ROD_TOKEN_INFORMATION = layout(
  'RECEIVE ROD TOKEN INFORMATION data',
  'SPC-4 RECEIVE ROD TOKEN INFORMATION parameter data',
  32,
  {
    available: u32(0),
    responseTo: bits(4, 4, 0),
    status: bits(5, 6, 0),
    operationCounter: u16(6),
    updateDelay: u32(8),
    completionStatus: u8(12),
    senseFieldLength: u8(13),
    senseLength: u8(14),
    countUnits: u8(15),
    count: u64(16),
    segments: u16(24),
  },
)

/** A ROD token descriptor: two bytes that say nothing, and the token. */
export const ROD_TOKEN_DESCRIPTOR_HEADER = 2
