// SPDX-License-Identifier: Apache-2.0
// Parameter data about the medium as a whole: defect lists, FORMAT UNIT, SANITIZE, REASSIGN BLOCKS.
import { bit, bits, u8, u16, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** READ DEFECT DATA (10) parameter data header, followed by address descriptors. */
export const DEFECT_LIST_10 = layout(
  'READ DEFECT DATA (10) data',
  'SBC-4 READ DEFECT DATA (10) parameter data',
  4,
  { plistValid: bit(1, 4), glistValid: bit(1, 3), format: bits(1, 2, 0), length: u16(2) },
)

/** READ DEFECT DATA (12) parameter data header, followed by address descriptors. */
export const DEFECT_LIST_12 = layout(
  'READ DEFECT DATA (12) data',
  'SBC-4 READ DEFECT DATA (12) parameter data',
  8,
  {
    plistValid: bit(1, 4),
    glistValid: bit(1, 3),
    format: bits(1, 2, 0),
    generation: u16(2),
    length: u32(4),
  },
)

const FORMAT_FLAGS = {
  protectionFieldUsage: bits(0, 2, 0),
  fov: bit(1, 7),
  dpry: bit(1, 6),
  dcrt: bit(1, 5),
  stpf: bit(1, 4),
  ip: bit(1, 3),
  immed: bit(1, 1),
} as const

/** Start of a FORMAT UNIT parameter list where LONGLIST is zero. */
export const FORMAT_SHORT_HEADER = layout(
  'FORMAT UNIT short header',
  'SBC-4 FORMAT UNIT command, short parameter list header',
  4,
  { ...FORMAT_FLAGS, defectListLength: u16(2) },
)

/** Start of a FORMAT UNIT parameter list where LONGLIST is one. */
export const FORMAT_LONG_HEADER = layout(
  'FORMAT UNIT long header',
  'SBC-4 FORMAT UNIT command, long parameter list header',
  8,
  { ...FORMAT_FLAGS, intervalExponent: bits(3, 3, 0), defectListLength: u32(4) },
)

/** What follows the header where IP is one; then the pattern. */
export const INITIALIZATION_PATTERN = layout(
  'Initialization pattern descriptor',
  'SBC-4 FORMAT UNIT command, initialization pattern descriptor',
  4,
  { securityInitialize: bit(0, 5), type: u8(1), length: u16(2) },
)

/** Start of SANITIZE OVERWRITE's parameter list; then the pattern. */
export const SANITIZE_OVERWRITE_HEADER = layout(
  'SANITIZE OVERWRITE parameter list',
  'SBC-4 SANITIZE command, OVERWRITE service action',
  4,
  { invert: bit(0, 7), test: bits(0, 6, 5), count: bits(0, 4, 0), patternLength: u16(2) },
)

/** Start of REASSIGN BLOCKS' parameter list where LONGLIST is zero; then the LBAs. */
export const REASSIGN_SHORT_HEADER = layout(
  'REASSIGN BLOCKS short header',
  'SBC-4 REASSIGN BLOCKS command, short parameter list header',
  4,
  { length: u16(2) },
)

/** The same where LONGLIST is one. */
export const REASSIGN_LONG_HEADER = layout(
  'REASSIGN BLOCKS long header',
  'SBC-4 REASSIGN BLOCKS command, long parameter list header',
  4,
  { length: u32(0) },
)
