// SPDX-License-Identifier: Apache-2.0
// Forms of values: the ones that the standard allows, and the near misses that it does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  encodeBase64Binary,
  encodeBoolean,
  encodeHexBinary,
  parseBinary,
  parseBoolean,
  parseList,
  parseNumber,
  parseRange,
} from './text-value.ts'

test('booleans are Yes and No', () => {
  assert.equal(parseBoolean('Yes'), true)
  assert.equal(parseBoolean('No'), false)
  for (const text of ['yes', 'NO', '', 'Yes ', '1']) assert.equal(parseBoolean(text), null, text)
  assert.equal(encodeBoolean(true), 'Yes')
  assert.equal(encodeBoolean(false), 'No')
})

// Requirement: RFC 7143, 6.1/10.
test('numbers are decimal or hexadecimal', () => {
  assert.equal(parseNumber('0'), 0)
  assert.equal(parseNumber('262144'), 262_144)
  assert.equal(parseNumber('0x40000'), 262_144)
  assert.equal(parseNumber('0XffFF'), 65_535)
  assert.equal(parseNumber('9007199254740991'), Number.MAX_SAFE_INTEGER)
  for (const text of [
    '',
    '-1',
    '+1',
    '1.0',
    '1e3',
    '007',
    '0x',
    '0xg',
    ' 1',
    '1 ',
    '0b1',
    '1_0',
    '9007199254740992',
  ]) {
    assert.equal(parseNumber(text), null, text)
  }
})

// Requirement: RFC 7143, 6.1/11.
test('a range has two numbers in order', () => {
  assert.deepEqual(parseRange('1~65535'), [1, 65_535])
  assert.deepEqual(parseRange('0x10~0x10'), [16, 16])
  for (const text of ['1', '2~1', '1~', '~1', '1~2~3', 'a~b']) assert.equal(parseRange(text), null, text)
})

test('a list has no empty value', () => {
  assert.deepEqual(parseList('CRC32C,None'), ['CRC32C', 'None'])
  assert.deepEqual(parseList('None'), ['None'])
  for (const text of ['', ',', 'None,', ',None', 'a,,b']) assert.equal(parseList(text), null, text)
})

// Requirement: RFC 7143, 6.1/7 and 6.1/12.
test('binaries are hexadecimal or Base64', () => {
  assert.deepEqual(parseBinary('0x00ffA5', 1024), Uint8Array.of(0, 255, 0xa5))
  assert.deepEqual(parseBinary('0X0a', 1024), Uint8Array.of(10))
  // Four bits for each digit, and as many bytes as they need.
  assert.deepEqual(parseBinary('0xa', 1), Uint8Array.of(10))
  assert.deepEqual(parseBinary('0x123', 2), Uint8Array.of(1, 0x23))
  assert.equal(parseBinary('0x123', 1), null)
  assert.deepEqual(parseBinary('0bZm9v', 1024), Uint8Array.of(0x66, 0x6f, 0x6f))
  assert.deepEqual(parseBinary('0BZm8=', 1024), Uint8Array.of(0x66, 0x6f))
  assert.deepEqual(parseBinary('0bZg==', 1024), Uint8Array.of(0x66))
  const wrong = ['', '0x', '0b', '0xzz', '0b=', '0bZg', '0bZg=', '0bZg===', '0b====', '0bZh==', '0bZm9=']
  for (const text of [...wrong, '0bZg==Zg==', '0b-_-_', '00ff', 'ff', '0x 0', '0bZm9v\n', '255']) {
    assert.equal(parseBinary(text, 1024), null, JSON.stringify(text))
  }
})

test('binaries end at the given length', () => {
  const bytes = new Uint8Array(17).fill(1)
  for (const text of [encodeHexBinary(bytes), encodeBase64Binary(bytes)]) {
    assert.deepEqual(parseBinary(text, 17), bytes)
    assert.equal(parseBinary(text, 16), null)
  }
})

test('binaries are read as written, and written as Node writes them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), bytes => {
      assert.equal(encodeHexBinary(bytes), `0x${Buffer.from(bytes).toString('hex')}`)
      assert.equal(encodeBase64Binary(bytes), `0b${Buffer.from(bytes).toString('base64')}`)
      assert.deepEqual(parseBinary(encodeHexBinary(bytes), 100), bytes)
      assert.deepEqual(parseBinary(encodeBase64Binary(bytes), 100), bytes)
    }),
  )
})

test('a binary is taken in one spelling, but for the first digit that may be left out, or not at all', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^0[xXbB][A-Za-z0-9+/=]{0,12}$/), text => {
      const bytes = parseBinary(text, 1024)
      if (bytes === null) return
      const again = text[1]!.toLowerCase() === 'x' ? encodeHexBinary(bytes) : encodeBase64Binary(bytes)
      const digits = text.slice(2)
      const hexadecimal = text[1]!.toLowerCase() === 'x'
      const even = digits.toLowerCase().padStart(digits.length + (digits.length % 2), '0')
      assert.equal(hexadecimal ? `0x${even}` : `0b${digits}`, again)
    }),
    { numRuns: 1000 },
  )
})
