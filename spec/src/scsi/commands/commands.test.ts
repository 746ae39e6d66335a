// SPDX-License-Identifier: Apache-2.0
// Command rows: golden CDBs typed from the standards, unique codes, lengths by group code, traits that fit the fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Layout } from '../../bytes/layout.ts'
import type { Command } from '../command.ts'
import { ALL_COMMANDS } from './all.ts'
import * as mmc from './mmc.ts'
import * as sbc from './sbc.ts'
import * as smc from './smc.ts'
import * as spc from './spc.ts'
import * as ssc from './ssc.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The CDB of a command, its opcode and service action filled in from the row. */
function cdb(command: Command, values: Record<string, number | bigint>): string {
  const { cdb: row, opcode, serviceAction } = command
  const fixed: Record<string, number> = { opcode }
  if (serviceAction >= 0) fixed['serviceAction'] = serviceAction
  if (opcode === 0x7f) fixed['additionalLength'] = command.length - 8
  return hex((row as unknown as Layout).write({ ...fixed, ...values }))
}

const GOLDEN: readonly [Command, Record<string, number | bigint>, string][] = [
  [spc.TEST_UNIT_READY, {}, '000000000000'],
  [spc.REQUEST_SENSE, { desc: 1, allocation: 252 }, '03010000fc00'],
  [spc.INQUIRY, { evpd: 1, pageCode: 0x83, allocation: 0x1ff }, '12018301ff00'],
  [spc.REPORT_LUNS, { selectReport: 2, allocation: 0x1000 }, 'a00002000000000010000000'],
  [
    spc.MODE_SENSE_6,
    { dbd: 1, pageControl: 1, pageCode: 0x3f, subpage: 0xff, allocation: 255 },
    '1a087fffff00',
  ],
  [
    spc.MODE_SENSE_10,
    { llbaa: 1, dbd: 1, pageControl: 3, pageCode: 8, allocation: 0x200 },
    '5a18c800000000020000',
  ],
  [spc.MODE_SELECT_6, { pf: 1, sp: 1, parameterLength: 24 }, '151100001800'],
  [spc.MODE_SELECT_10, { pf: 1, parameterLength: 0x1234 }, '55100000000000123400'],
  [
    spc.LOG_SENSE,
    { pageControl: 1, pageCode: 0x0d, allocation: 64, parameterPointer: 3 },
    '4d004d00000003004000',
  ],
  [spc.PERSISTENT_RESERVE_IN_READ_FULL_STATUS, { allocation: 0x2000 }, '5e030000000000200000'],
  [spc.PERSISTENT_RESERVE_OUT_PREEMPT, { type: 5, parameterLength: 24 }, '5f040500000000001800'],
  [spc.RESERVE_6, {}, '160000000000'],
  [
    spc.REPORT_SUPPORTED_OPERATION_CODES,
    { rctd: 1, reportingOptions: 2, requestedOpcode: 0x9e, requestedServiceAction: 0x10, allocation: 0x400 },
    'a30c829e0010000004000000',
  ],
  [spc.REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS, { repd: 1, allocation: 16 }, 'a30d80000000000000100000'],
  [spc.REPORT_TARGET_PORT_GROUPS, { dataFormat: 1, allocation: 0x80 }, 'a32a00000000000000800000'],
  [spc.RECEIVE_COPY_OPERATING_PARAMETERS, { allocation: 0x400 }, '84030000000000000000000004000000'],
  [spc.EXTENDED_COPY_LID1, { parameterLength: 0x54 }, '83000000000000000000000000540000'],
  [spc.SEND_DIAGNOSTIC, { selfTestCode: 1, pf: 1, selfTest: 1, parameterLength: 2 }, '1d3400000200'],
  [
    spc.WRITE_BUFFER,
    { mode: 2, bufferId: 1, offset: 0x010203, parameterLength: 0x200 },
    '3b020101020300020000',
  ],
  [
    spc.SECURITY_PROTOCOL_IN,
    { protocol: 0xef, protocolSpecific: 1, inc512: 1, allocation: 1 },
    'a2ef00018000000000010000',
  ],
  [sbc.READ_6, { lba: 0x1fffff, blocks: 0x10 }, '081fffff1000'],
  [
    sbc.READ_10,
    { protect: 1, dpo: 1, fua: 1, lba: 0x12345678, group: 5, blocks: 0x0102 },
    '28381234567805010200',
  ],
  [sbc.READ_12, { lba: 0x12345678, blocks: 0x01020304, group: 0x3f }, 'a80012345678010203043f00'],
  [
    sbc.READ_16,
    { fua: 1, lba: 0x01_0203_0405_0607, blocks: 0x100, naca: 1 },
    '88080001020304050607000001000004',
  ],
  [
    sbc.READ_32,
    {
      protect: 1,
      group: 2,
      lba: 0x1122334455,
      referenceTag: 0xaabbccdd,
      applicationTag: 0x1234,
      applicationTagMask: 0xffff,
      blocks: 8,
    },
    '7f00000000000218000920000000001122334455aabbccdd1234ffff00000008',
  ],
  [sbc.WRITE_6, { lba: 0x10203, blocks: 0 }, '0a0102030000'],
  [sbc.WRITE_10, { protect: 7, lba: 1, blocks: 0xffff }, '2ae00000000100ffff00'],
  [sbc.WRITE_16, { dpo: 1, lba: 2 ** 40, blocks: 0xffff_ffff }, '8a100000010000000000ffffffff0000'],
  [sbc.VERIFY_10, { protect: 2, bytchk: 1, lba: 16, blocks: 4 }, '2f420000001000000400'],
  [sbc.VERIFY_16, { bytchk: 3, lba: 16, blocks: 1 }, '8f060000000000000010000000010000'],
  [sbc.WRITE_AND_VERIFY_12, { bytchk: 1, lba: 1, blocks: 2 }, 'ae0200000001000000020000'],
  [sbc.WRITE_SAME_10, { anchor: 1, unmap: 1, lba: 7, blocks: 8 }, '41180000000700000800'],
  [sbc.WRITE_SAME_16, { unmap: 1, ndob: 1, lba: 7, blocks: 8 }, '93090000000000000007000000080000'],
  [sbc.COMPARE_AND_WRITE, { fua: 1, lba: 9, blocks: 1 }, '89080000000000000009000000010000'],
  [sbc.WRITE_ATOMIC_16, { lba: 9, boundary: 8, blocks: 16 }, '9c000000000000000009000800100000'],
  [sbc.UNMAP, { anchor: 1, group: 1, parameterLength: 24 }, '42010000000001001800'],
  [sbc.ORWRITE_16, { lba: 3, blocks: 1 }, '8b000000000000000003000000010000'],
  [sbc.SYNCHRONIZE_CACHE_10, { immed: 1, lba: 2, blocks: 3 }, '35020000000200000300'],
  [sbc.SYNCHRONIZE_CACHE_16, { lba: 2, blocks: 3 }, '91000000000000000002000000030000'],
  [sbc.PRE_FETCH_10, { immed: 1, lba: 1, blocks: 1 }, '34020000000100000100'],
  [
    sbc.START_STOP_UNIT,
    { immed: 1, powerConditionModifier: 1, powerCondition: 2, noFlush: 1, loej: 1, start: 1 },
    '1b0100012700',
  ],
  [sbc.PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: 1 }, '1e0000000100'],
  [sbc.READ_CAPACITY_10, {}, '25000000000000000000'],
  [sbc.READ_CAPACITY_16, { allocation: 32 }, '9e100000000000000000000000200000'],
  [sbc.GET_LBA_STATUS_16, { lba: 256, allocation: 24, reportType: 1 }, '9e120000000000000100000000180100'],
  [sbc.SANITIZE_BLOCK_ERASE, { immed: 1, ause: 1 }, '48a20000000000000000'],
  [sbc.FORMAT_UNIT, { fmtpinfo: 2, fmtdata: 1, cmplst: 1 }, '049800000000'],
  [
    sbc.READ_DEFECT_DATA_10,
    { plist: 1, glist: 1, defectListFormat: 5, allocation: 8 },
    '37001d00000000000800',
  ],
  [sbc.POPULATE_TOKEN, { listId: 0x01020304, parameterLength: 0x20 }, '83100000000001020304000000200000'],
  [mmc.READ_TOC_PMA_ATIP, { time: 1, track: 0xaa, allocation: 12, oldFormat: 1 }, '430200000000aa000c40'],
  [
    mmc.GET_CONFIGURATION,
    { requestedType: 2, startingFeature: 0x1d, allocation: 16 },
    '4602001d000000001000',
  ],
  [mmc.GET_EVENT_STATUS_NOTIFICATION, { polled: 1, classes: 0x10, allocation: 8 }, '4a010000100000000800'],
  [mmc.READ_CD, { lba: 16, blocks: 1, userData: 1 }, 'be0000000010000001100000'],
  [ssc.TAPE_READ_6, { sili: 1, transferLength: 0x10000 }, '080201000000'],
  [ssc.SPACE_6, { code: 1, count: 0xffffff }, '1101ffffff00'],
  [ssc.SPACE_16, { code: 0, count: 0xffff_ffff_ffff_fffen }, '91000000fffffffffffffffe00000000'],
  [
    ssc.LOCATE_16,
    { destinationType: 1, changePartition: 1, partition: 1, objectId: 5 },
    '920a0001000000000000000500000000',
  ],
  [ssc.READ_POSITION_LONG, {}, '34060000000000000000'],
  [smc.MOVE_MEDIUM, { transport: 0, source: 0x400, destination: 0x100 }, 'a50000000400010000000000'],
  [
    smc.READ_ELEMENT_STATUS,
    { volumeTag: 1, startingElement: 1, elements: 0xffff, deviceIds: 1, allocation: 0x10000 },
    'b8100001ffff010100000000',
  ],
]

