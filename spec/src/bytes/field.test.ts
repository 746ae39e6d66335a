// SPDX-License-Identifier: Apache-2.0
// Field kinds: where each puts its bits, that it leaves its neighbours alone, and that it reads what it wrote.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { big64, bit, bits, bytes, type FieldKind, text, u8, u16, u24, u32, u48, u64 } from './field.ts'

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

function written<V>(kind: FieldKind<V>, value: V, length: number, fill = 0): string {
  const into = new Uint8Array(length).fill(fill)
  kind.build().set(into, 0, value)
  return hex(into)
}

test('each kind puts its value where the standard draws it', () => {
  assert.equal(written(bit(1, 7), 1, 2), '0080')
  assert.equal(written(bits(0, 6, 4), 5, 1), '50')
  assert.equal(written(u8(1), 0xab, 2), '00ab')
  assert.equal(written(u16(0), 0x1234, 2), '1234')
  assert.equal(written(u16(0, 12), 0xfff, 2), '0fff')
  assert.equal(written(u24(1), 0x123456, 4), '00123456')
  assert.equal(written(u24(0, 21), 0x1fffff, 3), '1fffff')
  assert.equal(written(u32(0), 0xfedcba98, 4), 'fedcba98')
  assert.equal(written(u32(0, 31), 0x7fffffff, 4), '7fffffff')
  assert.equal(written(u48(0), 0x123456789abc, 6), '123456789abc')
  assert.equal(written(u64(0), Number.MAX_SAFE_INTEGER, 8), '001fffffffffffff')
  assert.equal(written(big64(0), 0xfedc_ba98_7654_3210n, 8), 'fedcba9876543210')
  assert.equal(written(bytes(0, 4), Uint8Array.of(1, 2), 4), '01020000')
  assert.equal(written(text(0, 6), 'AB', 6), '414220202020')
})

test('a writer leaves the bits around its field alone', () => {
  assert.equal(written(bits(0, 6, 4), 0, 1, 0xff), '8f')
  assert.equal(written(u16(0, 12), 0, 2, 0xff), 'f000')
  assert.equal(written(u24(0, 21), 0, 3, 0xff), 'e00000')
  assert.equal(written(u32(0, 31), 0, 4, 0xff), '80000000')
  assert.equal(written(bytes(1, 2), Uint8Array.of(1, 2, 3, 4), 4, 0xff), 'ff0102ff')
})

test('a value too wide for its field loses its high bits and touches nothing else', () => {
  assert.equal(written(bits(0, 6, 4), 0xff, 1), '70')
  assert.equal(written(u16(0, 12), 0xffff, 2), '0fff')
  assert.equal(written(u32(0, 31), 0xffff_ffff, 4), '7fffffff')
})

test('text keeps to printable ASCII and trims its padding', () => {
  assert.equal(written(text(0, 4), 'Aä\n9 too long', 4), hex(Buffer.from('A  9')))
  assert.equal(text(0, 8).build().get(Buffer.from('DISK    '), 0), 'DISK')
  assert.equal(text(0, 8).build().get(Buffer.from('A\x1b[2J\0\0\0'), 0), 'A [2J')
})

test('bytes reads in place', () => {
  const source = Uint8Array.of(1, 2, 3, 4)
  const view = bytes(1, 2).build().get(source, 0)
  source[1] = 9
  assert.deepEqual([...view], [9, 3])
})

test('numbers of every width survive the way through bytes at any offset', () => {
  const kinds: [FieldKind<number>, number][] = [
    [bit(0, 3), 1],
    [bits(0, 6, 2), 31],
    [u8(0), 0xff],
    [u16(0), 0xffff],
    [u16(0, 12), 0xfff],
    [u24(0), 0xff_ffff],
    [u24(0, 21), 0x1f_ffff],
    [u32(0), 0xffff_ffff],
    [u32(0, 31), 0x7fff_ffff],
    [u48(0), 0xffff_ffff_ffff],
    [u64(0), Number.MAX_SAFE_INTEGER],
  ]
  for (const [kind, max] of kinds) {
    const { get, set } = kind.build()
    fc.assert(
      fc.property(fc.integer({ min: 0, max }), fc.nat(9), fc.nat(255), (value, at, fill) => {
        const into = new Uint8Array(20).fill(fill)
        set(into, at, value)
        assert.equal(get(into, at), value)
      }),
    )
  }
})

test('64-bit numbers keep all their bits as BigInt', () => {
  const { get, set } = big64(3).build()
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), value => {
      const into = new Uint8Array(11)
      set(into, 0, value)
      assert.equal(get(into, 0), value)
    }),
  )
})

test('a negative number is written in two’s complement', () => {
  assert.equal(written(u32(0), -2, 4), 'fffffffe')
  assert.equal(written(u64(0), -2, 8), 'fffffffffffffffe')
})
