// SPDX-License-Identifier: Apache-2.0
// Whole sectors: the check bytes are judged by what a drive computes to see errors, not by how they are made.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { completeSector, partsOf, RAW_SECTOR } from './raw-sector.ts'

function sectorOf(bytes: Uint8Array, lba: number): Buffer {
  const sector = Buffer.alloc(RAW_SECTOR, 0xee)
  sector.set(bytes, 16)
  completeSector(sector, lba)
  return sector
}

/** In GF(2^8) over x^8 + x^4 + x^3 + x^2 + 1, bit by bit. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ (product & 0x80 ? 0x11d : 0)
    if (b & (1 << bit)) product ^= a
  }
  return product
}

/** The two syndromes of a code word, both zero if it has no error: its sum, and its sum with rising powers of alpha. */
function syndromes(word: readonly number[]): [number, number] {
  let [sum, weighted] = [0, 0]
  for (const byte of word) {
    sum ^= byte
    weighted = multiply(weighted, 2) ^ byte
  }
  return [sum, weighted]
}

const user = fc.uint8Array({ minLength: 2048, maxLength: 2048 })

// Requirement: MMC-6, READ CD command: sync, header, EDC and ECC of a sector are those that the disc would have.
test('each P and each Q code word of a sector has syndromes of zero, and its EDC is a CRC', () => {
  fc.assert(
    fc.property(user, fc.nat(359_999), (bytes, lba) => {
      const sector = sectorOf(bytes, lba)
      const at = (place: number): number => sector[12 + place]!
      for (let column = 0; column < 86; column++) {
        const word = Array.from({ length: 26 }, (_, row) => at(column + 86 * row))
        assert.deepEqual(syndromes(word), [0, 0], `P ${column}`)
      }
      for (let diagonal = 0; diagonal < 26; diagonal++) {
        for (const half of [0, 1]) {
          const data = Array.from({ length: 43 }, (_, step) =>
            at(2 * ((44 * step + 43 * diagonal) % 1118) + half),
          )
          const check = [2 * (1118 + diagonal) + half, 2 * (1118 + 26 + diagonal) + half].map(at)
          assert.deepEqual(syndromes([...data, ...check]), [0, 0], `Q ${diagonal}.${half}`)
        }
      }
      // The remainder of a whole code word of a CRC is zero.
      let remainder = 0
      for (const byte of sector.subarray(0, 2068)) {
        remainder ^= byte
        for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xd801_8001 : 0)
      }
      assert.equal(remainder, 0)
    }),
    { numRuns: 20 },
  )
})

test('sync, and a header of BCD digits', () => {
  const sector = sectorOf(new Uint8Array(2048), 16 + 59 * 75)
  assert.equal(sector.subarray(0, 16).toString('hex'), '00ffffffffffffffffffff0001011601')
  assert.equal(sectorOf(new Uint8Array(2048), 74).subarray(12, 16).toString('hex'), '00027401')
})

test('parts of a sector in one piece, and those that are not', () => {
  const parts = (flags: number) => {
    const is = (bit: number): boolean => (flags & bit) !== 0
    return partsOf({ sync: is(0x80), header: is(0x20), userData: is(0x10), edcEcc: is(0x08) })
  }
  const lengths = Object.entries({
    [0x00]: 0,
    [0x10]: 2048,
    [0x18]: 2336,
    [0x20]: 4,
    [0x30]: 2052,
    [0x38]: 2340,
    [0x80]: 12,
    [0xa0]: 16,
    [0xb0]: 2064,
    [0xb8]: 2352,
  })
  for (const [flags, length] of lengths) {
    const { from, to } = parts(Number(flags))!
    assert.equal(to - from, length, flags)
  }
  for (const flags of [0x08, 0x28, 0x88, 0x90, 0x98, 0xa8]) assert.equal(parts(flags), null)
})
