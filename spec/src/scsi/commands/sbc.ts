// SPDX-License-Identifier: Apache-2.0
// The commands of SBC-4, block devices: one row each.
import { bit, bits, u8, u16, u24, u32, u64 } from '../../bytes/field.ts'
import { type Command, command, serviceAction } from '../command.ts'

// A field that only counts for a feature agreed elsewhere (command duration limits' DLD bits) is left out, and so are
// obsolete ones (RELADR, FUA_NV, SYNC_NV, PMI): a target without the feature has to refuse the bit.

const READ = { data: 'in', touches: 'medium-read', reservation: 'readers' } as const
const CHECK = { data: 'out', touches: 'medium-read', reservation: 'readers' } as const
const WRITE = { data: 'out', touches: 'medium-write', reservation: 'registrants' } as const
const ATOMIC = { ...WRITE, order: 'atomic' } as const
const ASK = { data: 'in', touches: 'nothing', reservation: 'allowed' } as const
const ASK_CAPACITY = { ...ASK, readiness: 'ready' } as const
const ASK_MEDIUM = { data: 'in', touches: 'medium-read', reservation: 'readers', order: 'nothing' } as const
const FETCH = { data: 'none', touches: 'medium-read', reservation: 'readers' } as const
const SYNC = { data: 'none', touches: 'medium-sync', reservation: 'registrants' } as const
const WHOLE = { data: 'none', touches: 'medium-all', reservation: 'registrants' } as const
const WHOLE_OUT = { data: 'out', touches: 'medium-all', reservation: 'registrants' } as const
const SANITIZE = { ...WHOLE, readiness: 'recovers', writes: true } as const
const SANITIZE_OUT = { ...WHOLE_OUT, readiness: 'recovers', writes: true } as const

const AT_6 = { lba: u24(1, 21), blocks: u8(4) } as const
const AT_10 = { lba: u32(2), group: bits(6, 5, 0), blocks: u16(7) } as const
const AT_12 = { lba: u32(2), blocks: u32(6), group: bits(10, 5, 0) } as const
const AT_16 = { lba: u64(2), blocks: u32(10), group: bits(14, 5, 0) } as const
const AT_32 = {
  group: bits(6, 5, 0),
  lba: u64(12),
  referenceTag: u32(20),
  applicationTag: u16(24),
  applicationTagMask: u16(26),
  blocks: u32(28),
} as const

const READ_FLAGS = { protect: bits(1, 7, 5), dpo: bit(1, 4), fua: bit(1, 3), rarc: bit(1, 2) } as const
const WRITE_FLAGS = { protect: bits(1, 7, 5), dpo: bit(1, 4), fua: bit(1, 3) } as const
const VERIFY_FLAGS = { protect: bits(1, 7, 5), dpo: bit(1, 4), bytchk: bits(1, 2, 1) } as const
const SAME_FLAGS = { protect: bits(1, 7, 5), anchor: bit(1, 4), unmap: bit(1, 3) } as const
const READ_FLAGS_32 = { protect: bits(10, 7, 5), dpo: bit(10, 4), fua: bit(10, 3), rarc: bit(10, 2) } as const
const WRITE_FLAGS_32 = { protect: bits(10, 7, 5), dpo: bit(10, 4), fua: bit(10, 3) } as const
const VERIFY_FLAGS_32 = { protect: bits(10, 7, 5), dpo: bit(10, 4), bytchk: bits(10, 2, 1) } as const

// ---- read ----

export const READ_6 = command(0x08, 6, 'READ (6)', 'SBC-4 READ (6) command', READ, AT_6)
export const READ_10 = command(0x28, 10, 'READ (10)', 'SBC-4 READ (10) command', READ, {
  ...READ_FLAGS,
  ...AT_10,
})
export const READ_12 = command(0xa8, 12, 'READ (12)', 'SBC-4 READ (12) command', READ, {
  ...READ_FLAGS,
  ...AT_12,
})
export const READ_16 = command(0x88, 16, 'READ (16)', 'SBC-4 READ (16) command', READ, {
  ...READ_FLAGS,
  ...AT_16,
})
export const READ_32 = serviceAction(0x7f, 0x0009, 32, 'READ (32)', 'SBC-4 READ (32) command', READ, {
  ...READ_FLAGS_32,
  ...AT_32,
})

