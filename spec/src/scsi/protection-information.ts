// SPDX-License-Identifier: Apache-2.0
// Protection information: the eight bytes behind a block, its types, and the values that switch checking off.
import { u16, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** The eight bytes behind each logical block (protection interval exponent zero). */
export const PROTECTION_INFORMATION = layout(
  'Protection information',
  'SBC-4 Protection information format',
  8,
  { guard: u16(0), applicationTag: u16(2), referenceTag: u32(4) },
)

/** What the reference tag is: no protection at all, low bits of the LBA, a value of the CDB counted up, or nobody's. */
export const ProtectionType = Object.freeze({ none: 0, type1: 1, type2: 2, type3: 3 } as const)
export type ProtectionType = (typeof ProtectionType)[keyof typeof ProtectionType]

/** An application tag of this value switches checking of its block off (types 1 and 2; type 3 with the next one). */
export const ESCAPE_APPLICATION_TAG = 0xffff
export const ESCAPE_REFERENCE_TAG = 0xffff_ffff

/** SPT of the Extended INQUIRY Data VPD page: types 1, 2 and 3. */
export const SUPPORTS_ALL_PROTECTION_TYPES = 7
