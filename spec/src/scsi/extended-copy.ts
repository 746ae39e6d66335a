// SPDX-License-Identifier: Apache-2.0
// Third-party copy with LID1: parameter list, descriptors, and what RECEIVE COPY RESULTS answers.
import { bit, bits, bytes, u8, u16, u24, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** Behind it: CSCD descriptors, segment descriptors, inline data. */
export const EXTENDED_COPY_HEADER = layout(
  'EXTENDED COPY (LID1) parameter list',
  'SPC-4 EXTENDED COPY (LID1) parameter list',
  16,
  {
    listId: u8(0),
    sequentialStriped: bit(1, 5),
    listIdUsage: bits(1, 4, 3),
    priority: bits(1, 2, 0),
    cscdLength: u16(2),
    segmentLength: u32(8),
    inlineLength: u32(12),
  },
)

/** LIST ID USAGE. */
export const ListIdUsage = Object.freeze({ held: 0, discard: 2, none: 3 } as const)

/** DESCRIPTOR TYPE CODE of copy source and copy destination (CSCD) and of segment descriptors that disks know. */
export const CopyDescriptor = Object.freeze({
  blockToBlock: 0x02,
  verify: 0x07,
  blockToBlockWithOffset: 0x0a,
  identification: 0xe4,
} as const)

/** The one CSCD descriptor type for local units; its last four bytes are for block devices. */
export const IDENTIFICATION_CSCD = layout(
  'Identification Descriptor CSCD descriptor',
  'SPC-4 Identification Descriptor CSCD descriptor',
  32,
  {
    type: u8(0),
    peripheralType: bits(1, 4, 0),
    relativeInitiatorPort: u16(2),
    codeSet: bits(4, 3, 0),
    association: bits(5, 5, 4),
    designatorType: bits(5, 3, 0),
    designatorLength: u8(7),
    designator: bytes(8, 20),
    pad: bit(28, 2),
    blockLength: u24(29),
  },
)

/** The longest designator that an identification descriptor holds. */
export const LONGEST_CSCD_DESIGNATOR = 20

/** DESCRIPTOR LENGTH counts from byte 4. */
const SEGMENT = { type: u8(0), destinationCount: bit(1, 1), cat: bit(1, 0), length: u16(2) } as const

export const SEGMENT_HEADER = layout('Segment descriptor', 'SPC-4 Segment descriptors', 4, SEGMENT)

export const BLOCK_TO_BLOCK_SEGMENT = layout(
  'Block device to block device segment descriptor',
  'SPC-4 Copy from block device to block device segment descriptor',
  28,
  {
    ...SEGMENT,
    source: u16(4),
    destination: u16(6),
    blocks: u16(10),
    sourceLba: u64(12),
    destinationLba: u64(20),
  },
)

export const BLOCK_TO_BLOCK_OFFSET_SEGMENT = layout(
  'Block device with offset to block device with offset segment descriptor',
  'SPC-4 Copy from block device with offset to block device with offset segment descriptor',
  32,
  {
    ...SEGMENT,
    source: u16(4),
    destination: u16(6),
    bytes: u32(8),
    sourceLba: u64(12),
    destinationLba: u64(20),
    sourceOffset: u16(28),
    destinationOffset: u16(30),
  },
)

export const VERIFY_SEGMENT = layout(
  'Verify CSCD segment descriptor',
  'SPC-4 Verify CSCD operation segment descriptor',
  12,
  { ...SEGMENT, source: u16(4), testUnitReady: bit(8, 0) },
)

/** COPY MANAGER STATUS of LID1. */
export const CopyStatus = Object.freeze({ inProgress: 0, completed: 1, failed: 2 } as const)

/** TRANSFER COUNT UNITS: bytes times a power of 1024. */
export const COPY_COUNT_UNIT_BITS = 10

export const COPY_STATUS = layout(
  'RECEIVE COPY STATUS (LID1) data',
  'SPC-4 RECEIVE COPY STATUS (LID1) parameter data',
  12,
  {
    available: u32(0),
    heldDataDiscarded: bit(4, 7),
    status: bits(4, 6, 0),
    segments: u16(5),
    countUnits: u8(7),
    count: u32(8),
  },
)

/** Sense data follows. */
export const COPY_FAILURE_DETAILS = layout(
  'RECEIVE COPY FAILURE DETAILS (LID1) data',
  'SPC-4 RECEIVE COPY FAILURE DETAILS (LID1) parameter data',
  60,
  { available: u32(0), status: u8(56), senseLength: u16(58) },
)

/** Implemented descriptor type codes follow, ascending. Granularities are powers of two, in bytes. */
export const COPY_OPERATING_PARAMETERS = layout(
  'RECEIVE COPY OPERATING PARAMETERS data',
  'SPC-4 RECEIVE COPY OPERATING PARAMETERS parameter data',
  44,
  {
    available: u32(0),
    supportsNoListId: bit(4, 0),
    maxCscdDescriptors: u16(8),
    maxSegmentDescriptors: u16(10),
    maxDescriptorListLength: u32(12),
    maxSegmentLength: u32(16),
    maxInlineData: u32(20),
    heldDataLimit: u32(24),
    maxStreamTransfer: u32(28),
    totalConcurrentCopies: u16(34),
    maxConcurrentCopies: u8(36),
    segmentGranularity: u8(37),
    inlineGranularity: u8(38),
    heldGranularity: u8(39),
    descriptorCount: u8(43),
  },
)
