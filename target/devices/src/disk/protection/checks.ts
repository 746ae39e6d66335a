// SPDX-License-Identifier: Apache-2.0
// The tables of SBC-4 that say what RDPROTECT, WRPROTECT, VRPROTECT and ORPROTECT move, check and compare.
import {
  LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED,
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
  MISCOMPARE_OF_APPLICATION_TAG,
  MISCOMPARE_OF_GUARD,
  MISCOMPARE_OF_REFERENCE_TAG,
  type SenseCode,
} from '@lunkit/spec'

/** Fields of the protection information, as bits. */
export const Field = Object.freeze({ guard: 1, application: 2, reference: 4 } as const)

const NOTHING = 0
const GUARD = Field.guard
const TAGS = Field.application | Field.reference
const ALL = GUARD | TAGS

/** What one value of a protect field means for a unit that is formatted with protection information. */
export interface ProtectRow {
  /** Eight bytes go with each block between initiator and target. */
  readonly moves: boolean
  /** Fields that are checked. */
  readonly checks: number
}

/**
 * By the value of the field, null where it is reserved. One table serves RDPROTECT, VRPROTECT with BYTCHK 00b and
 * ORPROTECT for what the medium has, and WRPROTECT, ORPROTECT and VRPROTECT with other BYTCHK values for what is sent;
 * where the standard leaves a check of what is sent to the device server, it is made.
 */
export const PROTECT: readonly (ProtectRow | null)[] = Object.freeze([
  // What is not sent cannot be checked; what the medium has is, unless DPICZ is one.
  { moves: false, checks: ALL },
  { moves: true, checks: ALL },
  { moves: true, checks: TAGS },
  { moves: true, checks: NOTHING },
  { moves: true, checks: GUARD },
  { moves: true, checks: ALL },
  null,
  null,
])

/**
 * SBC-4 VERIFY (10) command, byte-by-byte comparison with BYTCHK 01b or 11b: fields that are compared, by VRPROTECT. The
 * application tag is only where ATO is one, the reference tag of type 3 only where it is zero.
 */
export const COMPARED: readonly number[] = Object.freeze([
  NOTHING,
  ALL,
  TAGS,
  ALL,
  ALL,
  ALL,
  NOTHING,
  NOTHING,
])

/** SBC-4 table of the check that fails: ABORTED COMMAND. */
export const CHECK_FAILED: Readonly<Record<number, SenseCode>> = Object.freeze({
  [Field.guard]: LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  [Field.application]: LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED,
  [Field.reference]: LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
})

/** The same for comparisons: MISCOMPARE. */
export const COMPARE_FAILED: Readonly<Record<number, SenseCode>> = Object.freeze({
  [Field.guard]: MISCOMPARE_OF_GUARD,
  [Field.application]: MISCOMPARE_OF_APPLICATION_TAG,
  [Field.reference]: MISCOMPARE_OF_REFERENCE_TAG,
})
