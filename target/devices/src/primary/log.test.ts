// SPDX-License-Identifier: Apache-2.0
// LOG SENSE of each page, and LOG SELECT that sets counters back or to values.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  GENERAL_STATISTICS,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOG_PARAMETERS_CHANGED,
  LOG_SELECT,
  LOG_SENSE,
  PARAMETER_LIST_LENGTH_ERROR,
  READ_10,
  START_STOP_UNIT,
  Status,
  VERIFY_10,
  WRITE_10,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const sense = (bench: Bench, pageCode: number, more: Record<string, number> = {}) =>
  bench.run(cdbOf(LOG_SENSE, { pageControl: 1, pageCode, allocation: 0xffff, ...more }))

/** Parameters by code, as hex; the page's own header is checked. */
async function page(bench: Bench, code: number, more: Record<string, number> = {}) {
  const { data, status } = await sense(bench, code, more)
  assert.equal(status, Status.good)
  assert.deepEqual([data[0], data[1], data.readUInt16BE(2)], [0x80 | code, 0, data.length - 4])
  const found = new Map<number, string>()
  for (let at = 4; at < data.length; at += 4 + data[at + 3]!) {
    assert.ok(at + 4 + data[at + 3]! <= data.length)
    found.set(data.readUInt16BE(at), data.toString('hex', at + 4, at + 4 + data[at + 3]!))
  }
  return found
}

async function count(bench: Bench, code: number, parameter: number): Promise<number> {
  return Number.parseInt((await page(bench, code)).get(parameter)!, 16)
}

const read = (bench: Bench, blocks: number) => bench.run(cdbOf(READ_10, { blocks }))
const write = (bench: Bench, blocks: number) =>
  bench.run(cdbOf(WRITE_10, { blocks }), { out: Buffer.alloc(512 * blocks) })

const PAGES = [0x00, 0x02, 0x03, 0x05, 0x06, 0x0d, 0x0e, 0x10, 0x15, 0x19, 0x1a, 0x2f]

// Requirement: SPC-4, Supported Log Pages log page: pages are listed in ascending order, and each of them is there.
test('00h and 00h/FFh list what there is', async () => {
  const { bench } = await openDisk()
  assert.deepEqual([...(await sense(bench, 0)).data], [0x80, 0, 0, PAGES.length, ...PAGES])
  const all = (await sense(bench, 0, { subpage: 0xff })).data
  const pairs = [0, 0, 0, 0xff, ...PAGES.slice(1).flatMap(code => [code, 0])]
  assert.deepEqual([...all], [0xc0, 0xff, 0, pairs.length, ...pairs])
  for (const code of PAGES.slice(1)) await page(bench, code)
  const removable = await openDisk({ removable: true })
  assert.ok(![...(await sense(removable.bench, 0)).data.subarray(4)].includes(0x1a))
})

// Requirement: SPC-4, LOG SENSE command: fields that ask for what is not there.
test('what is not there is refused, with its place', async () => {
  const { bench } = await openDisk()
  const cases: [number, Record<string, number>, number, number][] = [
    [0x01, {}, 2, 5],
    [0x02, { subpage: 1 }, 3, 7],
    [0x00, { subpage: 1 }, 3, 7],
    [0x02, { pageControl: 0 }, 2, 7],
    [0x02, { pageControl: 2 }, 2, 7],
    [0x02, { parameterPointer: 7 }, 5, 7],
    [0x00, { parameterPointer: 1 }, 5, 7],
    [0x02, { sp: 1 }, 1, 0],
  ]
  for (const [code, more, byte, bit] of cases) {
    const answer = await sense(bench, code, more)
    assert.equal(answer.sense, INVALID_FIELD_IN_CDB)
    assert.deepEqual(answer.field, { byte, bit, inCdb: true })
  }
})

// Requirement: SPC-4, LOG SENSE command: PARAMETER POINTER and ALLOCATION LENGTH.
test('the parameter pointer skips, the allocation length cuts', async () => {
  const { bench } = await openDisk()
  assert.deepEqual([...(await page(bench, 2)).keys()], [0, 1, 2, 3, 4, 5, 6])
  assert.deepEqual([...(await page(bench, 2, { parameterPointer: 5 })).keys()], [5, 6])
  const whole = (await sense(bench, 2)).data
  for (const allocation of [0, 3, 4, 20]) {
    assert.deepEqual((await sense(bench, 2, { allocation })).data, whole.subarray(0, allocation))
  }
  // A parameter's control byte: TSD, and a counter.
  assert.equal(whole[6], 0x22)
})

