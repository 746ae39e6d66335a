// SPDX-License-Identifier: Apache-2.0
// Self-tests in each form with their results in log page 10h, and diagnostic pages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  EXCEPTIONS,
  INVALID_FIELD_IN_CDB,
  LOG_SENSE,
  LOGICAL_UNIT_FAILED_SELF_TEST,
  MODE_SELECT_6,
  PARAMETER_LIST_LENGTH_ERROR,
  RECEIVE_DIAGNOSTIC_RESULTS,
  REQUEST_SENSE,
  readSense,
  LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS as SELF_TEST_IN_PROGRESS,
  SELF_TEST_RESULT,
  SEND_DIAGNOSTIC,
  Status,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { StoreError, TaskState } from '@lunkit/target-api'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const MIB = 1024 * 1024
const send = (bench: Bench, values: Record<string, number>) => bench.run(cdbOf(SEND_DIAGNOSTIC, values))

/** Rows of page 10h that something happened for: code, result, segment. */
async function results(bench: Bench): Promise<string[]> {
  const { data } = await bench.run(cdbOf(LOG_SENSE, { pageControl: 1, pageCode: 0x10, allocation: 0xffff }))
  assert.equal(data.length, 4 + 20 * 20)
  const found: string[] = []
  for (let at = 4; at < data.length; at += 20) {
    const { code, testCode, result, segment } = SELF_TEST_RESULT.read(data, at)
    assert.equal(code, (at - 4) / 20 + 1)
    if (testCode > 0) found.push(`${testCode} ${result} ${segment}`)
  }
  return found
}

async function idle(bench: Bench): Promise<void> {
  const { selfTests } = bench.device as unknown as { selfTests: { underWay: boolean } }
  while (selfTests.underWay) await new Promise(resolve => setImmediate(resolve))
}

const reads = (calls: string[]): number => calls.filter(call => call.startsWith('read')).length

// Requirement: SPC-4, SEND DIAGNOSTIC command: the default self-test, and short and extended ones in the foreground.
test('in the foreground: GOOD when all was read, in samples or wholly', async () => {
  const { bench, store } = await openDisk({}, { size: 32 * MIB })
  assert.equal((await send(bench, { selfTest: 1 })).status, Status.good)
  assert.equal(reads(store.takeCalls()), 64)
  assert.deepEqual(await results(bench), [])
  assert.equal((await send(bench, { selfTestCode: 5 })).status, Status.good)
  const calls = store.takeCalls()
  assert.deepEqual([calls[0], calls[63]], ['read 0+262144', `read ${32 * MIB - 262_144}+262144`])
  assert.equal((await send(bench, { selfTestCode: 6 })).status, Status.good)
  assert.deepEqual(
    store.takeCalls(),
    Array.from({ length: 128 }, (_, index) => `read ${index * 262_144}+262144`),
  )
  assert.deepEqual(await results(bench), ['6 0 0', '5 0 0'])
})

// Requirement: SPC-4, self-test operations: commands during a self-test in the foreground.
test('in the foreground other commands find the unit not ready, with progress', async () => {
  const { bench, store } = await openDisk({}, { size: 4 * MIB })
  store.held = true
  const task = bench.submit(cdbOf(SEND_DIAGNOSTIC, { selfTestCode: 6 }))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(task.state, TaskState.execute)
  assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).sense, SELF_TEST_IN_PROGRESS)
  const { data } = await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))
  assert.deepEqual([readSense(data)!.asc, readSense(data)!.ascq, readSense(data)!.progress], [4, 9, 0])
  store.release()
  await idle(bench)
  assert.equal(task.status, Status.good)
  assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).status, Status.good)
})

// Requirement: SPC-4, Self-Test Results log page: a failure with the address that it was found at.
test('a read that fails: HARDWARE ERROR in the foreground, and a row with LBA and sense', async () => {
  const { bench, store } = await openDisk({}, { size: 4 * MIB })
  store.failNext('read', StoreError.medium, 512 * 7)
  const answer = await send(bench, { selfTestCode: 5 })
  assert.deepEqual([answer.sense, answer.information], [LOGICAL_UNIT_FAILED_SELF_TEST, 7])
  assert.deepEqual(await results(bench), ['5 5 1'])
  const { data } = await bench.run(cdbOf(LOG_SENSE, { pageControl: 1, pageCode: 0x10, allocation: 24 }))
  const row = SELF_TEST_RESULT.read(data, 4)
  assert.deepEqual([row.firstFailure, row.key, row.asc, row.ascq], [7, 3, 0x11, 0])
  assert.equal((await send(bench, { selfTestCode: 5 })).status, Status.good)
})

