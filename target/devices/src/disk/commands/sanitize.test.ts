// SPDX-License-Identifier: Apache-2.0
// SANITIZE: passes and patterns, progress, failure and its two ways out, and every wrong parameter.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FORMAT_UNIT,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS,
  PARAMETER_LIST_LENGTH_ERROR,
  READ_10,
  REQUEST_SENSE,
  readSense,
  SANITIZE_BLOCK_ERASE,
  SANITIZE_COMMAND_FAILED,
  SANITIZE_CRYPTOGRAPHIC_ERASE,
  SANITIZE_EXIT_FAILURE_MODE,
  SANITIZE_OVERWRITE,
  SANITIZE_OVERWRITE_HEADER,
  START_STOP_UNIT,
  Status,
  TEST_UNIT_READY,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { Bench, cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import { openDisk } from '../disk.test-kit.ts'
import type { Disk } from '../disk.ts'
import { device } from '../index.ts'

type Values = Record<string, number>

function listOf(values: Values, pattern: readonly number[]): Buffer {
  const header = SANITIZE_OVERWRITE_HEADER.write({ count: 1, patternLength: pattern.length, ...values })
  return Buffer.concat([header, Uint8Array.from(pattern)])
}

const overwrite = (out: Buffer, values: Values = {}) =>
  cdbOf(SANITIZE_OVERWRITE, { parameterLength: out.length, ...values })

const soon = () => new Promise(resolve => setImmediate(resolve))

// Requirement: SBC-4, SANITIZE command, OVERWRITE: the pattern in each block; INVERT turns it between passes.
test('OVERWRITE writes every block in each pass; the last one leaves the pattern', async () => {
  for (const [count, invert, first] of [
    [1, 0, 0x35],
    [2, 0, 0x35],
    [2, 1, 0xca],
    [3, 1, 0x35],
  ] as const) {
    const { bench, store } = await openDisk({}, { size: 512 * 1024 })
    const seen: number[] = []
    const { write } = store
    store.write = io => {
      seen.push(io.segments[0]![0]!)
      write.call(store, io)
    }
    const out = listOf({ count, invert }, [0x35, 0x36])
    assert.equal((await bench.run(overwrite(out), { out })).status, Status.good)
    assert.equal(seen.length, 2 * count)
    assert.equal(seen[0], first)
    for (let at = 0; at < store.bytes.length; at += 511)
      assert.equal(store.bytes[at], 0x35 + ((at % 512) % 2))
    assert.deepEqual(store.durable, store.bytes)
  }
})

test('OVERWRITE with zeros writes them, however the store could do it quicker', async () => {
  const { bench, store } = await openDisk({}, { maps: true, size: 262_144 })
  const out = listOf({}, [0, 0, 0, 0])
  await bench.run(overwrite(out), { out })
  assert.deepEqual(store.takeCalls(), ['write 0+262144', 'flush'])
})

test('BLOCK ERASE gives all blocks back, where they read zeros then', async () => {
  const { bench, store } = await openDisk({}, { maps: true })
  assert.equal((await bench.run(cdbOf(SANITIZE_BLOCK_ERASE))).status, Status.good)
  assert.deepEqual(store.takeCalls(), ['discard 0+2097152', 'flush'])
  assert.ok(store.bytes.every(byte => byte === 0))
  const { type } = (await openDisk({}, { thin: true })).disk
  assert.ok(!type.bindings.some(({ command }) => command === SANITIZE_BLOCK_ERASE))
})

// Requirement: SBC-4, Completing a sanitize operation: blocks of a thin unit should be unmapped then.
test('there is no BLOCK ERASE where the store cannot tell that blocks are unmapped', async () => {
  const silent = new StandInStore({ size: 2 * 1024 * 1024, maps: true })
  Object.assign(silent, { map: undefined })
  const { type } = (await Bench.open(device, silent)).device as Disk
  assert.ok(!type.bindings.some(({ command }) => command === SANITIZE_BLOCK_ERASE))
})

// Requirement: SBC-4, SANITIZE command, CRYPTOGRAPHIC ERASE: nothing of what was there can be read again.
test('CRYPTOGRAPHIC ERASE gives all blocks back, where nothing of them is kept', async () => {
  const { bench, store } = await openDisk({}, { maps: true, destroys: true })
  assert.equal((await bench.run(cdbOf(SANITIZE_CRYPTOGRAPHIC_ERASE))).status, Status.good)
  assert.deepEqual(store.takeCalls(), ['discard 0+2097152', 'flush'])
  const { type } = (await openDisk({}, { maps: true })).disk
  assert.ok(!type.bindings.some(({ command }) => command === SANITIZE_CRYPTOGRAPHIC_ERASE))
})

// Requirement: SBC-4, Performing a sanitize operation: others end with SANITIZE IN PROGRESS and how far it is; no reset stops it.
test('meanwhile the unit answers little else, over resets too', async () => {
  const { bench, store, disk } = await openDisk()
  store.held = true
  const out = listOf({ count: 2 }, [1])
  assert.equal((await bench.run(overwrite(out, { immed: 1 }), { out })).status, Status.good)
  bench.device.reset()
  for (const cdb of [
    cdbOf(TEST_UNIT_READY),
    cdbOf(READ_10, { blocks: 1 }),
    cdbOf(START_STOP_UNIT, { start: 1 }),
    cdbOf(FORMAT_UNIT),
    overwrite(out),
    cdbOf(SANITIZE_EXIT_FAILURE_MODE),
  ]) {
    const { sense, progress } = await bench.run(cdb, { out })
    assert.deepEqual([sense, progress], [LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS, 0])
  }
  assert.equal((await bench.run(cdbOf(INQUIRY, { allocation: 36 }))).status, Status.good)
  const sense = readSense((await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))).data)
  assert.deepEqual([sense?.asc, sense?.ascq, sense?.progress], [4, 0x1b, 0])
  store.release()
  while (disk.occupied !== null) await soon()
  assert.ok(store.bytes.every(byte => byte === 1))
})

