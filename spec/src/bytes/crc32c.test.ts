// SPDX-License-Identifier: Apache-2.0
// CRC32C against the vectors of RFC 7143, appendix A.4, and against a bit-by-bit calculation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c, crc32cOf, readDigest, writeDigest } from './crc32c.ts'
import { WORTH_FOLDING } from './crc32c-folding.ts'
import { foldingModule } from './crc32c-module.ts'
import { crc32cByTable } from './crc32c-table.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))

function onTheWire(bytes: Uint8Array): string {
  const digest = new Uint8Array(4)
  writeDigest(digest, 0, crc32c(bytes))
  return Buffer.from(digest).toString('hex')
}

// The polynomial division itself: no table, no reflection of the constant taken on trust.
function slow(bytes: Uint8Array): number {
  let remainder = 0xffff_ffff
  for (const byte of bytes) {
    for (let i = 0; i < 8; i++) {
      const top = (remainder >>> 31) ^ ((byte >> i) & 1)
      remainder = (remainder << 1) ^ (top ? 0x1edc_6f41 : 0)
    }
  }
  let reflected = 0
  for (let i = 0; i < 32; i++) reflected |= ((remainder >>> i) & 1) << (31 - i)
  return ~reflected >>> 0
}

// Requirement: RFC 7143, 13.1/3.
test('digests are those of RFC 7143, appendix A.4', () => {
  assert.equal(onTheWire(new Uint8Array(32)), 'aa36918a')
  assert.equal(onTheWire(new Uint8Array(32).fill(0xff)), '43aba862')
  assert.equal(onTheWire(Uint8Array.from({ length: 32 }, (_, i) => i)), '4e79dd46')
  assert.equal(onTheWire(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), '5cdb3f11')
  const read = hex(
    `01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018
    28000000 00000000 02000000 00000000`.replace(/\s+/g, ''),
  )
  assert.equal(onTheWire(read), '563a96d9')
})

test('the check value of nine digits and the empty sum are right', () => {
  assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe306_9283)
  assert.equal(crc32c(new Uint8Array(0)), 0)
})

test('every length and alignment agrees with the division bit by bit', () => {
  const pool = Uint8Array.from({ length: 700 }, (_, i) => (i * 167 + (i >> 3)) & 0xff)
  for (const length of [...Array(70).keys(), 255, 256, 257, 271, 272, 273, 511, 512, 513, 600]) {
    for (let offset = 0; offset < 5; offset++) {
      const part = pool.subarray(offset, offset + length)
      assert.equal(crc32c(part), slow(part), `length ${length}, offset ${offset}`)
      assert.equal(crc32c(pool, offset, offset + length), slow(part))
    }
  }
})

test('parts give the digest of the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 5 }), parts => {
      const whole = Uint8Array.from(Buffer.concat(parts))
      assert.equal(crc32cOf(parts), crc32c(whole))
      assert.equal(crc32c(whole), slow(whole))
    }),
  )
})

test('one changed bit changes the digest', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 600 }), fc.nat(), fc.nat(7), (bytes, at, index) => {
      const before = crc32c(bytes)
      bytes[at % bytes.length]! ^= 1 << index
      assert.notEqual(crc32c(bytes), before)
    }),
  )
})

test('a digest is read back as written', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), crc => {
      const into = new Uint8Array(6)
      writeDigest(into, 1, crc)
      assert.equal(readDigest(into, 1), crc)
      assert.equal(into[0], 0)
      assert.equal(into[5], 0)
    }),
  )
})

test('a range outside the array is refused', () => {
  const bytes = new Uint8Array(8)
  assert.throws(() => crc32c(bytes, 0, 9), RangeError)
  assert.throws(() => crc32c(bytes, -1, 8), RangeError)
  assert.throws(() => crc32c(bytes, Number.NaN, 8), RangeError)
})

const shuffled = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    bytes[i] = state >>> 16
  }
  return bytes
}

test('this runtime folds', () => {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { validate(code: Uint8Array): boolean } }
  assert.ok(WebAssembly.validate(foldingModule()))
})

test('long pieces, which are folded, agree with the table', () => {
  const pool = shuffled(140_000)
  const lengths = [0, 1, 4, 15, 16, 17, 32].flatMap(more =>
    [WORTH_FOLDING, 4096, 32_768, 65_536].map(n => n + more),
  )
  for (const length of [WORTH_FOLDING - 1, ...lengths, 131_072]) {
    for (const from of [0, 3, 52]) {
      const seed = length ^ 0x1234_5678
      const expected = crc32cByTable(pool, from, from + length, seed)
      assert.equal(crc32c(pool, from, from + length, seed), expected, `length ${length} from ${from}`)
    }
  }
  const part = pool.subarray(7, 7 + 4096)
  assert.equal(crc32c(part), slow(part))
})
