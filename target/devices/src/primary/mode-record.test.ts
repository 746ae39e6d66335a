// SPDX-License-Identifier: Apache-2.0
// Saved mode pages: what survives a reopen, what a damaged or foreign record does, and that GOOD means durable.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CACHING,
  CONTROL,
  EXCEPTIONS,
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_CDB,
  MODE_PARAMETERS_CHANGED,
  MODE_SELECT_6,
  MODE_SELECT_10,
  MODE_SENSE_6,
  PageControl,
  Status,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { TaskState } from '@lunkit/target-api'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { StandInRecords } from '../../../../testing/kit/stand-in-records.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

async function page(bench: Bench, pageCode: number, pageControl: number = PageControl.current) {
  const cdb = cdbOf(MODE_SENSE_6, { dbd: 1, pageControl, pageCode, allocation: 255 })
  return (await bench.run(cdb)).data.subarray(4)
}

async function listWith(bench: Bench, pageCode: number, change: (page: Buffer) => void): Promise<Buffer> {
  const bytes = Buffer.from(await page(bench, pageCode))
  change(bytes)
  return Buffer.concat([Buffer.alloc(4), bytes])
}

const swp = (value: number) => (bytes: Buffer) => CONTROL.field.swp.set(bytes, 0, value)
const wce = (value: number) => (bytes: Buffer) => CACHING.field.wce.set(bytes, 0, value)
const cdb = (list: Buffer, sp = 1) => cdbOf(MODE_SELECT_6, { pf: 1, sp, parameterLength: list.length })

test('saved pages survive a reopen and a reset; others do not', async () => {
  const records = new StandInRecords()
  const first = await openDisk({}, {}, records)
  const saved = await listWith(first.bench, 0x0a, swp(1))
  assert.equal((await first.bench.run(cdb(saved), { out: saved })).status, Status.good)
  assert.deepEqual(first.bench.nexusUnits[1]!.attentions, [MODE_PARAMETERS_CHANGED])
  const passing = await listWith(first.bench, 8, wce(0))
  await first.bench.run(cdb(passing, 0), { out: passing })
  first.bench.device.reset()
  const second = await openDisk({}, {}, records)
  for (const { bench, disk } of [first, second]) {
    assert.equal(disk.writable, false)
    assert.equal(disk.writeThrough, false)
    for (const control of [PageControl.current, PageControl.saved]) {
      assert.equal(CONTROL.read(await page(bench, 0x0a, control)).swp, 1)
    }
    assert.equal(CONTROL.read(await page(bench, 0x0a, PageControl.defaults)).swp, 0)
    assert.deepEqual(bench.warnings, [])
  }
})

test('SP saves all pages, and with an empty list the current ones', async () => {
  const records = new StandInRecords()
  const { bench } = await openDisk({}, {}, records)
  const list = await listWith(bench, 8, wce(0))
  await bench.run(cdb(list, 0), { out: list })
  assert.equal(CACHING.read(await page(bench, 8, PageControl.saved)).wce, 1)
  assert.equal((await bench.run(cdbOf(MODE_SELECT_10, { pf: 1, sp: 1 }))).status, Status.good)
  assert.equal(CACHING.read(await page(bench, 8, PageControl.saved)).wce, 0)
  assert.match(records.texts.get('modes')!, /^page 08\/00: 08 12 00 /m)
  assert.equal((await openDisk({}, {}, records)).disk.writeThrough, true)
})

test('PS is one where something can be saved, in all page controls, and MODE SELECT takes it', async () => {
  const { bench } = await openDisk({}, {}, new StandInRecords())
  for (const control of [0, 1, 2, 3]) {
    assert.equal((await page(bench, 0x0a, control))[0], 0x8a)
    assert.equal((await page(bench, 0x02, control))[0], 0x02)
  }
  const list = await listWith(bench, 0x0a, () => {})
  assert.equal((await bench.run(cdb(list), { out: list })).status, Status.good)
  const without = await openDisk()
  assert.equal((await page(without.bench, 0x0a))[0], 0x0a)
})

