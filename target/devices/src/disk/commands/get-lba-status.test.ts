// SPDX-License-Identifier: Apache-2.0
// GET LBA STATUS (16) and (32): runs from the store's map, joined, filtered, cut to the allocation length.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  GET_LBA_STATUS_16,
  GET_LBA_STATUS_32,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  LBA_STATUS_DESCRIPTOR,
  LBA_STATUS_HEADER,
  UNRECOVERED_READ_ERROR,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { type Answer, type Bench, cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

type Run = [lba: number, blocks: number, status: number]

function runsOf({ data }: Answer): { runs: Run[]; completion: number } {
  const { length, completion, rtp } = LBA_STATUS_HEADER.read(data)
  assert.equal(rtp, 1)
  const runs: Run[] = []
  for (let at = 8; at < length + 4; at += 16) {
    const { lba, blocks, provisioning, additional } = LBA_STATUS_DESCRIPTOR.read(data, at)
    assert.equal(additional, 0)
    runs.push([lba, blocks, provisioning])
  }
  return { runs, completion }
}

const ask = (bench: Bench, values: Record<string, number> = {}) =>
  bench.run(cdbOf(GET_LBA_STATUS_16, { allocation: 4096, ...values }))

/** Blocks 8 to 23 and 64 to 71 are holes; the disk has 4096 blocks. */
async function holed(later = false) {
  const opened = await openDisk({}, { maps: true, later })
  opened.store.heldUnits.fill(0, 1, 3)
  opened.store.heldUnits.fill(0, 8, 9)
  return opened
}

const ALL: Run[] = [
  [0, 8, 0],
  [8, 16, 1],
  [24, 40, 0],
  [64, 8, 1],
  [72, 4024, 0],
]

// Requirement: SBC-4, GET LBA STATUS (16) command: descriptors are contiguous from the starting LBA on, and neighbours differ.
for (const later of [false, true]) {
  test(`each run has one descriptor: ${later ? 'later' : 'at once'}`, async () => {
    const { bench } = await holed(later)
    assert.deepEqual(runsOf(await ask(bench)), { runs: ALL, completion: 3 })
    const { runs } = runsOf(await ask(bench, { lba: 10 }))
    assert.deepEqual(
      runs,
      [[10, 14, 1], ...ALL.slice(2)],
      'the first descriptor begins where it was asked to',
    )
    assert.deepEqual(runsOf(await ask(bench, { lba: 4095 })).runs, [[4095, 1, 0]])
  })
}

// Requirement: SBC-4, GET LBA STATUS (16) command: REPORT TYPE lets through all blocks, the mapped, the deallocated or the anchored ones.
test('report types', async () => {
  const { bench } = await holed()
  for (const [reportType, runs] of [
    [0x00, ALL],
    [0x01, []],
    [0x02, ALL.filter(([, , status]) => status === 0)],
    [0x03, ALL.filter(([, , status]) => status === 1)],
    [0x04, []],
    [0x10, []],
  ] as const) {
    assert.deepEqual(runsOf(await ask(bench, { reportType })), { runs, completion: 3 }, `${reportType}`)
  }
  for (const reportType of [0x05, 0x0f, 0x11, 0xff]) {
    const { sense, field } = await ask(bench, { reportType })
    assert.equal(sense, INVALID_FIELD_IN_CDB)
    assert.deepEqual(field, { byte: 14, bit: 7, inCdb: true })
  }
})

test('anchored blocks are told apart', async () => {
  const { bench, store } = await holed()
  store.heldUnits.fill(2, 2, 5)
  const wanted: Run[] = [
    [0, 8, 0],
    [8, 8, 1],
    [16, 24, 2],
    [40, 24, 0],
    [64, 8, 1],
    [72, 4024, 0],
  ]
  assert.deepEqual(runsOf(await ask(bench)).runs, wanted)
  assert.deepEqual(runsOf(await ask(bench, { reportType: 0x04 })).runs, [[16, 24, 2]])
})

// Requirement: SBC-4, GET LBA STATUS parameter data: COMPLETION CONDITION tells what ended the scan.
test('the answer is cut to the allocation length, in whole descriptors', async () => {
  const { bench } = await holed()
  for (const [allocation, count] of [
    [24, 1],
    [40, 2],
    [55, 2],
    [87, 4],
  ] as const) {
    const answer = runsOf(await ask(bench, { allocation }))
    assert.deepEqual(answer, { runs: ALL.slice(0, count), completion: 1 }, `${allocation}`)
  }
  assert.deepEqual(runsOf(await ask(bench, { allocation: 88 })), { runs: ALL, completion: 3 })
  for (const allocation of [0, 4, 10, 23]) {
    const { data } = await ask(bench, { allocation })
    assert.equal(data.length, allocation)
    if (allocation >= 4) assert.equal(data.readUInt32BE(0), 20)
  }
})

// Requirement: SBC-4, GET LBA STATUS (32) command: SCAN LENGTH bounds the blocks that are looked at; zero does not.
test('the 32-byte form bounds the scan', async () => {
  const { bench } = await holed()
  const long = (values: Record<string, number>) =>
    bench.run(cdbOf(GET_LBA_STATUS_32, { allocation: 4096, ...values }))
  assert.deepEqual(runsOf(await long({})), { runs: ALL, completion: 3 })
  assert.deepEqual(runsOf(await long({ lba: 4, scanLength: 10 })), {
    runs: [
      [4, 4, 0],
      [8, 6, 1],
    ],
    completion: 2,
  })
  assert.deepEqual(runsOf(await long({ lba: 72, scanLength: 0xffff_ffff })).completion, 3)
  assert.deepEqual(runsOf(await long({ reportType: 3, scanLength: 9 })).runs, [[8, 1, 1]])
  assert.equal((await long({ elementId: 1 })).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await long({ lba: 4096 })).sense, LBA_OUT_OF_RANGE)
})

