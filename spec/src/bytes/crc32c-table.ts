// SPDX-License-Identifier: Apache-2.0
// CRC32C by table, sixteen bytes a step: for short pieces, and where nothing faster works.

// Castagnoli's polynomial 0x11edc6f41, bits reflected, without the top bit.
const POLYNOMIAL = 0x82f6_3b78

// Sixteen tables of 256 in one array: entry 256 * k + v is the effect of byte v with k bytes of the same step after it.
// Filled when it is first needed: most targets never see a digest, and every start would pay for it.
const T = new Int32Array(16 * 256)

function fillTables(): void {
  for (let value = 0; value < 256; value++) {
    let crc = value
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    T[value] = crc
  }
  for (let i = 256; i < T.length; i++) T[i] = (T[i - 256]! >>> 8) ^ T[T[i - 256]! & 0xff]!
}

// Words instead of bytes pay for their view from about this length on, and suit the polynomial's bit order only
// where the processor is little-endian.
export const LITTLE_ENDIAN: boolean = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
const WORTH_WORDS = 256

/** As `crc32c`, of a range that lies within the array. */
export function crc32cByTable(bytes: Uint8Array, from: number, to: number, seed: number): number {
  if (T[1] === 0) fillTables()
  let crc = ~seed
  let at = from
  if (LITTLE_ENDIAN && to - from >= WORTH_WORDS) {
    while ((bytes.byteOffset + at) & 3) crc = (crc >>> 8) ^ T[(crc ^ bytes[at++]!) & 0xff]!
    const words = ((to - at) >>> 4) << 2
    crc = crc32cOfWords(new Int32Array(bytes.buffer, bytes.byteOffset + at, words), crc)
    at += words * 4
  }
  for (const last = to - 16; at <= last; at += 16) {
    const rest =
      T[2816 + bytes[at + 4]!]! ^
      T[2560 + bytes[at + 5]!]! ^
      T[2304 + bytes[at + 6]!]! ^
      T[2048 + bytes[at + 7]!]! ^
      T[1792 + bytes[at + 8]!]! ^
      T[1536 + bytes[at + 9]!]! ^
      T[1280 + bytes[at + 10]!]! ^
      T[1024 + bytes[at + 11]!]! ^
      T[768 + bytes[at + 12]!]! ^
      T[512 + bytes[at + 13]!]! ^
      T[256 + bytes[at + 14]!]! ^
      T[bytes[at + 15]!]!
    crc =
      rest ^
      T[3840 + ((crc ^ bytes[at]!) & 0xff)]! ^
      T[3584 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      T[3328 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      T[3072 + ((crc >>> 24) ^ bytes[at + 3]!)]!
  }
  while (at < to) crc = (crc >>> 8) ^ T[(crc ^ bytes[at++]!) & 0xff]!
  return ~crc >>> 0
}

/** The running value, which is a CRC32C with all bits turned, after these words, four at a time. */
export function crc32cOfWords(words: Int32Array, seed: number): number {
  let crc = seed
  for (let i = 0; i < words.length; i += 4) {
    const second = words[i + 1]!
    const third = words[i + 2]!
    const fourth = words[i + 3]!
    // What does not hang on the running value comes first: the processor then works on it ahead.
    const rest =
      T[2816 + (second & 0xff)]! ^
      T[2560 + ((second >>> 8) & 0xff)]! ^
      T[2304 + ((second >>> 16) & 0xff)]! ^
      T[2048 + (second >>> 24)]! ^
      T[1792 + (third & 0xff)]! ^
      T[1536 + ((third >>> 8) & 0xff)]! ^
      T[1280 + ((third >>> 16) & 0xff)]! ^
      T[1024 + (third >>> 24)]! ^
      T[768 + (fourth & 0xff)]! ^
      T[512 + ((fourth >>> 8) & 0xff)]! ^
      T[256 + ((fourth >>> 16) & 0xff)]! ^
      T[fourth >>> 24]!
    const first = crc ^ words[i]!
    crc =
      rest ^
      T[3840 + (first & 0xff)]! ^
      T[3584 + ((first >>> 8) & 0xff)]! ^
      T[3328 + ((first >>> 16) & 0xff)]! ^
      T[3072 + (first >>> 24)]!
  }
  return crc
}
