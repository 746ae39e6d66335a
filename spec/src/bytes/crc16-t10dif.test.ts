// SPDX-License-Identifier: Apache-2.0
// CRC16-T10DIF against published check values and against the division of polynomials, bit by bit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc16t10dif } from './crc16-t10dif.ts'

function slow(bytes: Uint8Array): number {
  let remainder = 0
  for (const byte of bytes) {
    for (let i = 7; i >= 0; i--) {
      const top = (remainder >> 15) ^ ((byte >> i) & 1)
      remainder = ((remainder << 1) & 0xffff) ^ (top ? 0x8bb7 : 0)
    }
  }
  return remainder
}

test('known values', () => {
  // The check value of the catalogues of CRCs, and SBC-4's examples of 32 bytes.
  assert.equal(crc16t10dif(Buffer.from('123456789')), 0xd0db)
  assert.equal(crc16t10dif(new Uint8Array(32)), 0)
  assert.equal(crc16t10dif(new Uint8Array(32).fill(0xff)), 0xa293)
  assert.equal(crc16t10dif(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x0224)
  assert.equal(crc16t10dif(Uint8Array.from({ length: 32 }, (_, i) => (i < 2 ? 0xff : 0))), 0x21b8)
  assert.equal(crc16t10dif(Uint8Array.from({ length: 32 }, (_, i) => 255 - i)), 0xa0b7)
})

test('any length at any place is the plain division, in one piece or several', () => {
  const cases = fc.tuple(
    fc.uint8Array({ minLength: 0, maxLength: 1200 }),
    fc.nat(7),
    fc.nat(1200),
    fc.nat(0xffff),
  )
  fc.assert(
    fc.property(cases, ([bytes, skew, cut, salt]) => {
      const held = new Uint8Array(bytes.length + skew).fill(salt)
      held.set(bytes, skew)
      const placed = held.subarray(skew)
      const at = Math.min(cut, bytes.length)
      const wanted = slow(bytes)
      assert.equal(crc16t10dif(placed), wanted)
      assert.equal(crc16t10dif(placed, at, bytes.length, crc16t10dif(placed, 0, at)), wanted)
    }),
    { seed: 16, numRuns: 200 },
  )
})

test('every single flipped bit of a block is found', () => {
  const block = Uint8Array.from({ length: 512 }, (_, i) => (i * 7) & 0xff)
  const whole = crc16t10dif(block)
  for (let i = 0; i < 4096; i += 13) {
    block[i >> 3]! ^= 1 << (i & 7)
    assert.notEqual(crc16t10dif(block), whole)
    block[i >> 3]! ^= 1 << (i & 7)
  }
})

test('a range outside the array is refused', () => {
  assert.throws(() => crc16t10dif(new Uint8Array(4), 0, 5), RangeError)
  assert.throws(() => crc16t10dif(new Uint8Array(4), -1, 2), RangeError)
})