// Requirement: SPC-4, SEND DIAGNOSTIC command: self-tests in the background, one at a time, and their abort.
test('in the background: the unit works on, tells the progress, and can abort', async () => {
  const { bench, store } = await openDisk({}, { size: 4 * MIB })
  const told = async () => {
    const report = readSense((await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))).data)!
    return [report.asc, report.ascq]
  }
  assert.equal((await send(bench, { selfTestCode: 4 })).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await send(bench, { selfTestCode: 1 })).status, Status.good)
  await idle(bench)
  assert.deepEqual(await told(), [0, 0])
  store.held = true
  assert.equal((await send(bench, { selfTestCode: 2 })).status, Status.good)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(await told(), [4, 9])
  assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).status, Status.good)
  assert.deepEqual(await results(bench), ['2 15 0', '1 0 0'])
  assert.equal((await send(bench, { selfTestCode: 1 })).sense, SELF_TEST_IN_PROGRESS)
  assert.equal((await send(bench, { selfTestCode: 4 })).status, Status.good)
  store.release()
  await idle(bench)
  assert.deepEqual(await results(bench), ['2 1 0', '1 0 0'])
  store.held = true
  await send(bench, { selfTestCode: 2 })
  await new Promise(resolve => setImmediate(resolve))
  bench.device.reset()
  store.release()
  await idle(bench)
  assert.deepEqual(await results(bench), ['2 2 0', '2 1 0', '1 0 0'])
})

// Requirement: SPC-4, Informational Exceptions Control mode page: EWASC enables warnings.
test('a background test that fails warns, where EWASC asks for it', async () => {
  for (const ewasc of [0, 1]) {
    const { bench, store } = await openDisk({}, { size: 4 * MIB })
    const page = EXCEPTIONS.write({ pageCode: 0x1c, length: 10, ewasc, mrie: 6 })
    const list = Buffer.concat([Buffer.alloc(4), page])
    await bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }), { out: list })
    store.failNext('read', StoreError.medium)
    await send(bench, { selfTestCode: 1 })
    await idle(bench)
    const { asc, ascq } = readSense((await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))).data)!
    assert.deepEqual([asc, ascq], ewasc === 1 ? [0x0b, 3] : [0, 0])
  }
})

// Requirement: SPC-4, Self-Test Results log page: the twenty most recent results.
test('twenty results are kept, newest first', async () => {
  const { bench } = await openDisk({}, { size: 4096 })
  for (let i = 0; i < 21; i++) await send(bench, { selfTestCode: i < 20 ? 5 : 6 })
  const rows = await results(bench)
  assert.deepEqual([rows.length, rows[0], rows[19]], [20, '6 0 0', '5 0 0'])
})

test('closing ends a test', async () => {
  const { bench, store } = await openDisk({}, { size: 4 * MIB })
  await send(bench, { selfTestCode: 2 })
  await bench.device.close()
  assert.equal(store.closed, true)
})

// Requirement: SPC-4, SEND DIAGNOSTIC command: combinations of fields.
test('SEND DIAGNOSTIC: wrong fields', async () => {
  const { bench } = await openDisk()
  for (const [values, byte, bit] of [
    [{ selfTest: 1, selfTestCode: 1 }, 1, 7],
    [{ selfTestCode: 3 }, 1, 7],
    [{ selfTestCode: 7 }, 1, 7],
    [{ selfTest: 1, parameterLength: 4 }, 3, 7],
    [{ parameterLength: 4 }, 1, 4],
  ] as const) {
    const { sense, field } = await bench.run(cdbOf(SEND_DIAGNOSTIC, values), { out: Buffer.alloc(4) })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte, bit, inCdb: true }])
  }
  assert.equal((await send(bench, {})).status, Status.good)
})

// Requirement: SPC-4, Supported Diagnostic Pages diagnostic page: it lists the pages there are.
test('diagnostic pages: the list of pages, sent and received', async () => {
  const { bench } = await openDisk()
  const page = (out: number[]) =>
    bench.run(cdbOf(SEND_DIAGNOSTIC, { pf: 1, parameterLength: out.length }), { out: Buffer.from(out) })
  assert.equal((await page([0, 0, 0, 0])).status, Status.good)
  for (const length of [1, 2, 3]) {
    assert.equal((await page(Array(length).fill(0))).sense, PARAMETER_LIST_LENGTH_ERROR)
  }
  for (const [list, byte] of [
    [[1, 0, 0, 0], 0],
    [[0, 1, 0, 0], 1],
    [[0, 0, 0, 1, 0], 2],
  ] as const) {
    assert.deepEqual((await page([...list])).field, { byte, bit: -1, inCdb: false })
  }
  for (const pcv of [0, 1]) {
    const { data } = await bench.run(cdbOf(RECEIVE_DIAGNOSTIC_RESULTS, { pcv, allocation: 100 }))
    assert.equal(data.toString('hex'), '0000000100')
  }
  const { field } = await bench.run(
    cdbOf(RECEIVE_DIAGNOSTIC_RESULTS, { pcv: 1, pageCode: 0x40, allocation: 100 }),
  )
  assert.deepEqual(field, { byte: 2, bit: 7, inCdb: true })
})