/** A disk whose sanitize operation has failed. */
async function failedDisk(values: Values) {
  const all = await openDisk()
  const out = listOf({}, [7])
  all.store.failNext('write', StoreError.medium)
  const answer = await all.bench.run(overwrite(out, values), { out })
  assert.equal(answer.sense, SANITIZE_COMMAND_FAILED)
  for (const cdb of [cdbOf(TEST_UNIT_READY), cdbOf(READ_10, { blocks: 1 }), cdbOf(FORMAT_UNIT)]) {
    assert.equal((await all.bench.run(cdb)).sense, SANITIZE_COMMAND_FAILED)
  }
  const sense = readSense((await all.bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))).data)
  assert.deepEqual([sense?.key, sense?.asc, sense?.ascq], [3, 0x31, 3])
  const run = (cdb: Uint8Array) => all.bench.run(cdb, { out })
  return { ...all, out, run }
}

// Requirement: SBC-4, Completing a sanitize operation: with AUSE a failure is left by EXIT FAILURE MODE.
test('a failure with AUSE: EXIT FAILURE MODE ends it, or another operation', async () => {
  const { run } = await failedDisk({ ause: 1 })
  assert.equal((await run(cdbOf(SANITIZE_EXIT_FAILURE_MODE))).status, Status.good)
  assert.equal((await run(cdbOf(READ_10, { blocks: 1 }))).status, Status.good)
  const other = await failedDisk({ ause: 1 })
  assert.equal((await other.run(overwrite(other.out, { ause: 1 }))).status, Status.good)
  assert.equal((await other.run(cdbOf(TEST_UNIT_READY))).status, Status.good)
})

// Requirement: SBC-4, Completing a sanitize operation: without AUSE only another operation without it that goes well helps.
test('a failure without AUSE: only another operation without it ends it', async () => {
  const { run, out } = await failedDisk({})
  const exit = await run(cdbOf(SANITIZE_EXIT_FAILURE_MODE))
  assert.deepEqual([exit.sense, exit.field?.byte, exit.field?.bit], [INVALID_FIELD_IN_CDB, 1, 4])
  const unrestricted = await run(overwrite(out, { ause: 1 }))
  assert.deepEqual([unrestricted.sense, unrestricted.field?.bit], [INVALID_FIELD_IN_CDB, 5])
  assert.equal((await run(cdbOf(TEST_UNIT_READY))).sense, SANITIZE_COMMAND_FAILED)
  assert.equal((await run(overwrite(out))).status, Status.good)
  assert.equal((await run(cdbOf(TEST_UNIT_READY))).status, Status.good)
})

test('what is refused, and where', async () => {
  const { bench, store, disk } = await openDisk({}, { maps: true })
  const inCdb = async (cdb: Uint8Array, byte: number, bit: number) => {
    const { sense, field } = await bench.run(cdb, { out: Buffer.alloc(600) })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte, bit, inCdb: true }])
  }
  for (const parameterLength of [0, 1, 2, 3, 4, 517, 600]) {
    await inCdb(cdbOf(SANITIZE_OVERWRITE, { parameterLength }), 7, 7)
  }
  await inCdb(cdbOf(SANITIZE_OVERWRITE, { parameterLength: 8, znr: 1 }), 1, 6)
  for (const command of [SANITIZE_BLOCK_ERASE, SANITIZE_EXIT_FAILURE_MODE]) {
    await inCdb(cdbOf(command, { parameterLength: 8 }), 7, 7)
    await inCdb(cdbOf(command, { znr: 1 }), 1, 6)
  }
  const inList = async (values: Values, byte: number, bit: number) => {
    const out = listOf(values, [1, 2, 3, 4])
    const { sense, field } = await bench.run(overwrite(out), { out })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_PARAMETER_LIST, { byte, bit, inCdb: false }])
  }
  await inList({ count: 0 }, 0, 4)
  await inList({ test: 1 }, 0, 6)
  await inList({ patternLength: 0 }, 2, -1)
  await inList({ patternLength: 513 }, 2, -1)
  const out = listOf({ patternLength: 5 }, [1, 2, 3, 4])
  assert.equal((await bench.run(overwrite(out), { out })).sense, PARAMETER_LIST_LENGTH_ERROR)
  const whole = listOf({}, [1, 2, 3, 4])
  for (let length = 0; length < whole.length; length++) {
    const { sense } = await bench.run(overwrite(whole), { out: whole.subarray(0, length) })
    assert.equal(sense, PARAMETER_LIST_LENGTH_ERROR, `${length} bytes`)
  }
  disk.writable = false
  for (const cdb of [overwrite(whole), cdbOf(SANITIZE_BLOCK_ERASE)]) {
    assert.equal((await bench.run(cdb, { out: whole })).sense, WRITE_PROTECTED)
  }
  assert.deepEqual(store.takeCalls(), [])
  disk.writable = true
  assert.equal((await bench.run(cdbOf(SANITIZE_EXIT_FAILURE_MODE))).status, Status.good)
})
