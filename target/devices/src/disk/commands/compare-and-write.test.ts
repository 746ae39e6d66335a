// SPDX-License-Identifier: Apache-2.0
// COMPARE AND WRITE and ORWRITE: what they change, and that no other write comes between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  LBA_OUT_OF_RANGE,
  MEDIUM_NOT_PRESENT,
  MISCOMPARE_DURING_VERIFY_OPERATION,
  ORWRITE_16,
  Status,
  UNRECOVERED_READ_ERROR,
  WRITE_10,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

for (const later of [false, true]) {
  const when = later ? 'later' : 'at once'

  test(`COMPARE AND WRITE writes where all is as expected: ${when}`, async () => {
    for (const [block, blocks] of [
      [512, 1],
      [512, 255],
      [4096, 100],
    ] as const) {
      const { bench, store } = await openDisk({ block }, { later })
      const length = block * blocks
      const old = Buffer.from(store.bytes.subarray(2 * block, 2 * block + length))
      const fresh = Buffer.alloc(length, 0x99)
      const wanted = Buffer.from(store.bytes)
      fresh.copy(wanted, 2 * block)
      const cdb = cdbOf(COMPARE_AND_WRITE, { lba: 2, blocks })
      const answer = await bench.run(cdb, { out: Buffer.concat([old, fresh]) })
      assert.deepEqual([answer.status, answer.outLength], [Status.good, 2 * length])
      assert.deepEqual(store.bytes, wanted)
      store.takeCalls()
      const again = await bench.run(cdb, { out: Buffer.concat([old, old]) })
      assert.equal(again.sense, MISCOMPARE_DURING_VERIFY_OPERATION)
      assert.equal(again.information, 0)
      assert.deepEqual(store.bytes, wanted)
      const almost = Buffer.from(fresh)
      almost[length - 1]! ^= 1
      const last = await bench.run(cdb, { out: Buffer.concat([almost, old]) })
      assert.equal(last.information, length - 1)
      assert.ok(store.takeCalls().every(call => call.startsWith('read')))
    }
  })

  test(`ORWRITE sets bits: ${when}`, async () => {
    const { bench, store } = await openDisk({}, { later })
    const length = 700 * 512
    const out = Buffer.from(Array.from({ length }, (_, index) => index >> 3))
    const wanted = Buffer.from(store.bytes)
    for (let i = 0; i < length; i++) wanted[512 + i]! |= out[i]!
    assert.equal((await bench.run(cdbOf(ORWRITE_16, { lba: 1, blocks: 700 }), { out })).status, Status.good)
    assert.deepEqual(store.bytes, wanted)
  })
}

test('FUA and a cache that is off: durable', async () => {
  for (const [values, fua] of [
    [{}, 1],
    [{ wce: false }, 0],
  ] as const) {
    const { bench, store } = await openDisk(values)
    const old = Buffer.from(store.bytes.subarray(0, 512))
    await bench.run(cdbOf(COMPARE_AND_WRITE, { blocks: 1, fua }), {
      out: Buffer.concat([old, Buffer.alloc(512)]),
    })
    await bench.run(cdbOf(ORWRITE_16, { blocks: 1, fua }), { out: Buffer.alloc(512, 3) })
    assert.deepEqual(store.durable, store.bytes)
  }
})

// Requirement: SBC-4, COMPARE AND WRITE command: no blocks are no error; a transfer that is too short is refused.
test('no blocks, less data than needed, store errors', async () => {
  const { bench, store } = await openDisk()
  for (const command of [COMPARE_AND_WRITE, ORWRITE_16]) {
    assert.equal((await bench.run(cdbOf(command, { lba: 4096 }))).status, Status.good)
    assert.equal((await bench.run(cdbOf(command, { lba: 4096, blocks: 1 }))).sense, LBA_OUT_OF_RANGE)
    const broken = await bench.run(cdbOf(command, { blocks: 1 }), { out: Buffer.alloc(200) })
    const compares = command === COMPARE_AND_WRITE
    assert.equal(broken.sense, compares ? INVALID_FIELD_IN_CDB : INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
  }
  // 256 blocks, with a field of one byte
  const cut = await bench.run(cdbOf(COMPARE_AND_WRITE, { blocks: 0 }), { out: Buffer.alloc(512 * 512) })
  assert.equal(cut.sense, INVALID_FIELD_IN_CDB)
  const half = await bench.run(cdbOf(COMPARE_AND_WRITE, { blocks: 1 }), { out: Buffer.alloc(512) })
  assert.equal(half.sense, INVALID_FIELD_IN_CDB)
  assert.deepEqual(store.takeCalls(), [])
  const same = Buffer.from(store.bytes.subarray(0, 512))
  for (const [command, out] of [
    [COMPARE_AND_WRITE, Buffer.concat([same, same])],
    [ORWRITE_16, same],
  ] as const) {
    store.failNext('read', StoreError.medium)
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }), { out })).sense, UNRECOVERED_READ_ERROR)
    store.failNext('write', StoreError.medium)
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }), { out })).sense, WRITE_ERROR)
    // Nothing is left behind.
    assert.equal((await bench.run(cdbOf(WRITE_10, { blocks: 1 }), { out: same })).status, Status.good)
  }
})

test('refused: fields that are not served, a medium that is out', async () => {
  const { bench, disk } = await openDisk()
  const out = Buffer.alloc(1024)
  for (const command of [COMPARE_AND_WRITE, ORWRITE_16]) {
    for (const values of [{ protect: 1 }]) {
      assert.equal(
        (await bench.run(cdbOf(command, { blocks: 1, ...values }), { out })).sense,
        INVALID_FIELD_IN_CDB,
      )
    }
    disk.notReady = MEDIUM_NOT_PRESENT
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }), { out })).sense, MEDIUM_NOT_PRESENT)
    disk.notReady = null
  }
})
