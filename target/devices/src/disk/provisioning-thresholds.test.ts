// SPDX-License-Identifier: Apache-2.0
// Soft thresholds of a thin disk: who may set them, when they are told of, how often, and to whom.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  ERROR_RECOVERY,
  INQUIRY,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_BLOCK_PROVISIONING,
  MODE_SELECT_10,
  MODE_SENSE_10,
  ModeCode,
  PROVISIONING_THRESHOLD,
  PROVISIONING_THRESHOLDS,
  REQUEST_SENSE,
  readSense,
  Status,
} from '@lunkit/spec'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from './disk.test-kit.ts'

const MIB = 2 ** 20
const HEAD = PROVISIONING_THRESHOLDS.length
const SIZE = PROVISIONING_THRESHOLD.length

async function open(context: TestContext) {
  context.mock.timers.enable({ apis: ['setInterval'] })
  const room = { used: 10 * MIB, available: 100 * MIB }
  const opened = await openDisk({}, { maps: true, room })
  context.after(() => opened.disk.thresholds.stop())
  return { ...opened, room }
}

async function pageOf(bench: Bench, pageCode: number, subpage: number, pageControl = 0): Promise<Buffer> {
  const cdb = cdbOf(MODE_SENSE_10, { pageCode, subpage, pageControl, dbd: 1, allocation: 1024 })
  return (await bench.run(cdb)).data.subarray(8)
}

const select = (bench: Bench, page: Uint8Array) => {
  const out = Buffer.concat([Buffer.alloc(8), page])
  return bench.run(cdbOf(MODE_SELECT_10, { pf: 1, parameterLength: out.length }), { out })
}

/** LBPERE on, and these thresholds, in sets of 1 MiB; the others off. */
async function setThresholds(bench: Bench, limits: Readonly<Record<number, number>>, lbpere = 1) {
  const recovery = await pageOf(bench, ModeCode.errorRecovery, 0)
  ERROR_RECOVERY.field.lbpere.set(recovery, 0, lbpere)
  recovery[0]! &= 0x7f
  assert.equal((await select(bench, recovery)).status, Status.good)
  const page = await pageOf(bench, ModeCode.exceptions, 2)
  page[0]! &= 0x7f
  for (let index = 0; index < 4; index++) {
    const limit = limits[index]
    PROVISIONING_THRESHOLD.field.enabled.set(page, HEAD + index * SIZE, limit === undefined ? 0 : 1)
    PROVISIONING_THRESHOLD.field.count.set(page, HEAD + index * SIZE, limit ?? 0)
  }
  return select(bench, page)
}

/** Unit attentions of both nexuses for a threshold, as the places in the mode page that they name. */
function told(bench: Bench): (number | undefined)[][] {
  return bench.nexusUnits.map(one => {
    const found = one.attentions.filter(({ asc, ascq }) => asc === 0x38 && ascq === 0x07)
    one.attentions.length = 0
    return found.map(({ information }) => information)
  })
}

// Requirement: SBC-4, Logical Block Provisioning mode page: one descriptor a threshold; only ENABLED and the count are the initiator's.
test('the page tells which thresholds there are', async context => {
  const { bench } = await open(context)
  const page = await pageOf(bench, ModeCode.exceptions, 2)
  assert.equal(page.readUInt16BE(2), page.length - 4)
  const rows = [0, 1, 2, 3].map(index => PROVISIONING_THRESHOLD.read(page, HEAD + index * SIZE))
  assert.deepEqual(
    rows.map(({ enabled, type, arming, resource, count }) => [enabled, type, arming, resource, count]),
    [
      [0, 0, 0, 1, 0],
      [0, 0, 0, 1, 0],
      [0, 0, 1, 2, 0],
      [0, 0, 1, 2, 0],
    ],
  )
  const cdb = cdbOf(INQUIRY, { evpd: 1, pageCode: 0xb2, allocation: 255 })
  const { thresholdExponent } = LOGICAL_BLOCK_PROVISIONING.read((await bench.run(cdb)).data)
  assert.equal(thresholdExponent, 11)
  for (const byte of [HEAD, HEAD + 1]) {
    const wrong = Buffer.from(page)
    wrong[0]! &= 0x7f
    wrong[byte]! ^= 1
    const { sense, field } = await select(bench, wrong)
    assert.deepEqual([sense, field?.byte], [INVALID_FIELD_IN_PARAMETER_LIST, 8 + byte])
  }
})

