// SPDX-License-Identifier: Apache-2.0
// The commands of SSC-4, tapes: one row each for those that SPC and SBC do not have or have otherwise.
import { big64, bit, bits, u8, u16, u24, u32, u64 } from '../../bytes/field.ts'
import { type Command, command, serviceAction } from '../command.ts'

const ASK = { data: 'in', touches: 'nothing', reservation: 'allowed' } as const
const READ = { data: 'in', touches: 'medium-read', reservation: 'registrants' } as const
const CHECK = { data: 'out', touches: 'medium-read', reservation: 'registrants' } as const
const WRITE = { data: 'out', touches: 'medium-write', reservation: 'registrants' } as const
const MARK = { data: 'none', touches: 'medium-write', reservation: 'registrants' } as const
const TELL = { data: 'none', touches: 'unit', reservation: 'registrants' } as const
const MOVE = { data: 'none', touches: 'medium-all', reservation: 'registrants' } as const
const MOVE_BY_LIST = { data: 'out', touches: 'medium-all', reservation: 'registrants' } as const
const WHOLE = { data: 'none', touches: 'medium-all', reservation: 'registrants' } as const
const WHOLE_OUT = { data: 'out', touches: 'medium-all', reservation: 'registrants' } as const

const OBJECT = { partition: u8(3), objectId: u64(4) } as const
const POSITION = { allocation: u16(7) } as const
const TAPE_VERIFY = {
  vte: bit(1, 5),
  vlbpm: bit(1, 4),
  vbf: bit(1, 3),
  immed: bit(1, 2),
  bytcmp: bit(1, 1),
  fixed: bit(1, 0),
} as const

// ---- reading and writing: lengths count blocks if FIXED is one, else bytes ----

export const TAPE_READ_6 = command(0x08, 6, 'READ (6)', 'SSC-4 READ (6) command', READ, {
  sili: bit(1, 1),
  fixed: bit(1, 0),
  transferLength: u24(2),
})
export const TAPE_READ_16 = command(0x88, 16, 'READ (16)', 'SSC-4 READ (16) command', READ, {
  sili: bit(1, 1),
  fixed: bit(1, 0),
  ...OBJECT,
  transferLength: u24(12),
})
export const READ_REVERSE_6 = command(0x0f, 6, 'READ REVERSE (6)', 'SSC-4 READ REVERSE (6) command', READ, {
  bytord: bit(1, 2),
  sili: bit(1, 1),
  fixed: bit(1, 0),
  transferLength: u24(2),
})
export const READ_REVERSE_16 = command(
  0x81,
  16,
  'READ REVERSE (16)',
  'SSC-4 READ REVERSE (16) command',
  READ,
  { bytord: bit(1, 2), sili: bit(1, 1), fixed: bit(1, 0), ...OBJECT, transferLength: u24(12) },
)
export const RECOVER_BUFFERED_DATA = command(
  0x14,
  6,
  'RECOVER BUFFERED DATA',
  'SSC-4 RECOVER BUFFERED DATA command',
  READ,
  { sili: bit(1, 1), fixed: bit(1, 0), transferLength: u24(2) },
)
export const TAPE_VERIFY_6 = command(0x13, 6, 'VERIFY (6)', 'SSC-4 VERIFY (6) command', CHECK, {
  ...TAPE_VERIFY,
  verificationLength: u24(2),
})
export const TAPE_VERIFY_16 = command(0x8f, 16, 'VERIFY (16)', 'SSC-4 VERIFY (16) command', CHECK, {
  ...TAPE_VERIFY,
  ...OBJECT,
  verificationLength: u24(12),
})
export const TAPE_WRITE_6 = command(0x0a, 6, 'WRITE (6)', 'SSC-4 WRITE (6) command', WRITE, {
  fixed: bit(1, 0),
  transferLength: u24(2),
})
export const TAPE_WRITE_16 = command(0x8a, 16, 'WRITE (16)', 'SSC-4 WRITE (16) command', WRITE, {
  fcs: bit(1, 3),
  lcs: bit(1, 2),
  fixed: bit(1, 0),
  ...OBJECT,
  transferLength: u24(12),
})
export const WRITE_FILEMARKS_6 = command(
  0x10,
  6,
  'WRITE FILEMARKS (6)',
  'SSC-4 WRITE FILEMARKS (6) command',
  MARK,
  { immed: bit(1, 0), count: u24(2) },
)
export const WRITE_FILEMARKS_16 = command(
  0x80,
  16,
  'WRITE FILEMARKS (16)',
  'SSC-4 WRITE FILEMARKS (16) command',
  MARK,
  { fcs: bit(1, 3), lcs: bit(1, 2), immed: bit(1, 0), ...OBJECT, count: u24(12) },
)
export const ALLOW_OVERWRITE = command(0x82, 16, 'ALLOW OVERWRITE', 'SSC-4 ALLOW OVERWRITE command', TELL, {
  allowOverwrite: bits(2, 3, 0),
  ...OBJECT,
})
export const ERASE_6 = command(0x19, 6, 'ERASE (6)', 'SSC-4 ERASE (6) command', WHOLE, {
  immed: bit(1, 1),
  long: bit(1, 0),
})
export const ERASE_16 = command(0x93, 16, 'ERASE (16)', 'SSC-4 ERASE (16) command', WHOLE, {
  fcs: bit(1, 3),
  lcs: bit(1, 2),
  immed: bit(1, 1),
  long: bit(1, 0),
  ...OBJECT,
})

