// SPDX-License-Identifier: Apache-2.0
// The informational exception that TEST raises, in each way of reporting.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import {
  EXCEPTIONS,
  INVALID_FIELD_IN_PARAMETER_LIST,
  MODE_SELECT_6,
  MODE_SENSE_6,
  ModeCode,
  REQUEST_SENSE,
  readSense,
  SenseKey,
  Status,
} from '@lunkit/spec'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

async function select(bench: Bench, values: Partial<Record<keyof typeof EXCEPTIONS.field, number>>) {
  const cdb = cdbOf(MODE_SENSE_6, { dbd: 1, pageCode: ModeCode.exceptions, allocation: 255 })
  const list = (await bench.run(cdb)).data
  list.fill(0, 0, 4)
  EXCEPTIONS.write(values, list, 4)
  return bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }), { out: list })
}

async function told(bench: Bench): Promise<number[]> {
  const { data } = await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))
  const { key, asc, ascq } = readSense(data)!
  return [key, asc, ascq]
}

/** Unit attentions 5Dh/FFh of both nexuses since the last time. */
const raised = (bench: Bench): number[] =>
  bench.nexusUnits.map(
    ({ attentions }) =>
      attentions
        .splice(0)
        .filter(one => one.asc === 0x5d && one.ascq === 0xff && one.key === SenseKey.unitAttention).length,
  )

test('on request: REQUEST SENSE tells it until TEST is taken back', async () => {
  const { bench } = await openDisk()
  assert.equal((await select(bench, { test: 1 })).status, Status.good)
  assert.deepEqual(raised(bench), [0, 0])
  for (let i = 0; i < 2; i++) assert.deepEqual(await told(bench), [0, 0x5d, 0xff])
  await select(bench, { test: 0 })
  assert.deepEqual(await told(bench), [0, 0, 0])
})

test('as unit attentions: as often as REPORT COUNT says, in INTERVAL TIMER', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.after(() => mock.timers.reset())
  const { bench } = await openDisk()
  await select(bench, { test: 1, mrie: 2, interval: 10, reportCount: 3 })
  assert.deepEqual(raised(bench), [1, 1])
  for (const expected of [1, 1, 0, 0]) {
    mock.timers.tick(999)
    assert.deepEqual(raised(bench), [0, 0])
    mock.timers.tick(1)
    assert.deepEqual(raised(bench), [expected, expected])
  }
  assert.deepEqual(await told(bench), [0, 0, 0])
  // Without an interval, once.
  await select(bench, { test: 0 })
  await select(bench, { test: 1, interval: 0, reportCount: 0 })
  assert.deepEqual(raised(bench), [1, 1])
  mock.timers.tick(100_000)
  assert.deepEqual(raised(bench), [0, 0])
})

test('never: with MRIE zero, and with DEXCPT, which does not go with TEST', async () => {
  const { bench } = await openDisk()
  await select(bench, { test: 1, mrie: 0 })
  assert.deepEqual(raised(bench), [0, 0])
  assert.deepEqual(await told(bench), [0, 0, 0])
  const { sense, field } = await select(bench, { test: 1, dexcpt: 1 })
  assert.deepEqual([sense, field], [INVALID_FIELD_IN_PARAMETER_LIST, { byte: 6, bit: 2, inCdb: false }])
  assert.equal((await select(bench, { test: 0, dexcpt: 1, mrie: 6 })).status, Status.good)
  assert.deepEqual(await told(bench), [0, 0, 0])
})

test('ways of reporting that are not there are refused', async () => {
  const { bench } = await openDisk()
  for (const mrie of [1, 3, 4, 5, 7, 15]) {
    const { sense, field } = await select(bench, { mrie })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_PARAMETER_LIST, { byte: 7, bit: 3, inCdb: false }])
  }
})

test('a reset ends a test', async () => {
  const { bench } = await openDisk()
  await select(bench, { test: 1 })
  bench.device.reset()
  assert.deepEqual(await told(bench), [0, 0, 0])
})
