// SPDX-License-Identifier: Apache-2.0
// CDBs from rows: every row gives a CDB that is found again, and nothing is written outside its fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Command,
  DeviceType,
  INQUIRY,
  MMC_COMMANDS,
  READ_6,
  READ_10,
  READ_16,
  READ_32,
  READ_CAPACITY_16,
  SBC_COMMANDS,
  SMC_COMMANDS,
  SPC_COMMANDS,
  SSC_COMMANDS,
  WRITE_16,
} from '@lunkit/spec'
import { buildCdb, commandName, findCommand } from './command-builder.ts'

const hex = (cdb: Uint8Array): string => Buffer.from(cdb).toString('hex')

test('CDBs as the standards draw them', () => {
  assert.equal(hex(buildCdb(INQUIRY, { evpd: 1, pageCode: 0x83, allocation: 4096 })), '120183100000')
  assert.equal(hex(buildCdb(READ_6, { lba: 0x1fffff, blocks: 1 })), '081fffff0100')
  assert.equal(hex(buildCdb(READ_10, { lba: 0x01020304, blocks: 0x0506, fua: 1 })), '28080102030400050600')
  assert.equal(
    hex(buildCdb(WRITE_16, { lba: 0x10_0000_0001, blocks: 2 })),
    '8a000000001000000001000000020000',
  )
  assert.equal(hex(buildCdb(READ_CAPACITY_16, { allocation: 32 })), '9e100000000000000000000000200000')
  const long = hex(buildCdb(READ_32, { lba: 0x0102030405, blocks: 2 }))
  assert.equal(long, `7f00000000000018${'00090000'}${'0000000102030405'}${'0000000000000000'}${'00000002'}`)
})

test('a field that the row does not have is refused', () => {
  assert.throws(() => buildCdb(INQUIRY as Command, { lba: 1 }), TypeError)
})

test('every row is found by its own CDB, for a device type that has it', () => {
  const sets: readonly (readonly [number, readonly Command[]])[] = [
    [DeviceType.disk, [...SPC_COMMANDS, ...SBC_COMMANDS]],
    [DeviceType.cdrom, MMC_COMMANDS],
    [DeviceType.tape, SSC_COMMANDS],
    [DeviceType.changer, SMC_COMMANDS],
  ]
  for (const [deviceType, rows] of sets) {
    assert.ok(rows.length > 5)
    for (const row of rows) {
      const found = findCommand(buildCdb(row, {}), deviceType)
      assert.deepEqual(
        [found?.opcode, found?.serviceAction, found?.length],
        [row.opcode, row.serviceAction, row.length],
      )
    }
  }
})

test('a CDB without a row has a name all the same', () => {
  assert.equal(findCommand(Uint8Array.of(0xff, 0, 0, 0, 0, 0), 0), null)
  assert.equal(commandName(Uint8Array.of(0xff, 0, 0, 0, 0, 0), 0), 'Command FFh')
  assert.equal(commandName(buildCdb(READ_10, {}), 0), 'READ (10)')
  assert.equal(commandName(buildCdb(READ_16, {}), DeviceType.enclosure), 'Command 88h')
  assert.equal(findCommand(Uint8Array.of(0x7f, 0), 0), null)
})
