// SPDX-License-Identifier: Apache-2.0
// MODE SENSE in all page controls, MODE SELECT with good and bad lists, and what the settings do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CACHING,
  CONTROL,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  MODE_PARAMETERS_CHANGED,
  MODE_SELECT_6,
  MODE_SELECT_10,
  MODE_SENSE_6,
  MODE_SENSE_10,
  ModeCode,
  PARAMETER_LIST_LENGTH_ERROR,
  READ_10,
  SAVING_PARAMETERS_NOT_SUPPORTED,
  Status,
  WRITE_10,
  WRITE_ERROR,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

/** Page codes and subpages of a list, in order. */
function pagesOf(list: Buffer, head: number): string[] {
  const found: string[] = []
  for (let at = head; at < list.length; ) {
    const sub = (list[at]! & 0x40) !== 0
    found.push(`${(list[at]! & 0x3f).toString(16)}/${sub ? list[at + 1] : 0}`)
    at += sub ? 4 + list.readUInt16BE(at + 2) : 2 + list[at + 1]!
    assert.ok(at <= list.length, 'a page leaves the list')
  }
  return found
}

const sense6 = async (bench: Bench, values: Record<string, number>) =>
  (await bench.run(cdbOf(MODE_SENSE_6, { allocation: 255, ...values }))).data
const sense10 = async (bench: Bench, values: Record<string, number>) =>
  (await bench.run(cdbOf(MODE_SENSE_10, { allocation: 0xffff, ...values }))).data

const ALL = ['1/0', '2/0', '3/0', '4/0', '7/0', '8/0', 'a/0', '1a/0', '1c/0']

// Requirement: SPC-4, Mode parameter list format: header, block descriptor and pages; DBD and LLBAA are obeyed.
test('headers, block descriptors and pages', async () => {
  const { bench, store } = await openDisk({ block: 512 })
  const six = await sense6(bench, { pageCode: ModeCode.allPages })
  assert.equal(six[0], six.length - 1)
  assert.deepEqual([six[1], six[2], six[3]], [0, 0x10, 8])
  assert.equal(six.readUInt32BE(4), store.size / 512)
  assert.equal(six.readUInt32BE(8), 512)
  assert.deepEqual(pagesOf(six, 12), ALL)
  const ten = await sense10(bench, { pageCode: ModeCode.allPages })
  assert.equal(ten.readUInt16BE(0), ten.length - 2)
  assert.deepEqual([ten[2], ten[3], ten[4], ten.readUInt16BE(6)], [0, 0x10, 0, 8])
  assert.deepEqual(ten.subarray(8), six.subarray(4))
  const long = await sense10(bench, { pageCode: ModeCode.control, llbaa: 1 })
  assert.deepEqual([long[4], long.readUInt16BE(6)], [1, 16])
  assert.equal(long.readBigUInt64BE(8), BigInt(store.size / 512))
  assert.equal(long.readUInt32BE(20), 512)
  assert.deepEqual(pagesOf(long, 24), ['a/0'])
  assert.deepEqual(pagesOf(await sense6(bench, { dbd: 1, pageCode: 0x3f }), 4), ALL)
  assert.deepEqual(pagesOf(await sense10(bench, { dbd: 1, llbaa: 1, pageCode: 0x3f }), 8), ALL)
})

test('pages and subpages as they are asked for', async () => {
  const { bench } = await openDisk()
  const ask = async (pageCode: number, subpage: number) =>
    pagesOf(await sense6(bench, { dbd: 1, pageCode, subpage }), 4)
  assert.deepEqual(await ask(0x3f, 0xff), [...ALL.slice(0, 7), 'a/1', ...ALL.slice(7)])
  assert.deepEqual(await ask(0x0a, 0), ['a/0'])
  assert.deepEqual(await ask(0x0a, 1), ['a/1'])
  assert.deepEqual(await ask(0x0a, 0xff), ['a/0', 'a/1'])
  assert.deepEqual(await ask(0x08, 0xff), ['8/0'])
})