// Requirement: SPC-4, error counter log pages: total bytes processed, total uncorrected errors.
test('02h, 03h, 05h and 06h count bytes and errors', async () => {
  const { bench, store } = await openDisk()
  await write(bench, 3)
  await read(bench, 2)
  await read(bench, 4)
  await bench.run(cdbOf(VERIFY_10, { blocks: 8 }))
  const bytes = async () => [await count(bench, 2, 5), await count(bench, 3, 5), await count(bench, 5, 5)]
  assert.deepEqual(await bytes(), [3 * 512, 6 * 512, 8 * 512])
  store.failNext('write', StoreError.medium)
  await write(bench, 1)
  store.failNext('read', StoreError.medium)
  await read(bench, 1)
  store.failNext('read', StoreError.medium)
  await bench.run(cdbOf(VERIFY_10, { blocks: 1 }))
  store.failNext('read', StoreError.internal)
  await read(bench, 1)
  for (const code of [2, 3, 5]) assert.equal(await count(bench, code, 6), 1)
  assert.equal(await count(bench, 6, 0), 1)
  assert.deepEqual(await bytes(), [3 * 512, 6 * 512, 8 * 512])
})

// Requirement: SPC-4, General Statistics and Performance log page: it counts commands, blocks and times.
test('19h counts commands, blocks and times', async () => {
  const { bench } = await openDisk()
  for (let i = 0; i < 40; i++) {
    await read(bench, 2)
    await write(bench, 1)
  }
  const data = (await sense(bench, 0x19)).data
  const { reads, writes, blocksSent, blocksReceived, ...rest } = GENERAL_STATISTICS.read(data, 4)
  assert.deepEqual([reads, writes, blocksSent, blocksReceived], [40, 40, 80, 40])
  assert.ok(rest.readIntervals > 0 && rest.writeIntervals > 0)
  // One at a time: no command weighs more than one, and nearly all of the time is idle.
  assert.deepEqual([rest.weightedCommands, rest.weightedIntervals > 0], [80, true])
  assert.equal((await page(bench, 0x19)).get(2)!.length, 16)
  // Intervals of a microsecond.
  assert.equal((await page(bench, 0x19)).get(3), 'fffffffa00000001')
})

// Requirement: SPC-4, Log parameters: the Temperature, Start-Stop Cycle Counter, Power Condition Transitions and
// Informational Exceptions log pages have the parameters that make sense for a virtual disk.
test('0Dh, 0Eh, 1Ah and 2Fh', async () => {
  const { bench } = await openDisk()
  assert.equal((await page(bench, 0x0d)).get(0), '00ff')
  assert.equal((await page(bench, 0x2f)).get(0), '0000ffff')
  assert.equal((await page(bench, 0x0e)).get(4), '00000000')
  for (const start of [0, 0, 1, 0]) await bench.run(cdbOf(START_STOP_UNIT, { start }))
  assert.equal((await page(bench, 0x0e)).get(4), '00000002')
  await bench.run(cdbOf(START_STOP_UNIT, { start: 1 }))
  await bench.run(cdbOf(START_STOP_UNIT, { powerCondition: 2, powerConditionModifier: 1 }))
  await bench.run(cdbOf(START_STOP_UNIT, { powerCondition: 3 }))
  await read(bench, 1)
  assert.deepEqual(
    [...(await page(bench, 0x1a))],
    [
      [1, '00000001'],
      [2, '00000000'],
      [3, '00000001'],
      [4, '00000000'],
      [8, '00000001'],
      [9, '00000000'],
    ],
  )
})

