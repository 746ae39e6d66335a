// SPDX-License-Identifier: Apache-2.0
// CRC16-T10DIF, the guard of protection information (SBC-4 CRC polynomials), from several tables at a time.

// The polynomial is 18bb7h without its top bit; the first bit of the data is its highest coefficient.
const POLYNOMIAL = 0x8bb7

// Sixteen tables of 256 in one array: entry 256 * k + v is the effect of byte v with k bytes behind it. Filled when it is
// first needed: most disks have no protection information, and every start would pay for it.
const T = new Uint16Array(16 * 256)

function fillTables(): void {
  for (let value = 0; value < 256; value++) {
    let crc = value << 8
    for (let i = 0; i < 8; i++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0)
    T[value] = crc
  }
  for (let i = 256; i < T.length; i++) T[i] = (T[i - 256]! << 8) ^ T[T[i - 256]! >> 8]!
}

// Words instead of bytes pay for their view from about this length on; their order of bytes is the processor's.
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
const WORTH_WORDS = 256

/**
 * CRC16-T10DIF of `bytes` from `from` up to, not including, `to`. To go on over several arrays, give the result so far
 * as `seed`: the result is that of the arrays in one piece. Throws a RangeError if the range leaves the array.
 */
export function crc16t10dif(bytes: Uint8Array, from = 0, to: number = bytes.length, seed = 0): number {
  // Reading past an array gives undefined, which would silently make a wrong guard.
  if (!(from >= 0 && to <= bytes.length)) {
    throw new RangeError(`CRC16-T10DIF of bytes ${from} to ${to}, but the array has ${bytes.length}`)
  }
  if (T[1] === 0) fillTables()
  let crc = seed
  let at = from
  if (LITTLE_ENDIAN && to - from >= WORTH_WORDS) {
    while ((bytes.byteOffset + at) & 3) crc = ((crc << 8) & 0xffff) ^ T[(crc >> 8) ^ bytes[at++]!]!
    const words = ((to - at) >>> 4) << 2
    crc = overWords(new Int32Array(bytes.buffer, bytes.byteOffset + at, words), crc)
    at += words * 4
  }
  while (at < to) crc = ((crc << 8) & 0xffff) ^ T[(crc >> 8) ^ bytes[at++]!]!
  return crc
}

/** Four words a step; the two bytes of the value so far meet the first two bytes of the first word. */
function overWords(words: Int32Array, seed: number): number {
  let crc = seed
  for (let i = 0; i < words.length; i += 4) {
    const first = words[i]!
    const second = words[i + 1]!
    const third = words[i + 2]!
    const fourth = words[i + 3]!
    // What does not hang on the running value comes first: the processor then works on it ahead.
    const rest =
      T[3328 + ((first >>> 16) & 0xff)]! ^
      T[3072 + (first >>> 24)]! ^
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
    crc = rest ^ T[3840 + ((first & 0xff) ^ (crc >> 8))]! ^ T[3584 + (((first >>> 8) ^ crc) & 0xff)]!
  }
  return crc
}