test('golden CDBs', () => {
  for (const [command, values, expected] of GOLDEN) assert.equal(cdb(command, values), expected, command.name)
})

test('no two commands of a device type share operation code and service action', () => {
  // An optical drive has SPC's commands too, but REPORT KEY and SEND KEY instead of the maintenance commands.
  const types: readonly (readonly Command[])[] = [
    [...spc.SPC_COMMANDS, ...sbc.SBC_COMMANDS],
    mmc.MMC_COMMANDS,
    [...spc.SPC_COMMANDS, ...ssc.SSC_COMMANDS],
    [...spc.SPC_COMMANDS, ...smc.SMC_COMMANDS.filter(one => one.opcode !== 0xb5)],
  ]
  for (const rows of types) {
    const seen = new Map<string, string>()
    const plain = new Map<number, boolean>()
    for (const { opcode, serviceAction, name } of rows) {
      const key = `${opcode}/${serviceAction}`
      assert.equal(seen.get(key), undefined, `${name} and ${seen.get(key)}`)
      seen.set(key, name)
      assert.equal(
        plain.get(opcode) ?? serviceAction < 0,
        serviceAction < 0,
        `${name}: with and without action`,
      )
      plain.set(opcode, serviceAction < 0)
    }
  }
})

test('every exported row is in its list, and every list in the merged one', () => {
  const isRow = (one: unknown): one is Command => typeof one === 'object' && one !== null && 'cdb' in one
  const exported = [spc, sbc, mmc, ssc, smc].flatMap(file => Object.values(file).filter(isRow))
  assert.ok(exported.length > 180)
  assert.deepEqual(new Set(ALL_COMMANDS), new Set(exported))
  assert.equal(ALL_COMMANDS.length, exported.length)
})