// ---- moving: counts of SPACE are in two's complement ----

export const REWIND = command(0x01, 6, 'REWIND', 'SSC-4 REWIND command', MOVE, { immed: bit(1, 0) })
export const SPACE_6 = command(0x11, 6, 'SPACE (6)', 'SSC-4 SPACE (6) command', MOVE, {
  code: bits(1, 3, 0),
  count: u24(2),
})
export const SPACE_16 = command(0x91, 16, 'SPACE (16)', 'SSC-4 SPACE (16) command', MOVE_BY_LIST, {
  code: bits(1, 3, 0),
  count: big64(4),
  parameterLength: u16(12),
})
export const LOCATE_10 = command(0x2b, 10, 'LOCATE (10)', 'SSC-4 LOCATE (10) command', MOVE, {
  bt: bit(1, 2),
  changePartition: bit(1, 1),
  immed: bit(1, 0),
  objectId: u32(3),
  partition: u8(8),
})
export const LOCATE_16 = command(0x92, 16, 'LOCATE (16)', 'SSC-4 LOCATE (16) command', MOVE, {
  destinationType: bits(1, 4, 3),
  changePartition: bit(1, 1),
  immed: bit(1, 0),
  bam: bit(2, 0),
  partition: u8(3),
  objectId: u64(4),
})
export const LOAD_UNLOAD = command(0x1b, 6, 'LOAD UNLOAD', 'SSC-4 LOAD UNLOAD command', MOVE, {
  immed: bit(1, 0),
  hold: bit(4, 3),
  eot: bit(4, 2),
  reten: bit(4, 1),
  load: bit(4, 0),
})

// ---- what the tape is like ----

export const READ_BLOCK_LIMITS = command(
  0x05,
  6,
  'READ BLOCK LIMITS',
  'SSC-4 READ BLOCK LIMITS command',
  ASK,
  { maxObjectId: bit(1, 0) },
)
export const READ_POSITION_SHORT = serviceAction(
  0x34,
  0x00,
  10,
  'READ POSITION, SHORT FORM',
  'SSC-4 READ POSITION, SHORT FORM command',
  ASK,
  POSITION,
)
export const READ_POSITION_SHORT_VENDOR = serviceAction(
  0x34,
  0x01,
  10,
  'READ POSITION, SHORT FORM, VENDOR-SPECIFIC',
  'SSC-4 READ POSITION, SHORT FORM, VENDOR-SPECIFIC command',
  ASK,
  POSITION,
)
export const READ_POSITION_LONG = serviceAction(
  0x34,
  0x06,
  10,
  'READ POSITION, LONG FORM',
  'SSC-4 READ POSITION, LONG FORM command',
  ASK,
  POSITION,
)
export const READ_POSITION_EXTENDED = serviceAction(
  0x34,
  0x08,
  10,
  'READ POSITION, EXTENDED FORM',
  'SSC-4 READ POSITION, EXTENDED FORM command',
  ASK,
  POSITION,
)
export const REPORT_DENSITY_SUPPORT = command(
  0x44,
  10,
  'REPORT DENSITY SUPPORT',
  'SSC-4 REPORT DENSITY SUPPORT command',
  ASK,
  { mediumType: bit(1, 1), media: bit(1, 0), allocation: u16(7) },
)

// ---- shaping the medium ----

export const FORMAT_MEDIUM = command(0x04, 6, 'FORMAT MEDIUM', 'SSC-4 FORMAT MEDIUM command', WHOLE_OUT, {
  verify: bit(1, 1),
  immed: bit(1, 0),
  format: bits(2, 3, 0),
  parameterLength: u16(3),
})
export const SET_CAPACITY = command(0x0b, 6, 'SET CAPACITY', 'SSC-4 SET CAPACITY command', WHOLE, {
  immed: bit(1, 0),
  proportion: u16(3),
})

/** Every row of this file, for tables and tests. */
export const SSC_COMMANDS: readonly Command[] = [
  TAPE_READ_6,
  TAPE_READ_16,
  READ_REVERSE_6,
  READ_REVERSE_16,
  RECOVER_BUFFERED_DATA,
  TAPE_VERIFY_6,
  TAPE_VERIFY_16,
  TAPE_WRITE_6,
  TAPE_WRITE_16,
  WRITE_FILEMARKS_6,
  WRITE_FILEMARKS_16,
  ALLOW_OVERWRITE,
  ERASE_6,
  ERASE_16,
  REWIND,
  SPACE_6,
  SPACE_16,
  LOCATE_10,
  LOCATE_16,
  LOAD_UNLOAD,
  READ_BLOCK_LIMITS,
  READ_POSITION_SHORT,
  READ_POSITION_SHORT_VENDOR,
  READ_POSITION_LONG,
  READ_POSITION_EXTENDED,
  REPORT_DENSITY_SUPPORT,
  FORMAT_MEDIUM,
  SET_CAPACITY,
]