// Requirement: SBC-4, GET LBA STATUS (16) command: a starting LBA beyond the capacity is LBA OUT OF RANGE.
test('refused: blocks beyond the end; a map that cannot be had fails the command', async () => {
  const { bench, store } = await holed()
  for (const lba of [4096, 4097, 2 ** 53]) assert.equal((await ask(bench, { lba })).sense, LBA_OUT_OF_RANGE)
  store.failNext('map', StoreError.medium, 4096)
  const { sense, information } = await ask(bench)
  assert.deepEqual([sense, information], [UNRECOVERED_READ_ERROR, 8])
})

test('a disk that is not thin has every block, in descriptors of up to 2^32 - 1', async () => {
  const thick = await openDisk()
  assert.deepEqual(runsOf(await ask(thick.bench, { lba: 100 })).runs, [[100, 3996, 0]])
  const blind = await openDisk({}, { thin: true })
  assert.deepEqual(runsOf(await ask(blind.bench)).runs, [[0, 4096, 0]])
  const huge = await openDisk({}, { size: 2 ** 42 })
  assert.deepEqual(runsOf(await ask(huge.bench)).runs, [
    [0, 0xffff_ffff, 0],
    [0xffff_ffff, 0xffff_ffff, 0],
    [0x1_ffff_fffe, 2, 0],
  ])
})

test('an answer has an end, however much there is to tell', async () => {
  const { bench, store } = await openDisk({}, { maps: true, size: 32 * 2 ** 20 })
  for (let unit = 0; unit < store.heldUnits.length; unit += 2) store.heldUnits[unit] = 0
  const long = runsOf(await ask(bench, { allocation: 2 ** 20 }))
  assert.deepEqual([long.runs.length, long.completion], [1024, 1])
  store.heldUnits.fill(0)
  const looked = runsOf(await ask(bench, { allocation: 2 ** 20 }))
  assert.deepEqual(looked, { runs: [[0, 2048 * 8, 1]], completion: 0 })
})

test('blocks larger than what the store gives back are mapped until all of them is a hole', async () => {
  const { bench, store } = await openDisk({ block: 4096 }, { maps: true })
  store.map = io => {
    const held = io.offset < 6144
    io.held = held
    io.length = held ? Math.min(io.length, 6144 - io.offset) : io.length
    io.finish(StoreError.none)
  }
  assert.deepEqual(runsOf(await ask(bench)).runs, [
    [0, 2, 0],
    [2, 510, 1],
  ])
})
