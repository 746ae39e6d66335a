// SPDX-License-Identifier: Apache-2.0
// Layouts: masks, reserved bits, dump and the checks at load; and every layout of the dictionary by property.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as spec from '../index.ts'
import { bit, bits, bytes, text, u8, u16, u24, u32, u64 } from './field.ts'
import { type FieldRows, type Layout, layout, strayBit } from './layout.ts'

const SAMPLE = layout('SAMPLE', 'a layout for this test', 8, {
  kind: bits(0, 5, 0),
  last: bit(1, 7),
  length: u16(2, 12),
  name: text(4, 4),
})

test('a layout writes, reads and dumps its fields', () => {
  const made = SAMPLE.write({ kind: 0x2a, last: 1, length: 0x0abc, name: 'ab' })
  assert.equal(Buffer.from(made).toString('hex'), '2a800abc61622020')
  assert.deepEqual(SAMPLE.read(made), { kind: 0x2a, last: 1, length: 0xabc, name: 'ab' })
  assert.equal(SAMPLE.dump(made), 'SAMPLE kind=42 last=1 length=2748 name="ab"')
})

test('a layout works at an offset of a longer buffer', () => {
  const into = new Uint8Array(12)
  assert.equal(SAMPLE.write({ kind: 1, name: 'x' }, into, 3), into)
  assert.equal(Buffer.from(into).toString('hex'), '000000010000007820202000')
  assert.equal(SAMPLE.read(into, 3).name, 'x')
  assert.equal(SAMPLE.reserved(into, 3), null)
})

test('the usage mask has a one for each bit of a field', () => {
  assert.equal(Buffer.from(SAMPLE.usage).toString('hex'), '3f800fffffffffff')
})

test('the first reserved bit is found as a field pointer names it', () => {
  const made = SAMPLE.write({ kind: 1 })
  assert.equal(SAMPLE.reserved(made), null)
  made[2] = 0x50
  assert.deepEqual(SAMPLE.reserved(made), { byte: 2, bit: 6 })
  made[0] = 0x40
  assert.deepEqual(SAMPLE.reserved(made), { byte: 0, bit: 6 })
})

test('bytes that are not there count as zero', () => {
  assert.equal(strayBit(SAMPLE.usage, Uint8Array.of(1), 0), null)
})

test('a wrong table is refused when it is loaded', () => {
  const make = (length: number, rows: FieldRows) => () => layout('WRONG', 'nowhere', length, rows)
  assert.throws(make(4, { a: u8(1), b: bit(1, 3) }), /b overlaps at byte 1 bit 3/)
  assert.throws(make(4, { a: u24(0, 21), b: bits(0, 5, 4) }), /b overlaps at byte 0 bit 4/)
  assert.throws(make(4, { a: u32(1) }), /a ends outside the layout/)
  assert.throws(make(4, { a: bytes(2, 3) }), /a ends outside the layout/)
  assert.throws(() => SAMPLE.write({ nonsense: 1 } as never), /SAMPLE has no field nonsense/)
})

test('a field knows its place for a field pointer', () => {
  const { length, last } = SAMPLE.field
  assert.deepEqual([length.byte, length.bit, length.width], [2, 3, 12])
  assert.deepEqual([last.byte, last.bit, last.width], [1, 7, 1])
})

// ---- every layout that the dictionary has ----

const isLayout = (one: unknown): one is Layout =>
  typeof one === 'object' && one !== null && 'usage' in one && 'field' in one && 'cite' in one

const LAYOUTS: readonly Layout[] = [
  ...(Object.values(spec) as unknown[]).filter(isLayout),
  ...spec.ALL_COMMANDS.map(command => command.cdb as unknown as Layout),
]

test('the dictionary was seen', () => {
  assert.ok(LAYOUTS.length > 250, `only ${LAYOUTS.length} layouts found`)
})

test('every layout says where it stands', () => {
  for (const one of LAYOUTS) assert.match(one.cite, /^(SPC|SBC|MMC|SSC|SMC|SAM|SAT|RFC)/, one.name)
})

test('every layout reads back what it wrote, and no reserved bit is ever set by writing', () => {
  for (const one of LAYOUTS) {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: one.length, maxLength: one.length }), random => {
        tame(one, random)
        const values = one.read(random)
        const made = one.write(values)
        assert.equal(one.reserved(made), null)
        assert.deepEqual(one.read(made), values, one.name)
        for (let i = 0; i < one.length; i++) random[i]! &= one.usage[i]!
        if (!hasText(one)) assert.deepEqual(made, random, one.name)
      }),
      { numRuns: 20 },
    )
  }
})

test('every layout reads from too few bytes without throwing', () => {
  for (const one of LAYOUTS) {
    const whole = new Uint8Array(one.length).fill(0xff)
    for (let length = 0; length < one.length; length++) one.read(whole.subarray(0, length))
  }
})

const isText = (value: unknown): boolean => typeof value === 'string'
const hasText = (one: Layout): boolean => Object.values(one.read(new Uint8Array(one.length))).some(isText)

/** Keeps 64-bit numbers within what a Number holds exactly. */
function tame(one: Layout, random: Uint8Array): void {
  for (const field of Object.values(one.field)) {
    if (field.width !== 64 || typeof field.get(random, 0) !== 'number') continue
    random[field.byte] = 0
    random[field.byte + 1]! &= 0x1f
  }
}

test('an LBA beyond 2^53 is rounded, never wrapped to a small one', () => {
  const { get } = u64(0).build()
  assert.ok(get(new Uint8Array(8).fill(0xff), 0) > 2 ** 63)
})
