// SPDX-License-Identifier: Apache-2.0
// SYNCHRONIZE CACHE: durable before GOOD, or soon after with IMMED, and no error is lost.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  LBA_OUT_OF_RANGE,
  MEDIUM_NOT_PRESENT,
  Status,
  SYNCHRONIZE_CACHE_10,
  SYNCHRONIZE_CACHE_16,
  WRITE_10,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

const ROWS = [SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16] as const

for (const later of [false, true]) {
  test(`GOOD means durable: ${later ? 'later' : 'at once'}`, async () => {
    for (const command of ROWS) {
      const { bench, store } = await openDisk({}, { later })
      await bench.run(cdbOf(WRITE_10, { blocks: 1 }), { out: Buffer.alloc(512, 8) })
      assert.notDeepEqual(store.durable, store.bytes)
      assert.equal((await bench.run(cdbOf(command, { lba: 9, blocks: 1 }))).status, Status.good)
      assert.deepEqual(store.durable, store.bytes)
    }
  })

  test(`IMMED is answered at once, and close waits for the flush: ${later ? 'later' : 'at once'}`, async () => {
    for (const command of ROWS) {
      const { bench, store } = await openDisk({}, { later })
      store.held = true
      for (let i = 0; i < 3; i++) {
        assert.equal((await bench.run(cdbOf(command, { immed: 1 }))).status, Status.good)
      }
      assert.deepEqual(store.takeCalls(), ['flush'])
      const closed = bench.device.close()
      await new Promise(resolve => setImmediate(resolve))
      assert.equal(store.closed, false)
      store.release()
      await closed
      assert.equal(store.closed, true)
      // The later ones of the three share one flush with that of close.
      assert.deepEqual(store.takeCalls(), ['flush'])
    }
  })
}

// Requirement: SBC-4, SYNCHRONIZE CACHE (10) command: an error of an earlier write-back is not lost.
test('errors: of this flush, and of one that nobody waited for', async () => {
  for (const command of ROWS) {
    const { bench, store } = await openDisk()
    store.failNext('flush', StoreError.medium)
    assert.equal((await bench.run(cdbOf(command))).sense, WRITE_ERROR)
    store.failNext('flush', StoreError.medium)
    assert.equal((await bench.run(cdbOf(command, { immed: 1 }))).status, Status.good)
    assert.equal((await bench.run(cdbOf(command))).sense, WRITE_ERROR)
    assert.equal((await bench.run(cdbOf(command))).status, Status.good)
  }
})

test('a store that cannot be written is not flushed', async () => {
  const { bench, store } = await openDisk({}, { canWrite: false })
  for (const command of ROWS) {
    for (const immed of [0, 1]) assert.equal((await bench.run(cdbOf(command, { immed }))).status, Status.good)
  }
  assert.deepEqual(store.takeCalls(), [])
})

test('refused: blocks that are not there, a medium that is out', async () => {
  const { bench, disk } = await openDisk({ removable: true })
  for (const command of ROWS) {
    assert.equal((await bench.run(cdbOf(command, { lba: 4095, blocks: 2 }))).sense, LBA_OUT_OF_RANGE)
    disk.notReady = MEDIUM_NOT_PRESENT
    assert.equal((await bench.run(cdbOf(command, { immed: 1 }))).sense, MEDIUM_NOT_PRESENT)
    disk.notReady = null
  }
})
