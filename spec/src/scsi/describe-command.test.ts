// SPDX-License-Identifier: Apache-2.0
// CDBs in words: names, blocks, and that any bytes get one printable line.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { READ_6, READ_32, REPORT_LUNS, WRITE_16 } from '../index.ts'
import { commandWords, describeCommand } from './describe-command.ts'

test('a command is named, with its blocks where it has any', () => {
  const write = WRITE_16.cdb.write({ opcode: WRITE_16.opcode, lba: 2 ** 40, blocks: 8 } as never)
  assert.equal(describeCommand(write), 'WRITE (16) lba=1099511627776 blocks=8')
  assert.deepEqual(commandWords(REPORT_LUNS.cdb.write({ opcode: REPORT_LUNS.opcode } as never)), {
    name: 'REPORT LUNS',
    lba: null,
    blocks: null,
  })
})

test('no blocks in a 6-byte command are 256', () => {
  const read = READ_6.cdb.write({ opcode: READ_6.opcode, lba: 3 } as never)
  assert.equal(describeCommand(read), 'READ (6) lba=3 blocks=256')
})

test('a service action tells commands of one operation code apart', () => {
  assert.equal(describeCommand(Uint8Array.of(0x9e, 0x10, ...new Uint8Array(14))), 'READ CAPACITY (16)')
  assert.match(describeCommand(Uint8Array.of(0x5f, 0x01, ...new Uint8Array(8))), /^PERSISTENT RESERVE OUT/)
})

test('of a CDB that is cut off only the name is told', () => {
  const values = { opcode: 0x7f, serviceAction: 9, additionalLength: 24, lba: 5, blocks: 6 }
  const read = READ_32.cdb.write(values as never)
  assert.equal(describeCommand(read), 'READ (32) lba=5 blocks=6')
  assert.equal(describeCommand(read.subarray(0, 16)), 'READ (32)')
})

test('what no standard has is named by its code, and any bytes give one printable line', () => {
  assert.equal(describeCommand(Uint8Array.of(0xc7, 1, 2, 3, 4, 5)), 'operation code C7h')
  assert.equal(describeCommand(new Uint8Array(0)), 'empty CDB')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), cdb => {
      assert.match(describeCommand(cdb), /^[ -~]+$/)
    }),
    { numRuns: 2000 },
  )
})
