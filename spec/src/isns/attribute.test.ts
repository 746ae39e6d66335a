// SPDX-License-Identifier: Apache-2.0
// iSNS attributes and headers as bytes, and bytes that are none.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  encodeIsnsAttributes,
  IsnsTag,
  isnsAddress,
  isnsDelimiter,
  isnsNumber,
  isnsText,
  parseIsnsAttributes,
  readIsnsNumber,
  readIsnsText,
} from './attribute.ts'
import { ISNS_HEADER, IsnsFlag, IsnsFunction } from './pdu.ts'
import { isnsStatusText } from './status.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// Requirement: RFC 4171, Attribute Value 4-Byte Alignment: text ends with a zero byte and fills whole words.
test('text is padded, and its length counts the padding', () => {
  assert.equal(hex(encodeIsnsAttributes([isnsText(IsnsTag.iscsiName, 'abc')])), '000000200000000461626300')
  assert.equal(hex(encodeIsnsAttributes([isnsText(32, 'abcd')])), '00000020000000086162636400000000')
  assert.equal(hex(encodeIsnsAttributes([isnsText(32, '')])), '000000200000000400000000')
})

test('numbers, addresses and the delimiter', () => {
  assert.equal(hex(encodeIsnsAttributes([isnsDelimiter])), '0000000000000000')
  assert.equal(hex(encodeIsnsAttributes([isnsNumber(17, 3260)])), '000000110000000400000cbc')
  assert.equal(hex(isnsAddress(16, Uint8Array.of(192, 0, 2, 1)).value), '00000000000000000000ffffc0000201')
  const six = Uint8Array.from({ length: 16 }, (_, i) => i)
  assert.deepEqual(isnsAddress(16, six).value, six)
})

test('what is written is read back', () => {
  const list = [isnsText(32, 'iqn.2026-11.test:ä'), isnsDelimiter, isnsNumber(6, 0xffff_fffe)]
  const back = parseIsnsAttributes(encodeIsnsAttributes(list))!
  assert.deepEqual(
    back.map(({ tag }) => tag),
    [32, 0, 6],
  )
  assert.equal(readIsnsText(back[0]!), 'iqn.2026-11.test:ä')
  assert.equal(readIsnsNumber(back[2]!), 0xffff_fffe)
  assert.equal(readIsnsNumber(back[1]!), undefined)
  assert.equal(readIsnsText({ tag: 32, value: Uint8Array.of(0xff, 0xfe, 0, 0) }), undefined)
})

test('lengths that do not fit are refused, and nothing beyond the bytes is read', () => {
  const whole = encodeIsnsAttributes([isnsText(32, 'abcdefg'), isnsNumber(6, 1)])
  for (let length = 1; length < whole.length; length++) {
    const parsed = parseIsnsAttributes(whole.subarray(0, length))
    assert.equal(parsed === null, length !== 16, `${length} bytes`)
  }
  for (const length of ['00000003', '00000005', 'ffffffff', 'fffffffc', '00000010'])
    assert.equal(parseIsnsAttributes(Buffer.from(`00000020${length}61626300`, 'hex')), null)
})

test('a header has its fields where RFC 4171 has them', () => {
  const bytes = ISNS_HEADER.write({
    version: 1,
    functionId: IsnsFunction.deviceAttributeRegistration,
    length: 0x1234,
    flags: IsnsFlag.fromClient | IsnsFlag.firstPdu | IsnsFlag.lastPdu,
    transaction: 7,
    sequence: 1,
  })
  assert.equal(hex(bytes), '000100011234' + '8c00' + '0007' + '0001')
})

test('each status has words', () => {
  assert.equal(isnsStatusText(21), 'ESI not available')
  assert.equal(isnsStatusText(99), 'Unknown status 99')
})
