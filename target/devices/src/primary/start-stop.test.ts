// SPDX-License-Identifier: Apache-2.0
// START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL and TEST UNIT READY, alone and together.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED as MEDIUM_CHANGED,
  MEDIUM_NOT_PRESENT,
  MEDIUM_REMOVAL_PREVENTED,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  READ_10,
  type SenseCode,
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

const command = (bench: Bench, values: Record<string, number>, nexus: 0 | 1 = 0) =>
  bench.run(cdbOf(START_STOP_UNIT, values), { nexus })
const prevent = (bench: Bench, value: number, nexus: 0 | 1 = 0) =>
  bench.run(cdbOf(PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: value }), { nexus })

async function state(bench: Bench): Promise<SenseCode | null> {
  const ready = await bench.run(cdbOf(TEST_UNIT_READY))
  const read = await bench.run(cdbOf(READ_10, { blocks: 1 }))
  assert.equal(ready.sense, read.sense)
  return ready.sense
}

for (const immed of [0, 1]) {
  test(`a fixed disk stops and starts, its cache flushed: IMMED ${immed}`, async () => {
    const { bench, store } = await openDisk()
    assert.equal(await state(bench), null)
    await bench.run(cdbOf(WRITE_10, { blocks: 1 }), { out: Buffer.alloc(512, 5) })
    assert.equal((await command(bench, { immed })).status, Status.good)
    assert.equal(await state(bench), STOPPED)
    assert.deepEqual(store.durable, store.bytes)
    assert.equal((await command(bench, { immed, start: 1 })).status, Status.good)
    assert.equal(await state(bench), null)
  })

  test(`a removable medium goes out and in, and the other nexus hears of it: IMMED ${immed}`, async () => {
    const { bench } = await openDisk({ removable: true })
    for (let round = 0; round < 2; round++) {
      assert.equal((await command(bench, { immed, loej: 1 })).status, Status.good)
      assert.equal(await state(bench), MEDIUM_NOT_PRESENT)
      assert.equal((await command(bench, { immed, loej: 1 })).status, Status.good)
      assert.equal((await command(bench, { immed, start: 1 })).sense, MEDIUM_NOT_PRESENT)
      assert.deepEqual(bench.nexusUnits[1]!.attentions.splice(0), [])
      assert.equal((await command(bench, { immed, loej: 1, start: 1 })).status, Status.good)
      assert.equal(await state(bench), null)
      assert.deepEqual(bench.nexusUnits[1]!.attentions.splice(0), [MEDIUM_CHANGED])
      assert.equal((await command(bench, { immed, loej: 1, start: 1 })).status, Status.good)
      assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
    }
  })
}

test('without LOEJ a removable medium stays ready', async () => {
  const { bench } = await openDisk({ removable: true })
  for (const values of [{}, { immed: 1 }, { noFlush: 1 }, { start: 1 }]) {
    assert.equal((await command(bench, values)).status, Status.good)
    assert.equal(await state(bench), null)
  }
})

test('NO_FLUSH stops at once; a flush that fails stops nothing', async () => {
  const { bench, store } = await openDisk()
  assert.equal((await command(bench, { noFlush: 1 })).status, Status.good)
  assert.deepEqual(store.takeCalls(), [])
  await command(bench, { start: 1 })
  store.failNext('flush', StoreError.medium)
  assert.equal((await command(bench, {})).sense, WRITE_ERROR)
  assert.equal(await state(bench), null)
})

test('a removable medium has no power conditions: each is reached at once, LOEJ and START notwithstanding', async () => {
  const { bench } = await openDisk({ removable: true })
  for (let powerCondition = 1; powerCondition < 16; powerCondition++) {
    assert.equal((await command(bench, { powerCondition, loej: 1, immed: 1 })).status, Status.good)
    assert.equal(await state(bench), null)
  }
})

test('LOEJ on a fixed disk is refused', async () => {
  const { bench } = await openDisk()
  for (const start of [0, 1]) {
    const { sense, field } = await command(bench, { loej: 1, start })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 4, bit: 1, inCdb: true }])
  }
})

// Requirement: SPC-4, PREVENT ALLOW MEDIUM REMOVAL command: one nexus that prevents removal holds the medium for all.
test('a removal that any nexus prevents', async () => {
  const { bench } = await openDisk({ removable: true })
  assert.equal((await prevent(bench, 1, 1)).status, Status.good)
  for (const nexus of [0, 1] as const) {
    for (const start of [0, 1]) {
      assert.equal((await command(bench, { loej: 1, start }, nexus)).sense, MEDIUM_REMOVAL_PREVENTED)
    }
  }
  assert.equal(await state(bench), null)
  await prevent(bench, 1)
  await prevent(bench, 0, 1)
  assert.equal((await command(bench, { loej: 1 })).sense, MEDIUM_REMOVAL_PREVENTED)
  await prevent(bench, 0)
  assert.equal((await command(bench, { loej: 1 })).status, Status.good)
  for (const value of [2, 3]) {
    const { sense, field } = await prevent(bench, value)
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 4, bit: 1, inCdb: true }])
  }
})

// Requirement: SBC-4, START STOP UNIT command: a reset starts a stopped unit and does not bring back an ejected medium.
test('a reset starts a stopped disk, and leaves an ejected medium out', async () => {
  const fixed = await openDisk()
  await command(fixed.bench, {})
  fixed.bench.device.reset()
  assert.equal(await state(fixed.bench), null)
  const removable = await openDisk({ removable: true })
  await command(removable.bench, { loej: 1 })
  removable.bench.device.reset()
  assert.equal(await state(removable.bench), MEDIUM_NOT_PRESENT)
})
