// SPDX-License-Identifier: Apache-2.0
// TransportIDs: golden bytes of each protocol, the way back, and hostile ones.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProtocolId } from './designator.ts'
import { readTransportId, type TransportId, writeTransportId } from './transport-id.ts'

const hex = (id: TransportId): string => Buffer.from(writeTransportId(id)).toString('hex')
const text = (value: string): string => Buffer.from(value).toString('hex')

test('golden TransportIDs', () => {
  assert.equal(
    hex({ protocol: ProtocolId.iscsi, name: 'iqn.2026-11.net.example' }),
    `05000018${text('iqn.2026-11.net.example')}00`,
  )
  assert.equal(
    hex({ protocol: ProtocolId.iscsi, name: 'iqn.a' }),
    `05000014${text('iqn.a')}${'00'.repeat(15)}`,
  )
  assert.equal(
    hex({ protocol: ProtocolId.iscsi, name: 'iqn.2026-11.net.a', isid: '00023d000001' }),
    `45000024${text('iqn.2026-11.net.a,i,0x00023d000001')}0000`,
  )
  assert.equal(
    hex({ protocol: ProtocolId.fibreChannel, port: '2100001122334455' }),
    `0000000000000000${'2100001122334455'}0000000000000000`,
  )
  assert.equal(
    hex({ protocol: ProtocolId.sas, port: '5000c50011223344' }),
    `060000005000c50011223344${'00'.repeat(12)}`,
  )
  assert.equal(
    hex({ protocol: ProtocolId.rdma, port: '00112233445566778899aabbccddeeff' }),
    '040000000000000000112233445566778899aabbccddeeff',
  )
})

test('what is no initiator port is refused', () => {
  const { iscsi, sas } = ProtocolId
  assert.throws(() => hex({ protocol: iscsi, name: '' }), RangeError)
  assert.throws(() => hex({ protocol: iscsi, name: 'iqn.a,i,0x1' }), RangeError)
  assert.throws(() => hex({ protocol: iscsi, name: 'x'.repeat(224) }), RangeError)
  assert.throws(() => hex({ protocol: iscsi, name: 'iqn.a\0b' }), RangeError)
  assert.throws(() => hex({ protocol: iscsi, name: 'iqn.a', isid: '00023d' }), RangeError)
  assert.throws(() => hex({ protocol: sas, port: 'not hex digits!!' }), RangeError)
})

const digits = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map(one => one.join(''))
const iscsiName = fc
  .array(fc.constantFrom(...'abcxyz0189.-:ü'), { minLength: 1, maxLength: 223 })
  .map(one => one.join(''))
const PLAIN = { noNullPrototype: true } as const
const someId: fc.Arbitrary<TransportId> = fc.oneof(
  fc.record({ protocol: fc.constant(ProtocolId.iscsi), name: iscsiName }, PLAIN),
  fc.record({ protocol: fc.constant(ProtocolId.iscsi), name: iscsiName, isid: digits(12) }, PLAIN),
  fc.record({ protocol: fc.constantFrom(ProtocolId.fibreChannel, ProtocolId.sas), port: digits(16) }, PLAIN),
  fc.record({ protocol: fc.constant(ProtocolId.rdma), port: digits(32) }, PLAIN),
)

test('any TransportID is read back at its length, with others behind it', () => {
  fc.assert(
    fc.property(someId, fc.nat(9), (id, at) => {
      const made = writeTransportId(id)
      assert.equal(made.length % 4, 0)
      const list = new Uint8Array(at + made.length + 30).fill(0xff)
      list.set(made, at)
      assert.deepEqual(readTransportId(list, at), { id, length: made.length })
      for (let length = 0; length < made.length; length++) {
        assert.equal(readTransportId(made.subarray(0, length)), null)
      }
    }),
  )
})

test('malformed iSCSI TransportIDs are refused', () => {
  const read = (bytes: string) => readTransportId(Buffer.from(bytes, 'hex'))
  assert.equal(read(`05000014${'61'.repeat(20)}`), null, 'no zero at the end')
  assert.equal(read(`05000015${text('iqn.a')}${'00'.repeat(16)}`), null, 'length not of words')
  assert.equal(read(`05000010${text('iqn.a')}${'00'.repeat(15)}`), null, 'too short')
  assert.equal(read(`05000014${'00'.repeat(20)}`), null, 'no name')
  assert.equal(read(`45000014${text('iqn.a')}${'00'.repeat(15)}`), null, 'format 1 without ISID')
  assert.equal(read(`85000014${text('iqn.a')}${'00'.repeat(15)}`), null, 'format 2')
  assert.equal(read(`0300${'00'.repeat(22)}`), null, 'IEEE 1394')
})

test('hostile bytes neither throw nor stall', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 4, 5, 6, 0x45, 0xff), fc.uint8Array({ maxLength: 120 }), (first, rest) => {
      const found = readTransportId(Uint8Array.of(first, ...rest))
      if (found !== null) assert.ok(found.length >= 24 && found.length <= rest.length + 1)
    }),
    { numRuns: 300 },
  )
})
