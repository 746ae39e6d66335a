// SPDX-License-Identifier: Apache-2.0
// FMTPINFO and PROTECTION FIELD USAGE of FORMAT UNIT: which protection type the medium is to get.
import { ProtectionType } from '@lunkit/spec'

/** Where what is asked for is wrong: in the CDB, or in the parameter list. */
export type FormatChoice = ProtectionType | 'cdb' | 'list'

const LIST = 'list'

/** SBC-4 FORMAT UNIT command, FMTPINFO field and PROTECTION FIELD USAGE field: by the first, then by the second. */
const TYPES: readonly (readonly FormatChoice[])[] = [
  [ProtectionType.none, LIST, LIST, LIST, LIST, LIST, LIST, LIST],
  Array(8).fill('cdb'),
  [ProtectionType.type1, LIST, LIST, LIST, LIST, LIST, LIST, LIST],
  [ProtectionType.type2, ProtectionType.type3, LIST, LIST, LIST, LIST, LIST, LIST],
]

export function formatChoice(hasProtection: boolean, fmtpinfo: number, usage: number): FormatChoice {
  if (!hasProtection && fmtpinfo !== 0) return 'cdb'
  return TYPES[fmtpinfo]![usage]!
}
