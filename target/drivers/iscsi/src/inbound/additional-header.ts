// SPDX-License-Identifier: Apache-2.0
// Additional header segments: extended CDB, bidirectional read length; others are skipped by their length (RFC 7143, 11.2.2).
import { AHS, AhsType, BHS, BHS_LENGTH, BIDIRECTIONAL_READ_AHS } from '@lunkit/spec'
import { LONGEST_CDB } from '@lunkit/target-api'

export const CDB_BYTES = LONGEST_CDB

/** AHSLength counts from byte 3 on; an extended CDB's first byte 3 is reserved. */
const LENGTH_AND_TYPE = 3
/** Bytes of a CDB that the basic header holds. */
export const IN_BASIC_HEADER = 16

/**
 * Length of the CDB with its extension, 16 without one, or -1 if the segments do not fit the header. The extension is
 * written into `cdb` where that is given and long enough.
 */
export function extendedCdb(header: Buffer, at: number, cdb: Buffer | null): number {
  const end = at + BHS_LENGTH + BHS.field.totalAhsLength.get(header, at) * 4
  let length = -1
  for (let from = at + BHS_LENGTH; from < end; ) {
    const bytes = AHS.field.ahsLength.get(header, from)
    const next = from + ((LENGTH_AND_TYPE + bytes + 3) & ~3)
    if (bytes === 0 || next > end) return -1
    if (AHS.field.ahsType.get(header, from) === AhsType.extendedCdb) {
      // A CDB that fits the basic header has no segment.
      if (length >= 0 || bytes === 1) return -1
      length = IN_BASIC_HEADER + bytes - 1
      if (cdb !== null && length <= cdb.length)
        header.copy(cdb, IN_BASIC_HEADER, from + 4, from + LENGTH_AND_TYPE + bytes)
    }
    from = next
  }
  return length < 0 ? IN_BASIC_HEADER : length
}

const { ahsType, expectedReadLength } = BIDIRECTIONAL_READ_AHS.field
/** What AHSLength says in that segment. */
const READ_LENGTH_BYTES = 5

/** Bytes that the initiator of a bidirectional command will take, or -1 if it does not say; the segments fit the header. */
export function bidirectionalReadLength(header: Buffer, at: number): number {
  const end = at + BHS_LENGTH + BHS.field.totalAhsLength.get(header, at) * 4
  for (let from = at + BHS_LENGTH; from < end; ) {
    const bytes = AHS.field.ahsLength.get(header, from)
    if (ahsType.get(header, from) === AhsType.bidirectionalRead && bytes === READ_LENGTH_BYTES) {
      return expectedReadLength.get(header, from)
    }
    from += (LENGTH_AND_TYPE + bytes + 3) & ~3
  }
  return -1
}