export const PRE_FETCH_10 = command(0x34, 10, 'PRE-FETCH (10)', 'SBC-4 PRE-FETCH (10) command', FETCH, {
  immed: bit(1, 1),
  ...AT_10,
})
export const PRE_FETCH_16 = command(0x90, 16, 'PRE-FETCH (16)', 'SBC-4 PRE-FETCH (16) command', FETCH, {
  immed: bit(1, 1),
  ...AT_16,
})

/** Obsolete since SBC-2, and still sent: nothing moves, so only the LBA is checked. */
export const SEEK_6 = command(0x0b, 6, 'SEEK (6)', 'SBC SEEK (6) command', FETCH, { lba: u24(1, 21) })
export const BLOCK_SEEK_10 = command(0x2b, 10, 'SEEK (10)', 'SBC SEEK (10) command', FETCH, { lba: u32(2) })

// ---- verify ----

export const VERIFY_10 = command(0x2f, 10, 'VERIFY (10)', 'SBC-4 VERIFY (10) command', CHECK, {
  ...VERIFY_FLAGS,
  ...AT_10,
})
export const VERIFY_12 = command(0xaf, 12, 'VERIFY (12)', 'SBC-4 VERIFY (12) command', CHECK, {
  ...VERIFY_FLAGS,
  ...AT_12,
})
export const VERIFY_16 = command(0x8f, 16, 'VERIFY (16)', 'SBC-4 VERIFY (16) command', CHECK, {
  ...VERIFY_FLAGS,
  ...AT_16,
})
export const VERIFY_32 = serviceAction(0x7f, 0x000a, 32, 'VERIFY (32)', 'SBC-4 VERIFY (32) command', CHECK, {
  ...VERIFY_FLAGS_32,
  ...AT_32,
})

// ---- write ----

export const WRITE_6 = command(0x0a, 6, 'WRITE (6)', 'SBC-4 WRITE (6) command', WRITE, AT_6)
export const WRITE_10 = command(0x2a, 10, 'WRITE (10)', 'SBC-4 WRITE (10) command', WRITE, {
  ...WRITE_FLAGS,
  ...AT_10,
})
export const WRITE_12 = command(0xaa, 12, 'WRITE (12)', 'SBC-4 WRITE (12) command', WRITE, {
  ...WRITE_FLAGS,
  ...AT_12,
})
export const WRITE_16 = command(0x8a, 16, 'WRITE (16)', 'SBC-4 WRITE (16) command', WRITE, {
  ...WRITE_FLAGS,
  ...AT_16,
})
export const WRITE_32 = serviceAction(0x7f, 0x000b, 32, 'WRITE (32)', 'SBC-4 WRITE (32) command', WRITE, {
  ...WRITE_FLAGS_32,
  ...AT_32,
})

export const WRITE_AND_VERIFY_10 = command(
  0x2e,
  10,
  'WRITE AND VERIFY (10)',
  'SBC-4 WRITE AND VERIFY (10) command',
  WRITE,
  { ...VERIFY_FLAGS, ...AT_10 },
)
export const WRITE_AND_VERIFY_12 = command(
  0xae,
  12,
  'WRITE AND VERIFY (12)',
  'SBC-4 WRITE AND VERIFY (12) command',
  WRITE,
  { ...VERIFY_FLAGS, ...AT_12 },
)
export const WRITE_AND_VERIFY_16 = command(
  0x8e,
  16,
  'WRITE AND VERIFY (16)',
  'SBC-4 WRITE AND VERIFY (16) command',
  WRITE,
  { ...VERIFY_FLAGS, ...AT_16 },
)
export const WRITE_AND_VERIFY_32 = serviceAction(
  0x7f,
  0x000c,
  32,
  'WRITE AND VERIFY (32)',
  'SBC-4 WRITE AND VERIFY (32) command',
  WRITE,
  { ...VERIFY_FLAGS_32, ...AT_32 },
)

