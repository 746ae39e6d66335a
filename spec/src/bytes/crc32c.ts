// SPDX-License-Identifier: Apache-2.0
// CRC32C, the digest of iSCSI headers and data (RFC 7143, 13.1), and its place on the wire.
import { crc32cByFolding, WORTH_FOLDING } from './crc32c-folding.ts'
import { crc32cByTable } from './crc32c-table.ts'

/** Length in bytes of a header or data digest. */
export const DIGEST_LENGTH = 4

/**
 * CRC32C of `bytes` from `from` up to, not including, `to`, as an unsigned number. To go on over several arrays, give
 * the result so far as `seed`: the result is that of the arrays in one piece. Throws a RangeError if the range leaves
 * the array.
 */
export function crc32c(bytes: Uint8Array, from = 0, to: number = bytes.length, seed = 0): number {
  // Reading past an array gives undefined, which would silently make a wrong digest.
  if (!(from >= 0 && to <= bytes.length)) {
    throw new RangeError(`CRC32C of bytes ${from} to ${to}, but the array has ${bytes.length}`)
  }
  if (to - from < WORTH_FOLDING) return crc32cByTable(bytes, from, to, seed)
  return crc32cByFolding(bytes, from, to, seed)
}

/** CRC32C of several arrays as if they were one. */
export function crc32cOf(parts: readonly Uint8Array[]): number {
  let crc = 0
  for (const part of parts) crc = crc32c(part, 0, part.length, crc)
  return crc
}

/**
 * Puts a digest where it travels: least significant byte first. The polynomial's highest coefficient is then bit 7 of
 * the first byte (RFC 7143, 13.1), and the digest of 32 zero bytes is aa 36 91 8a, as in RFC 7143, appendix A.4.
 */
export function writeDigest(into: Uint8Array, at: number, crc: number): void {
  into[at] = crc
  into[at + 1] = crc >>> 8
  into[at + 2] = crc >>> 16
  into[at + 3] = crc >>> 24
}

/** A digest from the wire as the number that `crc32c` gives. */
export function readDigest(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