test('GOOD, and the change, come when the record is durable', async () => {
  const records = new StandInRecords()
  const { bench, disk } = await openDisk({}, {}, records)
  const list = await listWith(bench, 0x0a, swp(1))
  const other = await listWith(bench, 8, wce(0))
  records.held = true
  const task = bench.submit(cdb(list), { out: list })
  const behind = bench.submit(cdb(other), { out: other })
  assert.deepEqual([task.state, behind.state, disk.writable], [TaskState.execute, TaskState.execute, true])
  records.release()
  assert.deepEqual([task.state, task.status, disk.writable], [TaskState.respond, Status.good, false])
  while (behind.state !== TaskState.respond) await new Promise(resolve => setImmediate(resolve))
  const reopened = await openDisk({}, {}, records)
  assert.deepEqual([reopened.disk.writable, reopened.disk.writeThrough], [false, true])
})

test('a record that cannot be written: HARDWARE ERROR, and nothing has changed', async () => {
  const records = new StandInRecords()
  const { bench, disk } = await openDisk({}, {}, records)
  records.failure = new Error('no room')
  const list = await listWith(bench, 0x0a, swp(1))
  assert.equal((await bench.run(cdb(list), { out: list })).sense, INTERNAL_TARGET_FAILURE)
  assert.equal(disk.writable, true)
  assert.equal(CONTROL.read(await page(bench, 0x0a, PageControl.saved)).swp, 0)
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
  assert.equal((await bench.run(cdb(list), { out: list })).status, Status.good)
  assert.equal(disk.writable, false)
})

test('TEST of page 1Ch is not saved', async () => {
  const records = new StandInRecords()
  const { bench } = await openDisk({}, {}, records)
  const list = await listWith(bench, 0x1c, bytes => EXCEPTIONS.write({ test: 1, ewasc: 1 }, bytes))
  assert.equal((await bench.run(cdb(list), { out: list })).status, Status.good)
  assert.equal(EXCEPTIONS.read(await page(bench, 0x1c)).test, 1)
  const reopened = await openDisk({}, {}, records)
  const { test: raised, ewasc } = EXCEPTIONS.read(await page(reopened.bench, 0x1c))
  assert.deepEqual([raised, ewasc], [0, 1])
})

test('a damaged record: default values, a warning, and it can be saved anew', async () => {
  const records = new StandInRecords()
  records.damaged.add('modes')
  const { bench } = await openDisk({}, {}, records)
  assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).status, Status.good)
  assert.match(bench.warnings.join(), /serial-0001.*damaged/)
  const list = await listWith(bench, 0x0a, swp(1))
  assert.equal((await bench.run(cdb(list), { out: list })).status, Status.good)
  assert.equal((await openDisk({}, {}, records)).disk.writable, false)
})

test('saved pages that do not fit are ignored and told, the others count', async () => {
  const good = 'page 0a/00: 0a 0a 00 10 08 00 00 00 00 00 00 00'
  const bad = [
    'page 0b/00: 0b 0a 02 10 08 00 00 00 00 00 00 02',
    'page 0a/00: 0a 0b 02 10 08 00 00 00 00 00 00 02 00',
    'page 08/00: 08 12 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00',
    'page 08/00: 88 12 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00',
    'page 0a/00: 0a 0a 00 14 00 00 00 00 00 00 00 00',
    'page 0a/00: 0a 0a 02 10 00 00 00 00 00 00 00 00',
    'something else',
  ]
  for (const line of bad) {
    const records = new StandInRecords()
    records.texts.set('modes', `${good}\n${line}\n`)
    const { bench, disk } = await openDisk({}, {}, records)
    assert.equal(disk.writable, false, line)
    assert.equal(disk.writeThrough, false, line)
    assert.equal(bench.warnings.length, 1, line)
  }
})

test('without records SP is refused', async () => {
  const { bench } = await openDisk()
  const { sense, field } = await bench.run(cdbOf(MODE_SELECT_6, { pf: 1, sp: 1 }))
  assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 1, bit: 0, inCdb: true }])
})
