// SPDX-License-Identifier: Apache-2.0
// Power conditions by command and by timer, what REQUEST SENSE tells of them, and how they end.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  MODE_SELECT_6,
  MODE_SENSE_6,
  ModeCode,
  POWER_CONDITION,
  READ_10,
  REQUEST_SENSE,
  readSense,
  START_STOP_UNIT,
  LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED as STOPPED,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const command = (bench: Bench, powerCondition: number, powerConditionModifier = 0, more = {}) =>
  bench.run(cdbOf(START_STOP_UNIT, { powerCondition, powerConditionModifier, ...more }))

/** ASC and ASCQ that REQUEST SENSE tells, as `5e/3`. */
async function told(bench: Bench): Promise<string> {
  const { data } = await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))
  const { key, asc, ascq } = readSense(data)!
  assert.ok(key === 0 || asc === 4)
  return `${asc.toString(16)}/${ascq.toString(16)}`
}

const read = (bench: Bench) => bench.run(cdbOf(READ_10, { blocks: 1 }))

/** MODE SELECT of page 1Ah with these fields. */
async function timers(bench: Bench, values: Partial<Record<keyof typeof POWER_CONDITION.field, number>>) {
  const cdb = cdbOf(MODE_SENSE_6, { dbd: 1, pageCode: ModeCode.powerCondition, allocation: 255 })
  const list = (await bench.run(cdb)).data
  list.fill(0, 0, 4)
  POWER_CONDITION.write(values, list, 4)
  return bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }), { out: list })
}

/** POWER CONDITION, its modifier, and the additional sense that tells of it. */
const CHOSEN = [
  [2, 0, '5e/3'],
  [2, 1, '5e/6'],
  [2, 2, '5e/8'],
  [3, 0, '5e/4'],
  [3, 1, '5e/a'],
  [0xa, 0, '5e/1'],
  [0xa, 1, '5e/5'],
  [0xa, 2, '5e/7'],
  [0xb, 0, '5e/2'],
  [0xb, 1, '5e/9'],
] as const

for (const [condition, modifier, sense] of CHOSEN) {
  test(`POWER CONDITION ${condition.toString(16)}h/${modifier}: told as ${sense}, and left for a read`, async () => {
    const { bench } = await openDisk()
    assert.equal(await told(bench), '0/0')
    assert.equal((await command(bench, condition, modifier)).status, Status.good)
    assert.equal(await told(bench), sense)
    assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).status, Status.good)
    assert.equal(await told(bench), sense)
    assert.equal((await read(bench)).status, Status.good)
    assert.equal(await told(bench), '0/0')
    await command(bench, condition, modifier)
    assert.equal((await command(bench, 1)).status, Status.good)
    assert.equal(await told(bench), '0/0')
    await command(bench, condition, modifier)
    bench.device.reset()
    assert.equal(await told(bench), '0/0')
  })
}

test('values that are none are refused, with their place', async () => {
  const { bench } = await openDisk()
  for (const condition of [4, 5, 6, 8, 9, 0xc, 0xf]) {
    const { sense, field } = await command(bench, condition)
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 4, bit: 7, inCdb: true }])
  }
  for (const [condition, modifier] of [
    [1, 1],
    [2, 3],
    [3, 2],
    [7, 1],
    [0xa, 3],
    [0xb, 2],
  ] as const) {
    const { sense, field } = await command(bench, condition, modifier)
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 3, bit: 3, inCdb: true }])
  }
})

test('standby makes durable what is cached, unless NO_FLUSH; idle does not', async () => {
  for (const immed of [0, 1]) {
    const { bench, store } = await openDisk()
    await bench.run(cdbOf(WRITE_10, { blocks: 1 }), { out: Buffer.alloc(512, 9) })
    await command(bench, 2, 0, { immed })
    await command(bench, 3, 0, { immed, noFlush: 1 })
    assert.notDeepEqual(store.durable, store.bytes)
    await command(bench, 3, 0, { immed })
    assert.deepEqual(store.durable, store.bytes)
  }
  const { bench, store } = await openDisk()
  store.failNext('flush', StoreError.medium)
  assert.equal((await command(bench, 3)).sense, WRITE_ERROR)
  assert.equal(await told(bench), '0/0')
})

test('a stopped disk: a condition starts it, timers and their force do not', async () => {
  const { bench } = await openDisk()
  for (const condition of [1, 2, 3]) {
    await bench.run(cdbOf(START_STOP_UNIT))
    assert.equal(await told(bench), `4/${STOPPED.ascq}`)
    for (const forced of [7, 0xa, 0xb]) assert.equal((await command(bench, forced)).status, Status.good)
    assert.equal(await told(bench), `4/${STOPPED.ascq}`)
    await command(bench, condition)
    assert.equal((await read(bench)).status, Status.good)
  }
})

test('timers: each condition in its turn, anew after each use of the medium', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.after(() => mock.timers.reset())
  const { bench, store } = await openDisk()
  const wait = (ms: number): void => mock.timers.tick(ms)
  const all = { idleA: 1, idleB: 1, idleC: 1, standbyY: 1, standbyZ: 1 }
  const times = { idleATimer: 2, idleBTimer: 4, idleCTimer: 6, standbyYTimer: 8, standbyZTimer: 10 }
  assert.equal((await timers(bench, { ...all, ...times })).status, Status.good)
  const seen: string[] = []
  for (let i = 0; i < 11; i++) {
    wait(100)
    seen.push(await told(bench))
  }
  assert.deepEqual(seen.join(' '), '0/0 5e/1 5e/1 5e/5 5e/5 5e/7 5e/7 5e/9 5e/9 5e/2 5e/2')
  assert.deepEqual(store.takeCalls(), ['flush'])
  await read(bench)
  assert.equal(await told(bench), '0/0')
  wait(100)
  await read(bench)
  wait(200)
  assert.equal(await told(bench), '0/0')
  wait(100)
  assert.equal(await told(bench), '5e/1')
  // One that is chosen stays until control is given back.
  await command(bench, 1)
  wait(2000)
  assert.equal(await told(bench), '0/0')
  await command(bench, 7)
  wait(200)
  assert.equal(await told(bench), '5e/1')
  // A timer that is not enabled does nothing.
  await timers(bench, { idleA: 0, idleB: 0, idleC: 0, standbyY: 0 })
  await read(bench)
  wait(1000)
  assert.equal(await told(bench), '0/0')
  wait(100)
  assert.equal(await told(bench), '5e/2')
  await bench.device.close()
})

test('a timer of zero runs out at once, and a reset begins all anew', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.after(() => mock.timers.reset())
  const { bench } = await openDisk()
  await timers(bench, { standbyZ: 1 })
  mock.timers.tick(100)
  assert.equal(await told(bench), '5e/2')
  bench.device.reset()
  mock.timers.tick(1000)
  assert.equal(await told(bench), '0/0')
})
