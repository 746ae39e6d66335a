// SPDX-License-Identifier: Apache-2.0
// Every PDU header against words typed from the figures of RFC 7143, section 11, and the bits they leave reserved.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Layout } from '../bytes/layout.ts'
import * as pdu from './pdu.ts'

const hex = (words: string): Uint8Array => Uint8Array.from(Buffer.from(words.replaceAll(/\s/g, ''), 'hex'))
const show = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (words: string): Uint8Array => hex(words)

interface Vector {
  layout: Layout
  /** The header on the wire, each field with a value of its own. */
  wire: string
  /** One bit for each bit that the figure gives a meaning. */
  mask: string
  values: Record<string, unknown>
}

const LUN = '0001020304050607'
const request = { immediate: 1, totalAhsLength: 2, dataSegmentLength: 0x010203, itt: 0x11223344 }
const answer = { totalAhsLength: 0, dataSegmentLength: 0x040506, itt: 0x11223344 }
const numbers = { statSn: 0xa1a2a3a4, expCmdSn: 0xb1b2b3b4, maxCmdSn: 0xc1c2c3c4 }

const vectors: Vector[] = [
  {
    layout: pdu.SCSI_COMMAND,
    wire: `41a1 5000 02010203 ${LUN} 11223344 00010000 00000007 00000009 28000000 00400000 80000000 00000000`,
    mask: '7fe7 f000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff',
    values: {
      ...request,
      opcode: 0x01,
      final: 1,
      read: 0,
      write: 1,
      attribute: 1,
      priority: 5,
      lun: bytes(LUN),
      expectedDataTransferLength: 0x10000,
      cmdSn: 7,
      expStatSn: 9,
      cdb: bytes('28000000 00400000 80000000 00000000'),
    },
  },
  {
    layout: pdu.SCSI_RESPONSE,
    wire: '2194 0002 00040506 1234 0000 00000000 11223344 d1d2d3d4 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000005 00000006 00000007',
    mask: '3f9e ffff ffffffff ffff 0000 00000000 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x21,
      final: 1,
      bidiOverflow: 1,
      bidiUnderflow: 0,
      overflow: 1,
      underflow: 0,
      response: 0,
      status: 2,
      statusQualifier: 0x1234,
      snackTag: 0xd1d2d3d4,
      expDataSn: 5,
      bidiResidualCount: 6,
      residualCount: 7,
    },
  },
  {
    layout: pdu.TASK_MANAGEMENT_REQUEST,
    wire: `4281 0000 02010203 ${LUN} 11223344 55667788 00000007 00000009 0000000a 0000000b 00000000 00000000`,
    mask: '7fff 0000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 00000000 00000000',
    values: {
      ...request,
      opcode: 0x02,
      final: 1,
      function: 1,
      lun: bytes(LUN),
      referencedTaskTag: 0x55667788,
      cmdSn: 7,
      expStatSn: 9,
      refCmdSn: 10,
      expDataSn: 11,
    },
  },
  {
    layout: pdu.TASK_MANAGEMENT_RESPONSE,
    wire: '2280 ff00 00040506 010203 0000000000 11223344 00000000 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000000 00000000 00000000',
    mask: '3f80 ff00 ffffffff ffffff 0000000000 ffffffff 00000000 ffffffff ffffffff ffffffff 00000000 00000000 00000000',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x22,
      final: 1,
      response: 255,
      additionalResponseInformation: 0x010203,
    },
  },
  {
    layout: pdu.DATA_OUT,
    wire: `4580 0000 02010203 ${LUN} 11223344 55667788 00000000 00000009 00000000 00000003 00002000 00000000`,
    mask: '7f80 0000 ffffffff ffffffffffffffff ffffffff ffffffff 00000000 ffffffff 00000000 ffffffff ffffffff 00000000',
    values: {
      ...request,
      opcode: 0x05,
      final: 1,
      lun: bytes(LUN),
      ttt: 0x55667788,
      expStatSn: 9,
      dataSn: 3,
      bufferOffset: 8192,
    },
  },
  {
    layout: pdu.DATA_IN,
    wire: `25c3 0008 00040506 ${LUN} 11223344 ffffffff a1a2a3a4 b1b2b3b4 c1c2c3c4 00000003 00002000 00000100`,
    mask: '3fc7 00ff ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x25,
      final: 1,
      acknowledge: 1,
      overflow: 0,
      underflow: 1,
      statusPresent: 1,
      status: 8,
      lun: bytes(LUN),
      ttt: pdu.RESERVED_TAG,
      dataSn: 3,
      bufferOffset: 8192,
      residualCount: 256,
    },
  },
  {
    layout: pdu.R2T,
    wire: `3180 0000 00040506 ${LUN} 11223344 55667788 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000001 00004000 00008000`,
    mask: '3f80 0000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x31,
      final: 1,
      lun: bytes(LUN),
      ttt: 0x55667788,
      r2tSn: 1,
      bufferOffset: 16384,
      desiredLength: 32768,
    },
  },
  {
    layout: pdu.ASYNC_MESSAGE,
    wire: `3280 0000 00040506 ${LUN} ffffffff 00000000 a1a2a3a4 b1b2b3b4 c1c2c3c4 0207 0102 0304 0506 00000000`,
    mask: '3f80 0000 ffffffff ffffffffffffffff ffffffff 00000000 ffffffff ffffffff ffffffff ffff ffff ffff ffff 00000000',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x32,
      final: 1,
      lun: bytes(LUN),
      itt: pdu.RESERVED_TAG,
      asyncEvent: 2,
      asyncVCode: 7,
      parameter1: 0x0102,
      parameter2: 0x0304,
      parameter3: 0x0506,
    },
  },
  {
    layout: pdu.TEXT_REQUEST,
    wire: `4480 0000 02010203 ${LUN} 11223344 55667788 00000007 00000009 00000000 00000000 00000000 00000000`,
    mask: '7fc0 0000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff 00000000 00000000 00000000 00000000',
    values: {
      ...request,
      opcode: 0x04,
      final: 1,
      continue: 0,
      lun: bytes(LUN),
      ttt: 0x55667788,
      cmdSn: 7,
      expStatSn: 9,
    },
  },
  {
    layout: pdu.TEXT_RESPONSE,
    wire: `2440 0000 00040506 ${LUN} 11223344 55667788 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000000 00000000 00000000`,
    mask: '3fc0 0000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 00000000 00000000 00000000',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x24,
      final: 0,
      continue: 1,
      lun: bytes(LUN),
      ttt: 0x55667788,
    },
  },
  {
    layout: pdu.LOGIN_REQUEST,
    wire: '4387 0201 02010203 00023d010203 0405 11223344 0607 0000 00000007 00000009 00000000 00000000 00000000 00000000',
    mask: '7fcf ffff ffffffff ffffffffffff ffff ffffffff ffff 0000 ffffffff ffffffff 00000000 00000000 00000000 00000000',
    values: {
      ...request,
      opcode: 0x03,
      transit: 1,
      continue: 0,
      csg: pdu.LoginStage.operational,
      nsg: pdu.LoginStage.fullFeature,
      versionMax: 2,
      versionMin: 1,
      isid: bytes('00023d010203'),
      tsih: 0x0405,
      cid: 0x0607,
      cmdSn: 7,
      expStatSn: 9,
    },
  },
  {
    layout: pdu.LOGIN_RESPONSE,
    wire: '2341 0201 00040506 00023d010203 0405 11223344 00000000 a1a2a3a4 b1b2b3b4 c1c2c3c4 0203 0000 00000000 00000000',
    mask: '3fcf ffff ffffffff ffffffffffff ffff ffffffff 00000000 ffffffff ffffffff ffffffff ffff 0000 00000000 00000000',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x23,
      transit: 0,
      continue: 1,
      csg: pdu.LoginStage.security,
      nsg: pdu.LoginStage.operational,
      versionMax: 2,
      versionActive: 1,
      isid: bytes('00023d010203'),
      tsih: 0x0405,
      statusClass: 2,
      statusDetail: 3,
    },
  },
  {
    layout: pdu.LOGOUT_REQUEST,
    wire: '4682 0000 02010203 00000000 00000000 11223344 0607 0000 00000007 00000009 00000000 00000000 00000000 00000000',
    mask: '7fff 0000 ffffffff 00000000 00000000 ffffffff ffff 0000 ffffffff ffffffff 00000000 00000000 00000000 00000000',
    values: { ...request, opcode: 0x06, final: 1, reason: 2, cid: 0x0607, cmdSn: 7, expStatSn: 9 },
  },
  {
    layout: pdu.LOGOUT_RESPONSE,
    wire: '2680 0300 00040506 00000000 00000000 11223344 00000000 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000000 0002 0014 00000000',
    mask: '3f80 ff00 ffffffff 00000000 00000000 ffffffff 00000000 ffffffff ffffffff ffffffff 00000000 ffff ffff 00000000',
    values: { ...answer, ...numbers, opcode: 0x26, final: 1, response: 3, time2Wait: 2, time2Retain: 20 },
  },
  {
    layout: pdu.SNACK,
    wire: `5083 0000 02010203 ${LUN} 11223344 55667788 00000000 00000009 00000000 00000000 00000004 00000005`,
    mask: '7f8f 0000 ffffffff ffffffffffffffff ffffffff ffffffff 00000000 ffffffff 00000000 00000000 ffffffff ffffffff',
    values: {
      ...request,
      opcode: 0x10,
      final: 1,
      type: 3,
      lun: bytes(LUN),
      ttt: 0x55667788,
      expStatSn: 9,
      begRun: 4,
      runLength: 5,
    },
  },
  {
    layout: pdu.REJECT,
    wire: '3f80 0400 00040506 00000000 00000000 ffffffff 00000000 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000008 00000000 00000000',
    mask: '3f80 ff00 ffffffff 00000000 00000000 ffffffff 00000000 ffffffff ffffffff ffffffff ffffffff 00000000 00000000',
    values: {
      ...answer,
      ...numbers,
      opcode: 0x3f,
      final: 1,
      reason: 4,
      itt: pdu.RESERVED_TAG,
      dataSn: 8,
    },
  },
  {
    layout: pdu.NOP_OUT,
    wire: `4080 0000 02010203 ${LUN} 11223344 55667788 00000007 00000009 00000000 00000000 00000000 00000000`,
    mask: '7f80 0000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff 00000000 00000000 00000000 00000000',
    values: {
      ...request,
      opcode: 0x00,
      final: 1,
      lun: bytes(LUN),
      ttt: 0x55667788,
      cmdSn: 7,
      expStatSn: 9,
    },
  },
  {
    layout: pdu.NOP_IN,
    wire: `2080 0000 00040506 ${LUN} 11223344 55667788 a1a2a3a4 b1b2b3b4 c1c2c3c4 00000000 00000000 00000000`,
    mask: '3f80 0000 ffffffff ffffffffffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 00000000 00000000 00000000',
    values: { ...answer, ...numbers, opcode: 0x20, final: 1, lun: bytes(LUN), ttt: 0x55667788 },
  },
]