// Requirement: SPC-4, MODE SENSE(6) command: current, changeable and default values by PC.
test('page controls: current, changeable, default; saved pages are refused', async () => {
  const { bench } = await openDisk()
  const value = async (pageControl: number, pageCode: number) => {
    const list = await sense6(bench, { dbd: 1, pageControl, pageCode })
    return list.subarray(4)
  }
  assert.equal(CACHING.read(await value(0, 8)).wce, 1)
  assert.equal((await value(1, 8)).toString('hex'), `0812${'04'.padEnd(36, '0')}`)
  assert.equal((await value(1, 0x0a)).toString('hex'), `0a0af4f63840${'0'.repeat(12)}`)
  assert.deepEqual([...(await value(1, 1)).subarray(2)], Array(10).fill(0))
  await select(bench, 8, [[2, 0]])
  assert.equal(CACHING.read(await value(0, 8)).wce, 0)
  assert.equal(CACHING.read(await value(2, 8)).wce, 1)
  for (const command of [MODE_SENSE_6, MODE_SENSE_10]) {
    const answer = await bench.run(cdbOf(command, { pageControl: 3, pageCode: 8, allocation: 100 }))
    assert.deepEqual([answer.sense, answer.field?.byte], [SAVING_PARAMETERS_NOT_SUPPORTED, 2])
  }
})

test('pages that are not there are refused with their place; lists are cut to the allocation length', async () => {
  const { bench } = await openDisk()
  for (const command of [MODE_SENSE_6, MODE_SENSE_10]) {
    const page = await bench.run(cdbOf(command, { pageCode: 5, allocation: 100 }))
    assert.deepEqual([page.sense, page.field], [INVALID_FIELD_IN_CDB, { byte: 2, bit: 5, inCdb: true }])
    for (const pageCode of [0x0a, 0x3f]) {
      const sub = await bench.run(cdbOf(command, { pageCode, subpage: 7, allocation: 100 }))
      assert.deepEqual([sub.sense, sub.field], [INVALID_FIELD_IN_CDB, { byte: 3, bit: 7, inCdb: true }])
    }
    const whole = (await bench.run(cdbOf(command, { pageCode: 0x3f, allocation: 255 }))).data
    for (const allocation of [0, 1, 4, 20]) {
      const cut = await bench.run(cdbOf(command, { pageCode: 0x3f, allocation }))
      assert.deepEqual(cut.data, whole.subarray(0, allocation))
    }
  }
})

test('device-specific parameter: WP follows the disk, DPOFUA is there', async () => {
  const { bench } = await openDisk({ readonly: true })
  assert.equal((await sense6(bench, { pageCode: 8 }))[2], 0x90)
  assert.equal((await sense10(bench, { pageCode: 8 }))[3], 0x90)
})

test('without a volatile cache WCE is off and stays off', async () => {
  const { bench } = await openDisk({ wce: true }, { volatileCache: false })
  const list = (await sense6(bench, { dbd: 1, pageCode: 8 })).subarray(4)
  assert.equal(CACHING.read(list).wce, 0)
  const { sense, field } = await select(bench, 8, [[2, 4]])
  assert.equal(sense, INVALID_FIELD_IN_PARAMETER_LIST)
  assert.deepEqual(field, { byte: 6, bit: 2, inCdb: false })
})

test('without a medium the block descriptor counts no blocks', async () => {
  const { bench } = await openDisk({ removable: true })
  await bench.run([0x1b, 0, 0, 0, 2, 0])
  assert.equal((await sense6(bench, { pageCode: 8 })).readUInt32BE(4), 0)
})

/** Sets bytes of a page's current values by MODE SELECT (6). */
async function select(
  bench: Bench,
  pageCode: number,
  bytes: readonly (readonly [number, number])[],
  nexus: 0 | 1 = 0,
) {
  const list = await sense6(bench, { dbd: 1, pageCode })
  for (const [at, value] of bytes) list[4 + at] = value
  list.fill(0, 0, 4)
  return bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }), { out: list, nexus })
}