export const WRITE_SAME_10 = command(0x41, 10, 'WRITE SAME (10)', 'SBC-4 WRITE SAME (10) command', WRITE, {
  ...SAME_FLAGS,
  ...AT_10,
})
export const WRITE_SAME_16 = command(0x93, 16, 'WRITE SAME (16)', 'SBC-4 WRITE SAME (16) command', WRITE, {
  ...SAME_FLAGS,
  ndob: bit(1, 0),
  ...AT_16,
})
export const WRITE_SAME_32 = serviceAction(
  0x7f,
  0x000d,
  32,
  'WRITE SAME (32)',
  'SBC-4 WRITE SAME (32) command',
  WRITE,
  { protect: bits(10, 7, 5), anchor: bit(10, 4), unmap: bit(10, 3), ndob: bit(10, 0), ...AT_32 },
)

export const COMPARE_AND_WRITE = command(
  0x89,
  16,
  'COMPARE AND WRITE',
  'SBC-4 COMPARE AND WRITE command',
  ATOMIC,
  { ...WRITE_FLAGS, lba: u64(2), blocks: u8(13), group: bits(14, 5, 0) },
)

export const ORWRITE_16 = command(0x8b, 16, 'ORWRITE (16)', 'SBC-4 ORWRITE (16) command', ATOMIC, {
  ...WRITE_FLAGS,
  ...AT_16,
})
export const ORWRITE_32 = serviceAction(
  0x7f,
  0x000e,
  32,
  'ORWRITE (32)',
  'SBC-4 ORWRITE (32) command',
  ATOMIC,
  {
    bmop: bits(2, 2, 0),
    previousGeneration: bits(3, 3, 0),
    group: bits(6, 5, 0),
    ...WRITE_FLAGS_32,
    lba: u64(12),
    expectedGeneration: u32(20),
    newGeneration: u32(24),
    blocks: u32(28),
  },
)

export const WRITE_ATOMIC_16 = command(
  0x9c,
  16,
  'WRITE ATOMIC (16)',
  'SBC-4 WRITE ATOMIC (16) command',
  ATOMIC,
  {
    ...WRITE_FLAGS,
    lba: u64(2),
    boundary: u16(10),
    blocks: u16(12),
    group: bits(14, 5, 0),
  },
)
export const WRITE_ATOMIC_32 = serviceAction(
  0x7f,
  0x000f,
  32,
  'WRITE ATOMIC (32)',
  'SBC-4 WRITE ATOMIC (32) command',
  ATOMIC,
  { boundary: u16(4), ...WRITE_FLAGS_32, ...AT_32 },
)

export const WRITE_STREAM_16 = command(
  0x9a,
  16,
  'WRITE STREAM (16)',
  'SBC-4 WRITE STREAM (16) command',
  WRITE,
  {
    ...WRITE_FLAGS,
    lba: u64(2),
    streamId: u16(10),
    blocks: u16(12),
    group: bits(14, 5, 0),
  },
)
export const WRITE_STREAM_32 = serviceAction(
  0x7f,
  0x0010,
  32,
  'WRITE STREAM (32)',
  'SBC-4 WRITE STREAM (32) command',
  WRITE,
  { streamId: u16(4), ...WRITE_FLAGS_32, ...AT_32 },
)

// The ranges stand in the data, so the field that counts its blocks is not `blocks`.
export const WRITE_SCATTERED_16 = serviceAction(
  0x9f,
  0x12,
  16,
  'WRITE SCATTERED (16)',
  'SBC-4 WRITE SCATTERED (16) command',
  WRITE,
  {
    protect: bits(2, 7, 5),
    dpo: bit(2, 4),
    fua: bit(2, 3),
    dataOffset: u16(4),
    ranges: u16(8),
    bufferBlocks: u32(10),
    group: bits(14, 5, 0),
  },
)
export const WRITE_SCATTERED_32 = serviceAction(
  0x7f,
  0x0011,
  32,
  'WRITE SCATTERED (32)',
  'SBC-4 WRITE SCATTERED (32) command',
  WRITE,
  {
    group: bits(6, 5, 0),
    ...WRITE_FLAGS_32,
    dataOffset: u16(12),
    ranges: u16(16),
    referenceTag: u32(20),
    applicationTag: u16(24),
    applicationTagMask: u16(26),
    bufferBlocks: u32(28),
  },
)

export const UNMAP = command(0x42, 10, 'UNMAP', 'SBC-4 UNMAP command', WRITE, {
  anchor: bit(1, 0),
  group: bits(6, 5, 0),
  parameterLength: u16(7),
})