for (const { layout, wire, mask, values } of vectors) {
  test(`${layout.name} is as in its figure`, () => {
    const header = hex(wire)
    assert.equal(header.length, 48)
    assert.deepEqual(layout.read(header), values)
    assert.equal(show(layout.write(values)), show(header))
    assert.equal(show(layout.usage), show(hex(mask)))
    assert.equal(layout.reserved(header), null)
    assert.equal(pdu.PDU_BY_OPCODE[header[0]! & 0x3f], layout)
    assert.match(layout.cite, /^RFC 7143, 11\.\d+$/)
  })
}

test('all opcodes have one layout each and no other slot has one', () => {
  const opcodes = Object.values(pdu.Opcode)
  assert.equal(vectors.length, 18)
  assert.deepEqual(vectors.map(({ wire }) => hex(wire)[0]! & 0x3f).toSorted(), opcodes.toSorted())
  assert.equal(pdu.PDU_BY_OPCODE.length, 64)
  for (let i = 0; i < 64; i++) {
    assert.equal(pdu.PDU_BY_OPCODE[i] !== undefined, (opcodes as number[]).includes(i), `opcode ${i}`)
  }
})

test('the general header reads what all PDUs share', () => {
  const header = hex(vectors[0]!.wire)
  assert.deepEqual(pdu.BHS.read(header), { ...request, opcode: 1, final: 1, lun: bytes(LUN) })
})

