// SPDX-License-Identifier: Apache-2.0
// Bytes that tell where they come from: each source has an alphabet of its own, so that none can appear unseen elsewhere.
import type { Random } from './random.ts'

/** What the LUNs hold at first. */
export const BLANK = 0xf1
/** High half of every byte that a fuzz peer writes, and of those that a good session writes. */
const FUZZ = 0xa0
const GOOD = 0xc0
/** Longest payload. */
const MOST = 1 << 20

const letters = Buffer.alloc(MOST + 4096)
for (let i = 0, x = 1; i < letters.length; i++) {
  x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0
  letters[i] = FUZZ | (x >>> 28)
}

/** Bytes that a fuzz peer sends as data, up to a MiB. */
export function payload(random: Random, length: number): Buffer {
  const at = random.range(0, 4095)
  return letters.subarray(at, at + length)
}

/** One block of a good session: another for each place and generation. */
export function goodBlock(into: Uint8Array, block: number, generation: number): void {
  let x = (Math.imul(block + 1, 0x9e37_79b1) ^ Math.imul(generation + 1, 0x85eb_ca6b)) >>> 0
  for (let i = 0; i < into.length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
    into[i] = GOOD | (x >>> 28)
  }
}

/** Offset of the first byte that neither was there at first nor was sent by a fuzz peer; -1 if there is none. */
export function firstStranger(bytes: Uint8Array): number {
  return bytes.findIndex(byte => byte !== BLANK && (byte & 0xf0) !== FUZZ)
}

/** This many bytes of stored data in a row are no accident. */
const TRACE = 6

/** Offset of a run of bytes that look like stored data, of whatever source; -1 if there is none. */
export function traceOfStoredData(bytes: Uint8Array): number {
  let run = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    const half = byte & 0xf0
    run = byte === BLANK || half === FUZZ || half === GOOD ? run + 1 : 0
    if (run === TRACE) return i - TRACE + 1
  }
  return -1
}

/** Offset of a run of a good session's bytes; -1 if there is none. */
export function traceOfGoodData(bytes: Uint8Array): number {
  let run = 0
  for (let i = 0; i < bytes.length; i++) {
    run = (bytes[i]! & 0xf0) === GOOD ? run + 1 : 0
    if (run === TRACE) return i - TRACE + 1
  }
  return -1
}