// ---- cache and medium ----

/** SYNC_NV is obsolete since SBC-3; a target without a non-volatile cache of its own may take it and do the same. */
export const SYNCHRONIZE_CACHE_10 = command(
  0x35,
  10,
  'SYNCHRONIZE CACHE (10)',
  'SBC-4 SYNCHRONIZE CACHE (10) command',
  SYNC,
  { syncNv: bit(1, 2), immed: bit(1, 1), ...AT_10 },
)
export const SYNCHRONIZE_CACHE_16 = command(
  0x91,
  16,
  'SYNCHRONIZE CACHE (16)',
  'SBC-4 SYNCHRONIZE CACHE (16) command',
  SYNC,
  { syncNv: bit(1, 2), immed: bit(1, 1), ...AT_16 },
)

// Under a reservation it runs for all when START is one and POWER CONDITION zero.
export const START_STOP_UNIT = command(
  0x1b,
  6,
  'START STOP UNIT',
  'SBC-4 START STOP UNIT command',
  { data: 'none', touches: 'medium-all', reservation: 'special', readiness: 'unready' },
  {
    immed: bit(1, 0),
    powerConditionModifier: bits(3, 3, 0),
    powerCondition: bits(4, 7, 4),
    noFlush: bit(4, 2),
    loej: bit(4, 1),
    start: bit(4, 0),
  },
)

// Under a reservation it runs for all when PREVENT is zero.
export const PREVENT_ALLOW_MEDIUM_REMOVAL = command(
  0x1e,
  6,
  'PREVENT ALLOW MEDIUM REMOVAL',
  'SBC-4 PREVENT ALLOW MEDIUM REMOVAL command',
  { data: 'none', touches: 'unit', reservation: 'special', order: 'nothing' },
  { prevent: bits(4, 1, 0) },
)

export const FORMAT_UNIT = command(0x04, 6, 'FORMAT UNIT', 'SBC-4 FORMAT UNIT command', SANITIZE_OUT, {
  fmtpinfo: bits(1, 7, 6),
  longlist: bit(1, 5),
  fmtdata: bit(1, 4),
  cmplst: bit(1, 3),
  defectListFormat: bits(1, 2, 0),
  fastFormat: bits(4, 1, 0),
})

const SANITIZE_FLAGS = { immed: bit(1, 7), znr: bit(1, 6), ause: bit(1, 5), parameterLength: u16(7) } as const

export const SANITIZE_OVERWRITE = serviceAction(
  0x48,
  0x01,
  10,
  'SANITIZE OVERWRITE',
  'SBC-4 SANITIZE command, OVERWRITE service action',
  SANITIZE_OUT,
  SANITIZE_FLAGS,
)
export const SANITIZE_BLOCK_ERASE = serviceAction(
  0x48,
  0x02,
  10,
  'SANITIZE BLOCK ERASE',
  'SBC-4 SANITIZE command, BLOCK ERASE service action',
  SANITIZE,
  SANITIZE_FLAGS,
)
export const SANITIZE_CRYPTOGRAPHIC_ERASE = serviceAction(
  0x48,
  0x03,
  10,
  'SANITIZE CRYPTOGRAPHIC ERASE',
  'SBC-4 SANITIZE command, CRYPTOGRAPHIC ERASE service action',
  SANITIZE,
  SANITIZE_FLAGS,
)
export const SANITIZE_EXIT_FAILURE_MODE = serviceAction(
  0x48,
  0x1f,
  10,
  'SANITIZE EXIT FAILURE MODE',
  'SBC-4 SANITIZE command, EXIT FAILURE MODE service action',
  SANITIZE,
  SANITIZE_FLAGS,
)

export const REASSIGN_BLOCKS = command(
  0x07,
  6,
  'REASSIGN BLOCKS',
  'SBC-4 REASSIGN BLOCKS command',
  { ...WHOLE_OUT, writes: true },
  {
    longlba: bit(1, 1),
    longlist: bit(1, 0),
  },
)

// ---- what the medium is like ----