test('the length of a CDB follows from its group code', () => {
  const BY_GROUP: Readonly<Record<number, number>> = { 0: 6, 1: 10, 2: 10, 4: 16, 5: 12 }
  for (const { opcode, length, name } of ALL_COMMANDS) {
    assert.equal(length, opcode === 0x7f ? 32 : BY_GROUP[opcode >> 5], name)
  }
})

test('NACA stands in bit 2 of CONTROL', () => {
  for (const { cdb: row, opcode, length, name } of ALL_COMMANDS) {
    assert.deepEqual([row.field.naca.byte, row.field.naca.bit], [opcode === 0x7f ? 1 : length - 1, 2], name)
  }
})

test('traits fit the fields', () => {
  for (const { cdb: row, data, touches, unitAttention, name } of ALL_COMMANDS) {
    const fields = Object.keys(row.field)
    if (fields.includes('allocation')) assert.equal(data, 'in', name)
    if (touches === 'medium-write' || touches === 'medium-all') assert.notEqual(data, 'in', name)
    if (fields.includes('allocation')) assert.ok(!fields.includes('parameterLength'), name)
    if (fields.includes('blocks')) assert.match(touches, /^medium-(read|write|sync)$/, name)
    if (fields.includes('blocks')) assert.ok(fields.includes('lba'), name)
    if (unitAttention !== 'reports') assert.equal(data, 'in', name)
  }
})

test('only what SPC and MMC say gets past a unit attention', () => {
  const rows = ALL_COMMANDS.filter(one => one.unitAttention !== 'reports')
  const names = rows.map(one => `${one.name}: ${one.unitAttention}`)
  assert.deepEqual(names.sort(), [
    'GET CONFIGURATION: passes',
    'GET EVENT STATUS NOTIFICATION: passes',
    'INQUIRY: passes',
    'REPORT LUNS: passes',
    'REQUEST SENSE: takes',
  ])
})