test('additional header segments are as in their figures', () => {
  assert.deepEqual(pdu.AHS.read(hex('0011 0100')), { ahsLength: 17, ahsType: pdu.AhsType.extendedCdb })
  assert.equal(show(pdu.EXTENDED_CDB_AHS.write({ ahsLength: 32 - 15, ahsType: 1 })), '00110100')
  const read = pdu.BIDIRECTIONAL_READ_AHS.write({ ahsLength: 5, ahsType: 2, expectedReadLength: 0x01020304 })
  assert.equal(show(read), '0005020001020304')
  assert.equal(pdu.AhsType.bidirectionalRead, 2)
})

test('a header is written in place, between bytes that stay', () => {
  const into = new Uint8Array(64).fill(0xee)
  into.fill(0, 8, 56)
  pdu.R2T.write(vectors[6]!.values, into, 8)
  assert.equal(show(into), `${'ee'.repeat(8)}${show(hex(vectors[6]!.wire))}${'ee'.repeat(8)}`)
})

test('any header reads, and writes back as itself but for reserved bits', () => {
  const headers = fc.uint8Array({ minLength: 48, maxLength: 48 })
  fc.assert(
    fc.property(headers, fc.constantFrom(...vectors), (header, { layout }) => {
      const back = layout.write(layout.read(header))
      assert.equal(show(back), show(header.map((byte, i) => byte & layout.usage[i]!)))
      assert.equal(layout.reserved(header) === null, show(back) === show(header))
    }),
  )
})
