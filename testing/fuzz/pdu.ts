// SPDX-License-Identifier: Apache-2.0
// PDUs as bytes, right or wrong: lengths and digests follow from the parts unless told otherwise.
import { BHS, BHS_LENGTH, crc32c, DIGEST_LENGTH, writeDigest } from '@lunkit/spec'

export interface Parts {
  readonly data?: Uint8Array
  readonly ahs?: Uint8Array
  readonly headerDigest?: boolean
  readonly dataDigest?: boolean
  /** The digest that is to be wrong. */
  readonly damage?: 'header' | 'data' | null
  /** What DataSegmentLength and TotalAHSLength say, where that is not true. */
  readonly claimData?: number
  readonly claimAhs?: number
}

const NOTHING = new Uint8Array(0)

/** Header (48 bytes, changed in place), additional header, data, padding, digests. */
export function encode(header: Uint8Array, parts: Parts = {}): Buffer {
  const { data = NOTHING, ahs = NOTHING, headerDigest = false, dataDigest = false, damage = null } = parts
  BHS.field.totalAhsLength.set(header, 0, parts.claimAhs ?? ahs.length >> 2)
  BHS.field.dataSegmentLength.set(header, 0, parts.claimData ?? data.length)
  const dataAt = BHS_LENGTH + ahs.length + (headerDigest ? DIGEST_LENGTH : 0)
  const padded = (data.length + 3) & ~3
  const hasDataDigest = dataDigest && data.length > 0
  const pdu = Buffer.alloc(dataAt + padded + (hasDataDigest ? DIGEST_LENGTH : 0))
  pdu.set(header, 0)
  pdu.set(ahs, BHS_LENGTH)
  pdu.set(data, dataAt)
  if (headerDigest) {
    const end = BHS_LENGTH + ahs.length
    writeDigest(pdu, end, crc32c(pdu, 0, end) ^ (damage === 'header' ? 1 : 0))
  }
  if (hasDataDigest) {
    writeDigest(pdu, dataAt + padded, crc32c(pdu, dataAt, dataAt + padded) ^ (damage === 'data' ? 1 : 0))
  }
  return pdu
}

/** Key=value pairs as they travel. */
export function text(pairs: Readonly<Record<string, string>>): Buffer {
  return Buffer.from(
    Object.entries(pairs)
      .map(([key, value]) => `${key}=${value}\0`)
      .join(''),
    'latin1',
  )
}

/** The LUN field of LUN `lun`, below 256. */
export const lunField = (lun: number): Uint8Array => Uint8Array.of(0, lun, 0, 0, 0, 0, 0, 0)
