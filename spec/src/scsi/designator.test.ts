// SPDX-License-Identifier: Apache-2.0
// Designation descriptors: golden bytes of each kind, the way back, and hostile lists.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as designator from './designator.ts'

const { Association, DesignatorType, ProtocolId } = designator

function bytesOf(...list: designator.Designator[]): Uint8Array {
  const into = new Uint8Array(list.reduce((sum, one) => sum + designator.designatorLength(one), 0))
  const end = list.reduce((at, one) => designator.writeDesignator(one, into, at), 0)
  assert.equal(end, into.length)
  return into
}
const hex = (...list: designator.Designator[]): string => Buffer.from(bytesOf(...list)).toString('hex')

test('golden descriptors', () => {
  assert.equal(
    hex(designator.t10Designator('LUNKIT', 'ab')),
    `0201000a${Buffer.from('LUNKIT  ab').toString('hex')}`,
  )
  assert.equal(
    hex(designator.naaDesignator(designator.naaLocal(0x123456789abcdefn))),
    '010300083123456789abcdef',
  )
  assert.equal(
    hex(designator.naaDesignator(designator.naaRegistered(0x001405, 0x123456789n))),
    '010300085001405123456789',
  )
  assert.equal(
    hex(designator.naaDesignator(designator.naaRegisteredExtended(0x001405, 0xabcdef012n, 1n))),
    '010300106001405abcdef0120000000000000001',
  )
  assert.equal(
    hex(designator.naaDesignator(designator.naaExtended(0xabc, 0x001405, 0x123456))),
    '010300082abc001405123456',
  )
  assert.equal(
    hex(designator.eui64Designator(Uint8Array.of(0, 0x14, 5, 1, 2, 3, 4, 5))),
    '010200080014050102030405',
  )
  assert.equal(hex(designator.relativePortDesignator(1, ProtocolId.iscsi)), '5194000400000001')
  assert.equal(hex(designator.targetPortGroupDesignator(0x102, ProtocolId.iscsi)), '5195000400000102')
  assert.equal(hex(designator.logicalUnitGroupDesignator(3)), '0106000400000003')
  assert.equal(
    hex(designator.scsiNameDesignator('iqn.a', Association.targetPort, ProtocolId.iscsi)),
    '53980008' + '69716e2e61000000',
  )
  assert.equal(hex(designator.uuidDesignator(new Uint8Array(16).fill(1))), `010a00121000${'01'.repeat(16)}`)
})

test('a name that fills its words still ends with a zero', () => {
  assert.equal(hex(designator.scsiNameDesignator('iqn.2026', 2)).slice(0, 8), '0328000c')
})

test('what is no designator is refused', () => {
  assert.throws(() => designator.naaDesignator(new Uint8Array(8)), /NAA 0/)
  assert.throws(() => designator.naaDesignator(new Uint8Array(0)), RangeError)
  assert.throws(() => designator.naaDesignator(Uint8Array.of(0x60, 0, 0, 0, 0, 0, 0, 0)), RangeError)
  assert.throws(() => designator.eui64Designator(new Uint8Array(9)), RangeError)
  assert.throws(() => designator.scsiNameDesignator('x'.repeat(252), 0), RangeError)
  assert.throws(() => designator.uuidDesignator(new Uint8Array(4)), RangeError)
})

test('a page of descriptors is read back whole', () => {
  const list = [
    designator.t10Designator('LUNKIT', 'serial'),
    designator.naaDesignator(designator.naaLocal(7n)),
    designator.relativePortDesignator(2, ProtocolId.iscsi),
    designator.scsiNameDesignator('iqn.2026-11.net.example:disk', Association.targetDevice, ProtocolId.iscsi),
  ]
  assert.deepEqual(designator.readDesignators(bytesOf(...list)), list)
  assert.deepEqual(list.map(designator.designatorText), [
    't10.LUNKIT  serial',
    'naa.3000000000000007',
    '2',
    'iqn.2026-11.net.example:disk',
  ])
})

test('any designator survives the way there and back', () => {
  const some = fc.record(
    {
      type: fc.nat(15),
      association: fc.integer({ min: 1, max: 2 }),
      codeSet: fc.nat(15),
      protocol: fc.integer({ min: -1, max: 15 }),
      value: fc.uint8Array({ maxLength: 255 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.array(some, { maxLength: 4 }), list => {
      assert.deepEqual(designator.readDesignators(bytesOf(...list)), list)
    }),
  )
})

test('hostile bytes: all whole descriptors, no more, and text without control characters', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(250), (bytes, end) => {
      for (const one of designator.readDesignators(bytes, 0, end)) {
        assert.ok(one.value.byteOffset + one.value.length <= Math.min(end, bytes.length))
        const text = designator.designatorText(one)
        if (one.type === DesignatorType.t10Vendor) assert.match(text, /^[ -~]*$/)
      }
    }),
  )
  assert.deepEqual(designator.readDesignators(Uint8Array.of(1, 3, 0, 8, 0x30)), [])
})
