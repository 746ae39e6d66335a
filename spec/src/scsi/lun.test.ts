// SPDX-License-Identifier: Apache-2.0
// LUNs: SAM's addressing methods by vector, and numbers there and back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeLun, encodeLun, LUN_MAX } from './lun.ts'

const encoded = (lun: number): string => {
  const into = new Uint8Array(8).fill(0xff)
  encodeLun(lun, into, 0)
  return Buffer.from(into).toString('hex')
}
const decoded = (hex: string): number => decodeLun(Buffer.from(hex, 'hex'), 0)

test('numbers below 256 are peripheral, below 16384 flat', () => {
  assert.equal(encoded(0), '0000000000000000')
  assert.equal(encoded(255), '00ff000000000000')
  assert.equal(encoded(256), '4100000000000000')
  assert.equal(encoded(16383), '7fff000000000000')
})

test('a number that no LUN holds is refused', () => {
  for (const lun of [-1, 16384, 1.5, Number.NaN]) assert.throws(() => encoded(lun), RangeError)
})

test('every addressing method names the same unit', () => {
  assert.equal(decoded('0005000000000000'), 5)
  assert.equal(decoded('4005000000000000'), 5)
  assert.equal(decoded('8005000000000000'), 5)
  assert.equal(decoded('d200000500000000'), 5)
  assert.equal(decoded('e200000000050000'), 5)
  assert.equal(decoded('e2ffffffffff0000'), 2 ** 40 - 1)
})

test('what names no single unit here is -1', () => {
  const strangers = [
    '0105000000000000', // another bus
    '0005000100000000', // a second level
    '4005000000000001',
    '8105000000000000', // another target behind the unit
    '8025000000000000', // another bus behind the unit
    'c101000000000000', // REPORT LUNS well known unit
    'd300000500000000', // an extended method that is not flat
    'd200000500000100',
    'e200000000050100',
    'ffffffffffffffff', // not specified
    '00', // cut off
    '',
  ]
  for (const hex of strangers) assert.equal(decoded(hex), -1, hex)
})

test('every number survives the way there and back, at any offset', () => {
  fc.assert(
    fc.property(fc.nat(LUN_MAX), fc.nat(20), (lun, at) => {
      const into = new Uint8Array(40).fill(0xff)
      encodeLun(lun, into, at)
      assert.equal(decodeLun(into, at), lun)
      assert.equal(into[at + 8], 0xff)
    }),
  )
})

test('any bytes decode to a number or -1', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), (bytes, at) => {
      const lun = decodeLun(bytes, at)
      assert.ok(lun === -1 || (Number.isSafeInteger(lun) && lun >= 0))
    }),
  )
})