test('readiness: what runs always, what after a failed sanitize, and what differs from the rule', () => {
  const named = (readiness: string) =>
    ALL_COMMANDS.filter(one => one.readiness === readiness).map(one => one.name)
  assert.deepEqual(named('always').sort(), ['INQUIRY', 'REPORT LUNS', 'REQUEST SENSE'])
  assert.deepEqual(named('recovers'), [
    'FORMAT UNIT',
    'SANITIZE OVERWRITE',
    'SANITIZE BLOCK ERASE',
    'SANITIZE CRYPTOGRAPHIC ERASE',
    'SANITIZE EXIT FAILURE MODE',
  ])
  const rule = ({ touches }: Command) => (touches.startsWith('medium') ? 'ready' : 'unready')
  const differs = ALL_COMMANDS.filter(
    one => ['ready', 'unready'].includes(one.readiness) && one.readiness !== rule(one),
  )
  assert.deepEqual(differs.map(one => `${one.name}: ${one.readiness}`).sort(), [
    'READ CAPACITY (10): ready',
    'READ CAPACITY (16): ready',
    'READ DEFECT DATA (10): ready',
    'READ DEFECT DATA (12): ready',
    'READ DISC INFORMATION: ready',
    'READ DISC STRUCTURE: ready',
    'READ SUB-CHANNEL: ready',
    'READ TOC/PMA/ATIP: ready',
    'READ TRACK INFORMATION: ready',
    'START STOP UNIT: unready',
    'START STOP UNIT: unready',
    'TEST UNIT READY: ready',
  ])
})

test('obsolete bits that peers still send are not part of a row', () => {
  const stray = (command: Command, cdbHex: string) => command.cdb.reserved(Buffer.from(cdbHex, 'hex'))
  assert.deepEqual(stray(sbc.READ_10, '28010000000000000100'), { byte: 1, bit: 0 }, 'RELADR')
  assert.deepEqual(stray(sbc.READ_16, '88020000000000000000000000010000'), { byte: 1, bit: 1 }, 'FUA_NV')
  assert.deepEqual(stray(sbc.WRITE_12, 'aa0200000000000000010000'), { byte: 1, bit: 1 }, 'FUA_NV')
  assert.equal(stray(sbc.SYNCHRONIZE_CACHE_10, '35040000000000000000'), null, 'SYNC_NV is taken')
  assert.deepEqual(stray(sbc.READ_CAPACITY_10, '25000000000000000100'), { byte: 8, bit: 0 }, 'PMI')
  assert.deepEqual(stray(spc.INQUIRY, '12020000ff00'), { byte: 1, bit: 1 }, 'CMDDT')
  assert.deepEqual(stray(sbc.READ_6, '082000000100'), { byte: 1, bit: 5 }, 'LUN of SCSI-2')
  assert.equal(stray(sbc.READ_6, '081fffff0000'), null)
})

test('golden usage masks, with all ones where opcode and service action stand', () => {
  const usage = (command: Command) => hex(command.cdb.usage)
  assert.equal(usage(spc.TEST_UNIT_READY), 'ff0000000004')
  assert.equal(usage(spc.INQUIRY), 'ff01ffffff04')
  assert.equal(usage(sbc.WRITE_10), 'fff8ffffffff3fffff04')
  assert.equal(usage(sbc.READ_CAPACITY_16), 'ff1f0000000000000000ffffffff0004')
  assert.equal(usage(spc.REPORT_SUPPORTED_OPERATION_CODES), 'ff1f87ffffffffffffff0004')
})

test('the commands of standby and unavailable are those of SPC-4, and READ CAPACITY and REPORT REFERRALS', () => {
  const runIn = (...rules: readonly string[]): string[] =>
    ALL_COMMANDS.filter(({ access }) => rules.includes(access)).map(({ name }) => name)
  assert.deepEqual(runIn('always'), ['REQUEST SENSE', 'INQUIRY', 'REPORT LUNS', 'REPORT TARGET PORT GROUPS'])
  assert.deepEqual(runIn('unavailable'), [
    'SET TARGET PORT GROUPS',
    'READ BUFFER (10)',
    'READ BUFFER (16)',
    'WRITE BUFFER',
  ])
  assert.ok(runIn('standby').includes('PERSISTENT RESERVE OUT, PREEMPT'))
  assert.ok(runIn('standby').includes('MODE SELECT (10)'))
  for (const one of ['TEST UNIT READY', 'READ (10)', 'SYNCHRONIZE CACHE (10)', 'SET TIMESTAMP']) {
    assert.ok(runIn('active').includes(one), one)
  }
})