// Requirement: SPC-4, MODE SELECT(6) command: what MODE SENSE returned is a valid list, and no change is no unit
// attention.
test('what MODE SENSE brought, MODE SELECT takes; an unchanged list tells nobody', async () => {
  const { bench } = await openDisk()
  const six = await sense6(bench, { pageCode: 0x3f, subpage: 0xff })
  const answer6 = await bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: six.length }), { out: six })
  assert.equal(answer6.status, Status.good)
  for (const llbaa of [0, 1]) {
    const ten = await sense10(bench, { pageCode: 0x3f, subpage: 0xff, llbaa })
    const answer10 = await bench.run(cdbOf(MODE_SELECT_10, { pf: 1, parameterLength: ten.length }), {
      out: ten,
    })
    assert.equal(answer10.status, Status.good)
  }
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
})

// Requirement: SPC-4, MODE SELECT(6) command: MODE PARAMETERS CHANGED reaches the other nexuses.
test('a change is told to the other nexus', async () => {
  const { bench } = await openDisk()
  assert.equal((await select(bench, 0x0a, [[2, 6]], 1)).status, Status.good)
  assert.deepEqual(bench.nexusUnits[0]!.attentions.splice(0), [MODE_PARAMETERS_CHANGED])
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
  assert.equal(bench.device.policies.dSense, true)
  bench.device.reset()
  assert.equal(bench.device.policies.dSense, false)
})

// Requirement: SPC-4, Control mode page: SWP set to one inhibits writes, and the device-specific parameter says so.
test('SWP protects the disk, and MODE SENSE says so', async () => {
  const { bench } = await openDisk()
  const write = () => bench.run(cdbOf(WRITE_10, { blocks: 1 }), { out: Buffer.alloc(512) })
  assert.equal((await select(bench, 0x0a, [[4, 8]])).status, Status.good)
  assert.equal(CONTROL.read((await sense6(bench, { dbd: 1, pageCode: 0x0a })).subarray(4)).swp, 1)
  assert.equal((await sense6(bench, { pageCode: 8 }))[2], 0x90)
  assert.equal((await write()).sense, WRITE_PROTECTED)
  assert.equal((await bench.run(cdbOf(READ_10, { blocks: 1 }))).status, Status.good)
  assert.equal((await select(bench, 0x0a, [[4, 0]])).status, Status.good)
  assert.equal((await write()).status, Status.good)
})

// Requirement: SBC-4, Caching mode page: WCE set to zero: written data is on the medium before the status.
test('the cache switched off is flushed first, and writes are durable from then on', async () => {
  const { bench, store } = await openDisk()
  const write = () => bench.run(cdbOf(WRITE_10, { blocks: 1 }), { out: Buffer.alloc(512, 7) })
  await write()
  assert.equal((await select(bench, 8, [[2, 0]])).status, Status.good)
  await write()
  assert.equal((await select(bench, 8, [[2, 4]])).status, Status.good)
  await write()
  assert.deepEqual(store.takeCalls(), ['write 0+512', 'flush', 'write 0+512 fua', 'write 0+512'])
  store.failNext('flush', StoreError.medium)
  assert.equal((await select(bench, 8, [[2, 0]])).sense, WRITE_ERROR)
})

const LONG_LIST = [0, 0, 0, 0, 8, 0x12, 4, ...Array(17).fill(0)]