test('a disk without usage or without UNMAP has no thresholds, and says so', async () => {
  for (const options of [{ maps: true }, { room: { used: 0, available: 0 } }]) {
    const { bench } = await openDisk({}, options)
    assert.equal((await pageOf(bench, ModeCode.exceptions, 2)).length, 0)
    const cdb = cdbOf(INQUIRY, { evpd: 1, pageCode: 0xb2, allocation: 255 })
    assert.equal(LOGICAL_BLOCK_PROVISIONING.read((await bench.run(cdb)).data).thresholdExponent, 0)
    const recovery = await pageOf(bench, ModeCode.errorRecovery, 0, 1)
    assert.equal(ERROR_RECOVERY.read(recovery).lbpere, 0)
  }
})

// Requirement: SBC-4, Logical block provisioning thresholds: one unit attention for each nexus when a threshold is crossed, with its
// descriptor's place in INFORMATION, and none again before the resource was on the other side.
test('each crossing is told once to each nexus', async context => {
  const { bench, disk, room } = await open(context)
  const look = () => disk.thresholds.look()
  assert.equal((await setThresholds(bench, { 0: 50, 3: 20 })).status, Status.good)
  await look()
  assert.deepEqual(told(bench), [[], []])
  room.available = 50.5 * MIB
  await look()
  assert.deepEqual(told(bench), [[HEAD], [HEAD]])
  room.available = 40 * MIB
  await look()
  await look()
  assert.deepEqual(told(bench), [[], []], 'one crossing, one notice')
  room.available = 60 * MIB
  await look()
  room.available = 30 * MIB
  room.used = 19.5 * MIB
  await look()
  const fourth = HEAD + 3 * SIZE
  assert.deepEqual(told(bench), [
    [HEAD, fourth],
    [HEAD, fourth],
  ])
})

test('a threshold that is set beyond what is there is told at once', async context => {
  const { bench, disk } = await open(context)
  assert.equal((await setThresholds(bench, { 1: 1000 })).status, Status.good)
  await disk.thresholds.idle()
  assert.deepEqual(told(bench), [[HEAD + SIZE], [HEAD + SIZE]])
  await setThresholds(bench, { 1: 999 })
  await disk.thresholds.idle()
  assert.deepEqual(told(bench)[0], [HEAD + SIZE], 'a threshold that was changed is a new one')
})

// Requirement: SBC-4, Read-Write Error Recovery mode page: LBPERE zero, no threshold is told of.
test('nothing is told, and the store is not asked, while no threshold counts', async context => {
  const { bench, store, disk, room } = await open(context)
  let asked = 0
  const usage = store.usage!
  const counted = () => {
    asked++
    return usage()
  }
  Object.assign(store, { usage: counted })
  room.available = 0
  await setThresholds(bench, { 0: 50 }, 0)
  context.mock.timers.tick(60_000)
  await disk.thresholds.idle()
  assert.deepEqual([asked, told(bench)], [0, [[], []]])
  await setThresholds(bench, { 0: 50 })
  await disk.thresholds.idle()
  told(bench)
  const before = asked
  for (let look = 0; look < 3; look++) {
    context.mock.timers.tick(5000)
    await disk.thresholds.idle()
  }
  assert.equal(asked - before, 3, 'looked at now and then')
  await setThresholds(bench, {})
  const last = asked
  context.mock.timers.tick(60_000)
  assert.equal(asked, last)
})

test('a store that cannot tell, or that fails, is asked again', async context => {
  const { bench, store, disk, room } = await open(context)
  await setThresholds(bench, { 0: 50 })
  await disk.thresholds.idle()
  room.available = 0
  const usage = store.usage!
  for (const answer of [async () => null, () => Promise.reject(new Error('away'))]) {
    Object.assign(store, { usage: answer })
    await disk.thresholds.look()
    assert.deepEqual(told(bench), [[], []])
  }
  Object.assign(store, { usage })
  await disk.thresholds.look()
  assert.deepEqual(told(bench)[0], [HEAD])
})

test('REQUEST SENSE brings the place, too', async context => {
  const { bench, disk, room } = await open(context)
  await setThresholds(bench, { 0: 50 })
  await disk.thresholds.idle()
  for (const one of bench.nexusUnits) one.attentions.length = 0
  room.available = 0
  await disk.thresholds.look()
  const { data } = await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }), { nexus: 1 })
  const found = readSense(data)
  assert.deepEqual([found?.key, found?.asc, found?.ascq, found?.information], [6, 0x38, 0x07, HEAD])
})
