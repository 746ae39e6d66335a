// SPDX-License-Identifier: Apache-2.0
// Parameter data of REPORT IDENTIFYING INFORMATION: what initiators wrote on the unit.
import { bits, u16 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** INFORMATION TYPE (SPC-4 REPORT IDENTIFYING INFORMATION command). */
export const InformationType = Object.freeze({ unit: 0x00, text: 0x02, supported: 0x7f } as const)

/** Header; the information follows, or the descriptors of what may be set. */
export const IDENTIFYING_INFORMATION = layout(
  'Identifying information',
  'SPC-4 REPORT IDENTIFYING INFORMATION command',
  4,
  { length: u16(2) },
)

/** One kind of information, and the most bytes of it. */
export const INFORMATION_SUPPORTED = layout(
  'Identifying information descriptor',
  'SPC-4 REPORT IDENTIFYING INFORMATION command',
  4,
  { type: bits(0, 7, 1), maxLength: u16(2) },
)