// Requirement: SPC-4, MODE SELECT(6) command: a list that is cut ends in PARAMETER LIST LENGTH ERROR and changes
// nothing.
test('MODE SELECT: lists of a wrong length', async () => {
  const { bench } = await openDisk()
  const send = (command: typeof MODE_SELECT_6 | typeof MODE_SELECT_10, length: number, out: number[]) =>
    bench.run(cdbOf(command as typeof MODE_SELECT_6, { pf: 1, parameterLength: length }), {
      out: Buffer.from(out),
    })
  assert.equal((await send(MODE_SELECT_6, 0, [])).status, Status.good)
  assert.equal((await send(MODE_SELECT_10, 0, [])).status, Status.good)
  for (const length of [1, 3, 5, 23]) {
    assert.equal(
      (await send(MODE_SELECT_6, length, LONG_LIST)).sense,
      PARAMETER_LIST_LENGTH_ERROR,
      `${length}`,
    )
  }
  assert.equal((await send(MODE_SELECT_6, 24, LONG_LIST.slice(0, 20))).sense, PARAMETER_LIST_LENGTH_ERROR)
  assert.equal((await send(MODE_SELECT_6, 24, [])).sense, PARAMETER_LIST_LENGTH_ERROR)
  assert.equal((await send(MODE_SELECT_10, 7, Array(8).fill(0))).sense, PARAMETER_LIST_LENGTH_ERROR)
  assert.equal((await send(MODE_SELECT_6, 4, [0, 0, 0, 8])).sense, PARAMETER_LIST_LENGTH_ERROR)
  assert.equal((await send(MODE_SELECT_6, 6, [0, 0, 0, 0, 0x4a, 1])).sense, PARAMETER_LIST_LENGTH_ERROR)
  assert.equal((await send(MODE_SELECT_6, 4, [0, 0, 0, 0])).status, Status.good)
})

// Requirement: SPC-4, MODE SELECT(6) command: a value that is not changeable ends in INVALID FIELD IN PARAMETER LIST,
// and nothing of the list counts.
test('MODE SELECT: wrong values, each with its place, and nothing of the list counts', async () => {
  const { bench, store } = await openDisk()
  const blocks = store.size / 512
  const descriptor = [0, 0, blocks >> 8, blocks & 255, 0, 0, 2, 0]
  const caching = LONG_LIST.slice(4)
  const cases: [number[], number, number][] = [
    [[0, 1, 0, 0, ...caching], 1, -1],
    [[0, 0, 0, 4, 0, 0, 0, 0, ...caching], 3, -1],
    [[0, 0, 0, 16, ...descriptor, ...descriptor, ...caching], 3, -1],
    [[0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 2, 0, ...caching], 4, -1],
    [[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 16, 0, ...caching], 9, -1],
    [[0, 0, 0, 0, 5, 2, 0, 0], 4, 5],
    [[0, 0, 0, 0, 0x4a, 2, 0, 0], 4, 5],
    [[0, 0, 0, 0, 0x4a, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0], 4, 5],
    [[0, 0, 0, 0, 8, 0x11, ...Array(18).fill(0)], 5, -1],
    [[0, 0, 0, 0, ...caching, 0x0a, 0x0a, 2, 4, ...Array(7).fill(0), 2], 27, 2],
    [[0, 0, 0, 0, 8, 0x12, 0x84, ...Array(17).fill(0)], 6, 7],
    [[0, 0, 0, 0, 8, 0x12, 0, 1, ...Array(16).fill(0)], 7, 0],
  ]
  for (const [list, byte, bit] of cases) {
    const cdb = cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length })
    const { sense, field } = await bench.run(cdb, { out: Buffer.from(list) })
    assert.equal(sense, INVALID_FIELD_IN_PARAMETER_LIST, `${list}`)
    assert.deepEqual(field, { byte, bit, inCdb: false }, `${list}`)
    assert.equal(CACHING.read((await sense6(bench, { dbd: 1, pageCode: 8 })).subarray(4)).wce, 1)
  }
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
})

test('MODE SELECT: without PF, or with SP, refused', async () => {
  const { bench } = await openDisk()
  for (const command of [MODE_SELECT_6, MODE_SELECT_10]) {
    const out = Buffer.alloc(8)
    const pf = await bench.run(cdbOf(command, { parameterLength: 8 }), { out })
    assert.deepEqual([pf.sense, pf.field], [INVALID_FIELD_IN_CDB, { byte: 1, bit: 4, inCdb: true }])
    const sp = await bench.run(cdbOf(command, { pf: 1, sp: 1, parameterLength: 8 }), { out })
    assert.deepEqual([sp.sense, sp.field], [INVALID_FIELD_IN_CDB, { byte: 1, bit: 0, inCdb: true }])
  }
})
