// SPDX-License-Identifier: Apache-2.0
// READ: the right bytes, residuals, errors, and what FUA asks of the cache.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  MEDIUM_NOT_PRESENT,
  READ_6,
  READ_10,
  READ_12,
  READ_16,
  READ_32,
  Status,
  UNRECOVERED_READ_ERROR,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

const ROWS = [READ_6, READ_10, READ_12, READ_16, READ_32] as const

for (const later of [false, true]) {
  for (const block of [512, 4096]) {
    test(`brings its blocks: ${block} bytes, ${later ? 'later' : 'at once'}`, async () => {
      const { bench, store } = await openDisk({ block }, { later })
      for (const command of ROWS) {
        const { status, data, inLength } = await bench.run(cdbOf(command, { lba: 3, blocks: 5 }))
        assert.equal(status, Status.good, command.name)
        assert.equal(inLength, 5 * block)
        assert.deepEqual(data, store.bytes.subarray(3 * block, 8 * block), command.name)
      }
      assert.deepEqual(store.takeCalls(), Array(ROWS.length).fill(`read ${3 * block}+${5 * block}`))
    })
  }
}

test('a transfer longer than one pooled buffer is whole', async () => {
  const { bench, store } = await openDisk()
  const { data } = await bench.run(cdbOf(READ_10, { lba: 1, blocks: 2001 }))
  assert.deepEqual(data, store.bytes.subarray(512, 512 + 2001 * 512))
})

// Requirement: SBC-4, READ (10) command: no blocks are no error.
test('no blocks: GOOD, and the store is not asked; READ (6) means 256', async () => {
  const { bench, store } = await openDisk()
  for (const command of [READ_10, READ_12, READ_16, READ_32]) {
    const { status, inLength } = await bench.run(cdbOf(command, { lba: 4096 }))
    assert.deepEqual([status, inLength], [Status.good, 0])
  }
  assert.deepEqual(store.takeCalls(), [])
  assert.equal((await bench.run(cdbOf(READ_6))).inLength, 256 * 512)
})

test('the initiator takes less or more: only that is read, in whole blocks, and the length stays that of the command', async () => {
  const { bench, store } = await openDisk()
  for (const expectedIn of [0, 200, 512, 10_000]) {
    const { status, inLength, data } = await bench.run(cdbOf(READ_10, { lba: 7, blocks: 2 }), { expectedIn })
    assert.deepEqual([status, inLength], [Status.good, 1024])
    assert.deepEqual(data, store.bytes.subarray(7 * 512, 7 * 512 + Math.min(expectedIn, 1024)))
  }
  assert.deepEqual(store.takeCalls(), ['read 3584+512', 'read 3584+512', 'read 3584+1024'])
})

test('fields that the disk does not serve are refused with their place', async () => {
  const { bench, store } = await openDisk()
  for (const command of [READ_10, READ_12, READ_16, READ_32]) {
    for (const values of [{ protect: 1 }, { rarc: 1 }]) {
      const { sense, field } = await bench.run(cdbOf(command, { blocks: 1, ...values }))
      assert.equal(sense, INVALID_FIELD_IN_CDB, `${command.name} ${Object.keys(values)}`)
      assert.equal(field?.inCdb, true)
    }
    assert.equal((await bench.run(cdbOf(command, { lba: 4095, blocks: 2 }))).sense, LBA_OUT_OF_RANGE)
    assert.equal((await bench.run(cdbOf(command, { blocks: 1, dpo: 1, group: 5 }))).status, Status.good)
  }
  assert.equal(store.takeCalls().length, 4)
})

// Requirement: SBC-4, READ (10) command: FUA set to one: the blocks are on the medium before they are returned.
test('FUA: what is only in the cache is made durable first', async () => {
  const { bench, store } = await openDisk()
  const { data } = await bench.run(cdbOf(READ_16, { lba: 1, blocks: 1, fua: 1 }))
  assert.deepEqual(data, store.bytes.subarray(512, 1024))
  assert.deepEqual(store.takeCalls(), ['flush', 'read 512+512'])
  store.failNext('flush', StoreError.medium)
  assert.equal((await bench.run(cdbOf(READ_16, { blocks: 1, fua: 1 }))).sense, WRITE_ERROR)
  const through = await openDisk({ wce: false })
  await through.bench.run(cdbOf(READ_16, { blocks: 1, fua: 1 }))
  assert.deepEqual(through.store.takeCalls(), ['read 0+512'])
})

// Requirement: SBC-4, READ (10) command: an unrecovered error is a MEDIUM ERROR with the LBA in INFORMATION.
test('store errors: sense, and the LBA where it is known', async () => {
  for (const [error, sense] of [
    [StoreError.medium, UNRECOVERED_READ_ERROR],
    [StoreError.gone, LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE],
    [StoreError.internal, INTERNAL_TARGET_FAILURE],
  ] as const) {
    const { bench, store } = await openDisk({ block: 4096 })
    store.failNext('read', error, 5 * 4096 + 17)
    const answer = await bench.run(cdbOf(READ_16, { lba: 4, blocks: 3 }))
    assert.equal(answer.sense, sense)
    assert.equal(answer.information, 5)
    assert.equal(answer.data.length, 0)
    store.failNext('read', error)
    assert.equal((await bench.run(cdbOf(READ_16, { lba: 4, blocks: 3 }))).information, -1)
  }
})

test('without a medium nothing is read', async () => {
  const { bench, store, disk } = await openDisk({ removable: true })
  disk.notReady = MEDIUM_NOT_PRESENT
  for (const command of ROWS) {
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }))).sense, MEDIUM_NOT_PRESENT)
  }
  assert.deepEqual(store.takeCalls(), [])
})