// Beyond SPC-4's list for standby: initiators want to know the size on every path before they know its state.
export const READ_CAPACITY_10 = command(
  0x25,
  10,
  'READ CAPACITY (10)',
  'SBC-4 READ CAPACITY (10) command',
  { ...ASK_CAPACITY, access: 'standby' },
  {},
)
export const READ_CAPACITY_16 = serviceAction(
  0x9e,
  0x10,
  16,
  'READ CAPACITY (16)',
  'SBC-4 READ CAPACITY (16) command',
  { ...ASK_CAPACITY, access: 'standby' },
  { allocation: u32(10) },
)

// No `blocks`: the answer covers as many blocks as fit, so only the LBA is checked.
export const GET_LBA_STATUS_16 = serviceAction(
  0x9e,
  0x12,
  16,
  'GET LBA STATUS (16)',
  'SBC-4 GET LBA STATUS (16) command',
  ASK_MEDIUM,
  { lba: u64(2), allocation: u32(10), reportType: u8(14) },
)
export const GET_LBA_STATUS_32 = serviceAction(
  0x7f,
  0x0012,
  32,
  'GET LBA STATUS (32)',
  'SBC-4 GET LBA STATUS (32) command',
  ASK_MEDIUM,
  { reportType: u8(10), lba: u64(12), scanLength: u32(20), elementId: u32(24), allocation: u32(28) },
)
export const REPORT_REFERRALS = serviceAction(
  0x9e,
  0x13,
  16,
  'REPORT REFERRALS',
  'SBC-4 REPORT REFERRALS command',
  { ...ASK, access: 'standby' },
  { lba: u64(2), allocation: u32(10), oneSegment: bit(14, 0) },
)

export const READ_DEFECT_DATA_10 = command(
  0x37,
  10,
  'READ DEFECT DATA (10)',
  'SBC-4 READ DEFECT DATA (10) command',
  { data: 'in', touches: 'nothing', reservation: 'readers', readiness: 'ready' },
  { plist: bit(2, 4), glist: bit(2, 3), defectListFormat: bits(2, 2, 0), allocation: u16(7) },
)
export const READ_DEFECT_DATA_12 = command(
  0xb7,
  12,
  'READ DEFECT DATA (12)',
  'SBC-4 READ DEFECT DATA (12) command',
  { data: 'in', touches: 'nothing', reservation: 'readers', readiness: 'ready' },
  {
    plist: bit(1, 4),
    glist: bit(1, 3),
    defectListFormat: bits(1, 2, 0),
    addressDescriptor: u32(2),
    allocation: u32(6),
  },
)

const LONG_READ = { data: 'in', touches: 'medium-read', reservation: 'registrants' } as const

export const READ_LONG_10 = command(0x3e, 10, 'READ LONG (10)', 'SBC-4 READ LONG (10) command', LONG_READ, {
  pblock: bit(1, 2),
  correct: bit(1, 1),
  lba: u32(2),
  byteLength: u16(7),
})
export const READ_LONG_16 = serviceAction(
  0x9e,
  0x11,
  16,
  'READ LONG (16)',
  'SBC-4 READ LONG (16) command',
  LONG_READ,
  { lba: u64(2), byteLength: u16(12), pblock: bit(14, 1), correct: bit(14, 0) },
)
export const WRITE_LONG_10 = command(0x3f, 10, 'WRITE LONG (10)', 'SBC-4 WRITE LONG (10) command', WRITE, {
  corDis: bit(1, 7),
  wrUncor: bit(1, 6),
  pblock: bit(1, 5),
  lba: u32(2),
  byteLength: u16(7),
})
export const WRITE_LONG_16 = serviceAction(
  0x9f,
  0x11,
  16,
  'WRITE LONG (16)',
  'SBC-4 WRITE LONG (16) command',
  WRITE,
  { corDis: bit(1, 7), wrUncor: bit(1, 6), pblock: bit(1, 5), lba: u64(2), byteLength: u16(12) },
)

// ---- streams, elements, background work ----

