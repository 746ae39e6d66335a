// SPDX-License-Identifier: Apache-2.0
// The disk's pages about itself, byte by byte where nothing varies: 86h, 87h, 8Ah, B1h, B5h and B7h.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  EXTENDED_INQUIRY,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  MODE_SENSE_6,
  REPORT_SUPPORTED_OPERATION_CODES,
  SENSE_LENGTH_MAX,
} from '@lunkit/spec'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { StandInRecords } from '../../../../testing/kit/stand-in-records.ts'
import { openDisk } from './disk.test-kit.ts'

const ask = (bench: Bench, pageCode: number) =>
  bench.run(cdbOf(INQUIRY, { evpd: 1, pageCode, allocation: 0xffff }))

// Requirement: SPC-4, Extended INQUIRY Data VPD page: what the unit supports.
test('86h', async () => {
  const { bench } = await openDisk({}, { size: 1024 * 1024 })
  const { data } = await ask(bench, 0x86)
  assert.equal(data.length, 64)
  const { headOfQueue, ordered, simple, volatile, luiClear, ...rest } = EXTENDED_INQUIRY.read(data)
  assert.deepEqual([headOfQueue, ordered, simple, volatile, luiClear], [1, 1, 1, 1, 1])
  assert.deepEqual([rest.selfTestMinutes, rest.descriptorSenseLength], [1, SENSE_LENGTH_MAX])
  const none = ['groupSupport', 'prioritySupport', 'uask', 'nonVolatile', 'activateMicrocode'] as const
  for (const name of none) assert.equal(rest[name], 0, name)
})

// Requirement: SPC-4, Mode Page Policy VPD page: a descriptor for each mode page.
test('87h names each mode page once: shared by all nexuses, of this unit alone', async () => {
  for (const removable of [false, true]) {
    const { bench } = await openDisk({ removable })
    const { data } = await ask(bench, 0x87)
    const policies: string[] = []
    for (let at = 4; at < data.length; at += 4) policies.push(data.toString('hex', at, at + 4))
    const list = (
      await bench.run(cdbOf(MODE_SENSE_6, { dbd: 1, pageCode: 0x3f, subpage: 0xff, allocation: 255 }))
    ).data
    const pages: string[] = []
    for (let at = 4; at < list.length; ) {
      const sub = (list[at]! & 0x40) !== 0
      pages.push(`${Buffer.of(list[at]! & 0x3f, sub ? list[at + 1]! : 0).toString('hex')}0000`)
      at += sub ? 4 + list.readUInt16BE(at + 2) : 2 + list[at + 1]!
    }
    assert.deepEqual(policies, pages)
  }
})

// Requirement: SPC-4, Power Condition VPD page: the power conditions that the unit has.
test('8Ah: all conditions, each left within a millisecond; a removable disk has none', async () => {
  const { bench } = await openDisk()
  assert.equal((await ask(bench, 0x8a)).data.toString('hex'), '008a000e0307000100010001000100010001')
  const removable = await openDisk({ removable: true })
  assert.equal((await ask(removable.bench, 0x8a)).sense, INVALID_FIELD_IN_CDB)
})

// Requirement: SBC-4, VPD parameters for direct access block devices: pages B1h, B5h and B7h.
test('B1h, B5h and B7h', async () => {
  const { bench } = await openDisk({ rotation: 7200 })
  assert.equal((await ask(bench, 0xb1)).data.toString('hex'), `00b1003c1c20000003${'0'.repeat(110)}`)
  assert.equal((await ask(bench, 0xb5)).data.toString('hex'), '00b5000c0001060a00000000ffffffff')
  assert.equal((await ask(bench, 0xb7)).data.toString('hex'), `00b7003c${'0'.repeat(120)}`)
})

// Requirement: SPC-4, Command timeouts descriptor: recommended times grow with the medium where the command goes over it.
test('timeouts of commands that go over the whole medium', async () => {
  const recommended = async (size: number, requestedOpcode: number): Promise<number> => {
    const { bench } = await openDisk({}, { size })
    const cdb = cdbOf(REPORT_SUPPORTED_OPERATION_CODES, {
      rctd: 1,
      reportingOptions: 1,
      requestedOpcode,
      allocation: 0xffff,
    })
    const { data } = await bench.run(cdb)
    return data.readUInt32BE(data.length - 4)
  }
  assert.equal(await recommended(1024 ** 3, 0x28), await recommended(1024 ** 4, 0x28))
  for (const opcode of [0x1b, 0x1d]) {
    assert.ok((await recommended(1024 ** 4, opcode)) - (await recommended(1024 ** 3, opcode)) > 40_000)
  }
})

// Requirement: SPC-4, REPORT SUPPORTED OPERATION CODES command: usage data name the bits that are taken.
test('SP of MODE SELECT is usable where there are records', async () => {
  for (const records of [null, new StandInRecords()]) {
    const { bench } = await openDisk({}, {}, records)
    for (const requestedOpcode of [0x15, 0x55]) {
      const values = { reportingOptions: 1, requestedOpcode, allocation: 0xffff }
      const { data } = await bench.run(cdbOf(REPORT_SUPPORTED_OPERATION_CODES, values))
      assert.equal(data[5], records === null ? 0x10 : 0x11)
    }
  }
})
