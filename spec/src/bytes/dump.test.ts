// SPDX-License-Identifier: Apache-2.0
// The hexadecimal dump: its lines, its limit, and nothing but printable text for any bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hex, hexDump } from './dump.ts'

test('a dump has offset, bytes and text', () => {
  const bytes = new TextEncoder().encode('InitiatorName=\0\u007fx')
  assert.equal(
    hexDump(bytes),
    [
      '00000000  49 6e 69 74 69 61 74 6f  72 4e 61 6d 65 3d 00 7f  |InitiatorName=..|',
      '00000010  78                                                |x|',
    ].join('\n'),
  )
  assert.equal(hexDump(bytes, 14, 16), `0000000e  00 7f${' '.repeat(43)}  |..|`)
  assert.equal(hexDump(new Uint8Array(0)), '')
})

test('a dump stops at its limit and says what it leaves out', () => {
  const lines = hexDump(new Uint8Array(100), 0, 100, 32).split('\n')
  assert.equal(lines.length, 3)
  assert.equal(lines[2], '… 68 more bytes')
})

test('every byte shows once and no control character gets through', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      const dump = hexDump(bytes)
      assert.match(dump, /^[\x20-\x7e\n]*$/)
      const digits = dump.split('\n').map(one => one.slice(10, 59).replaceAll(' ', ''))
      assert.equal(digits.join(''), hex(bytes))
      assert.equal(hex(bytes), Buffer.from(bytes).toString('hex'))
    }),
  )
})