export const STREAM_CONTROL = serviceAction(
  0x9e,
  0x14,
  16,
  'STREAM CONTROL',
  'SBC-4 STREAM CONTROL command',
  { data: 'in', touches: 'unit', reservation: 'registrants' },
  { control: bits(1, 6, 5), streamId: u16(4), allocation: u32(10) },
)
export const GET_STREAM_STATUS = serviceAction(
  0x9e,
  0x16,
  16,
  'GET STREAM STATUS',
  'SBC-4 GET STREAM STATUS command',
  ASK,
  { firstStreamId: u16(4), allocation: u32(10) },
)
export const BACKGROUND_CONTROL = serviceAction(
  0x9e,
  0x15,
  16,
  'BACKGROUND CONTROL',
  'SBC-4 BACKGROUND CONTROL command',
  { data: 'none', touches: 'unit', reservation: 'registrants' },
  { control: bits(2, 7, 6), time: u8(3) },
)
export const GET_PHYSICAL_ELEMENT_STATUS = serviceAction(
  0x9e,
  0x17,
  16,
  'GET PHYSICAL ELEMENT STATUS',
  'SBC-4 GET PHYSICAL ELEMENT STATUS command',
  ASK,
  { firstElement: u32(6), allocation: u32(10), filter: bits(14, 7, 6), reportType: bits(14, 3, 0) },
)
export const REMOVE_ELEMENT_AND_TRUNCATE = serviceAction(
  0x9e,
  0x18,
  16,
  'REMOVE ELEMENT AND TRUNCATE',
  'SBC-4 REMOVE ELEMENT AND TRUNCATE command',
  WHOLE,
  { capacity: u64(2), elementId: u32(10) },
)
export const RESTORE_ELEMENTS_AND_REBUILD = serviceAction(
  0x9e,
  0x19,
  16,
  'RESTORE ELEMENTS AND REBUILD',
  'SBC-4 RESTORE ELEMENTS AND REBUILD command',
  WHOLE,
  {},
)

// ---- copy by token ----

// Their reading and writing is done by inner commands, and those keep the order.

const TOKEN = { listId: u32(6), parameterLength: u32(10), group: bits(14, 5, 0) } as const

export const POPULATE_TOKEN = serviceAction(
  0x83,
  0x10,
  16,
  'POPULATE TOKEN',
  'SBC-4 POPULATE TOKEN command',
  // In the order of `unit`: what a token stands for must not be under way to another content.
  { data: 'out', touches: 'medium-read', reservation: 'readers', order: 'unit' },
  TOKEN,
)
export const WRITE_USING_TOKEN = serviceAction(
  0x83,
  0x11,
  16,
  'WRITE USING TOKEN',
  'SBC-4 WRITE USING TOKEN command',
  { ...WRITE, order: 'sync' },
  TOKEN,
)

/** Every row of this file, for tables and tests. */
export const SBC_COMMANDS: readonly Command[] = [
  READ_6,
  READ_10,
  READ_12,
  READ_16,
  READ_32,
  PRE_FETCH_10,
  PRE_FETCH_16,
  SEEK_6,
  BLOCK_SEEK_10,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  VERIFY_32,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
  COMPARE_AND_WRITE,
  ORWRITE_16,
  ORWRITE_32,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_STREAM_16,
  WRITE_STREAM_32,
  WRITE_SCATTERED_16,
  WRITE_SCATTERED_32,
  UNMAP,
  SYNCHRONIZE_CACHE_10,
  SYNCHRONIZE_CACHE_16,
  START_STOP_UNIT,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  FORMAT_UNIT,
  SANITIZE_OVERWRITE,
  SANITIZE_BLOCK_ERASE,
  SANITIZE_CRYPTOGRAPHIC_ERASE,
  SANITIZE_EXIT_FAILURE_MODE,
  REASSIGN_BLOCKS,
  READ_CAPACITY_10,
  READ_CAPACITY_16,
  GET_LBA_STATUS_16,
  GET_LBA_STATUS_32,
  REPORT_REFERRALS,
  READ_DEFECT_DATA_10,
  READ_DEFECT_DATA_12,
  READ_LONG_10,
  READ_LONG_16,
  WRITE_LONG_10,
  WRITE_LONG_16,
  STREAM_CONTROL,
  GET_STREAM_STATUS,
  BACKGROUND_CONTROL,
  GET_PHYSICAL_ELEMENT_STATUS,
  REMOVE_ELEMENT_AND_TRUNCATE,
  RESTORE_ELEMENTS_AND_REBUILD,
  POPULATE_TOKEN,
  WRITE_USING_TOKEN,
]