// Requirement: SPC-4, LOG SELECT command: PCR sets the counters of the page, or of all pages, back.
test('LOG SELECT with PCR: one page, all pages, and the other nexus hears of it', async () => {
  const { bench } = await openDisk()
  await read(bench, 4)
  await write(bench, 2)
  const reset = (pageCode: number, more = {}) => bench.run(cdbOf(LOG_SELECT, { pcr: 1, pageCode, ...more }))
  assert.equal((await reset(3)).status, Status.good)
  assert.deepEqual(bench.nexusUnits[1]!.attentions.splice(0), [LOG_PARAMETERS_CHANGED])
  assert.deepEqual(bench.nexusUnits[0]!.attentions, [])
  assert.deepEqual([await count(bench, 3, 5), await count(bench, 2, 5)], [0, 1024])
  // A counter of another page counts on.
  assert.equal(GENERAL_STATISTICS.read((await sense(bench, 0x19)).data, 4).blocksSent, 4)
  await read(bench, 1)
  assert.equal(await count(bench, 3, 5), 512)
  assert.equal((await bench.run(cdbOf(LOG_SELECT, { pageControl: 3 }))).status, Status.good)
  assert.deepEqual([await count(bench, 3, 5), await count(bench, 2, 5)], [0, 0])
  assert.equal(GENERAL_STATISTICS.read((await sense(bench, 0x19)).data, 4).reads, 0)
  // Default values are zero at any time.
  await read(bench, 1)
  assert.equal((await page(bench, 3, { pageControl: 3 })).get(5), '0'.repeat(16))
  for (const [values, byte] of [
    [{ pcr: 1, pageCode: 1 }, 2],
    [{ pageControl: 0 }, 2],
    [{ pcr: 1, parameterLength: 4 }, 1],
    [{ pageControl: 1, pageCode: 2, parameterLength: 4 }, 2],
    [{ pageControl: 0, parameterLength: 4 }, 2],
    [{ pcr: 1, sp: 1 }, 1],
  ] as const) {
    const answer = await bench.run(cdbOf(LOG_SELECT, values), { out: Buffer.alloc(4) })
    assert.deepEqual([answer.sense, answer.field?.byte], [INVALID_FIELD_IN_CDB, byte], JSON.stringify(values))
  }
  bench.nexusUnits[1]!.attentions.splice(0)
  assert.equal((await bench.run(cdbOf(LOG_SELECT, { pageControl: 1 }))).status, Status.good)
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
})

const select = (bench: Bench, list: Buffer, parameterLength = list.length) =>
  bench.run(cdbOf(LOG_SELECT, { pageControl: 1, parameterLength }), { out: list })

// Requirement: SPC-4, LOG SELECT command: a parameter list sets counters; a wrong one changes nothing.
test('LOG SELECT with a list: values are taken, and a list that is cut or wrong changes nothing', async () => {
  const { bench } = await openDisk()
  await read(bench, 4)
  const list = Buffer.from(
    '830000180005220800000000000020000006220800000000000000058200000c00062208000000000000000300'.slice(0, 88),
    'hex',
  )
  assert.equal(list.length, 44)
  for (let length = 1; length < list.length; length++) {
    // At the border of its pages a list is whole.
    if (length === 28) continue
    const answer = await select(bench, list.subarray(0, length))
    assert.equal(answer.sense, PARAMETER_LIST_LENGTH_ERROR, `${length}`)
    assert.equal(await count(bench, 3, 5), 2048)
  }
  const cases: [number, number, number][] = [
    [0, 0x81, 0],
    [1, 1, 0],
    [3, 0x17, 19],
    [4, 1, 4],
    [7, 0, 7],
    [7, 0xff, 7],
    [8, 0xff, 8],
  ]
  for (const [at, value, byte] of cases) {
    const wrong = Buffer.from(list)
    wrong[at] = value
    const answer = await select(bench, wrong)
    assert.equal(answer.sense, INVALID_FIELD_IN_PARAMETER_LIST, `${at}`)
    assert.deepEqual([answer.field?.byte, answer.field?.inCdb], [byte, false], `${at}`)
    assert.equal(await count(bench, 3, 5), 2048)
  }
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
  assert.equal((await select(bench, list)).status, Status.good)
  assert.deepEqual(
    [await count(bench, 3, 5), await count(bench, 3, 6), await count(bench, 2, 6)],
    [0x2000, 5, 3],
  )
  await read(bench, 1)
  assert.equal(await count(bench, 3, 5), 0x2200)
})

// Requirement: SBC-4, Logical Block Provisioning log page: available and used resources, in threshold sets.
test('0Ch counts a thin disk’s room in sets of 1 MiB, what is used in part as used', async () => {
  const room = { used: 3 * 1024 * 1024 + 1, available: 8 * 1024 * 1024 - 1 }
  const { bench } = await openDisk({}, { thin: true, room })
  assert.deepEqual(
    [...(await page(bench, 0x0c))],
    [
      [1, '0000000702000000'],
      [2, '0000000401000000'],
    ],
  )
  // Lists have no thresholds, so PC does not count.
  assert.equal((await sense(bench, 0x0c, { pageControl: 0 })).status, Status.good)
  const thick = await openDisk()
  assert.equal((await sense(thick.bench, 0x0c)).sense, INVALID_FIELD_IN_CDB)
})
