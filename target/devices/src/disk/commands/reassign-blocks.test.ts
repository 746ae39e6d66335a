// SPDX-License-Identifier: Apache-2.0
// REASSIGN BLOCKS: readable blocks stay as they are, others are written anew; lists of both widths, and wrong ones.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  LBA_OUT_OF_RANGE,
  PARAMETER_LIST_LENGTH_ERROR,
  REASSIGN_BLOCKS,
  REASSIGN_LONG_HEADER,
  REASSIGN_SHORT_HEADER,
  Status,
  UNRECOVERED_READ_ERROR,
  WRITE_ERROR,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

function listOf(lbas: readonly number[], longlba: number, longlist: number): Buffer {
  const width = longlba === 1 ? 8 : 4
  const header = longlist === 1 ? REASSIGN_LONG_HEADER : REASSIGN_SHORT_HEADER
  const list = Buffer.alloc(4 + lbas.length * width)
  header.write({ length: lbas.length * width }, list)
  lbas.forEach((lba, index) => void list.writeUInt32BE(lba, 4 + (index + 1) * width - 4))
  return list
}

// Requirement: SBC-4, REASSIGN BLOCKS command: the blocks named can be read afterwards, and those that could be keep their data.
test('blocks that can be read keep their data, others become zeros', async () => {
  for (const [longlba, longlist] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const) {
    const { bench, store } = await openDisk()
    const wanted = Buffer.from(store.bytes)
    store.failNext('read', StoreError.medium)
    const out = listOf([3, 7, 9], longlba, longlist)
    assert.equal(
      (await bench.run(cdbOf(REASSIGN_BLOCKS, { longlba, longlist }), { out })).status,
      Status.good,
    )
    assert.deepEqual(store.takeCalls(), [
      'read 1536+512',
      'write 1536+512 fua',
      'read 3584+512',
      'read 4608+512',
    ])
    wanted.fill(0, 3 * 512, 4 * 512)
    assert.deepEqual(store.bytes, wanted)
  }
})

test('a block that cannot be written either ends it', async () => {
  const { bench, store } = await openDisk()
  store.failNext('read', StoreError.medium)
  store.failNext('write', StoreError.medium)
  const run = () => bench.run(cdbOf(REASSIGN_BLOCKS), { out: listOf([5, 6], 0, 0) })
  assert.equal((await run()).sense, WRITE_ERROR)
  store.failNext('read', StoreError.gone)
  assert.notEqual((await run()).sense, UNRECOVERED_READ_ERROR)
})

test('lists that are cut, or name what is not there', async () => {
  const { bench, store, disk } = await openDisk()
  const run = (out: Uint8Array) => bench.run(cdbOf(REASSIGN_BLOCKS), { out })
  const whole = listOf([1, 2], 0, 0)
  for (let length = 0; length < whole.length; length++) {
    assert.equal((await run(whole.subarray(0, length))).sense, PARAMETER_LIST_LENGTH_ERROR, `${length}`)
  }
  assert.equal((await run(Buffer.of(0, 0, 0, 3, 0, 0, 0))).sense, PARAMETER_LIST_LENGTH_ERROR)
  const beyond = await run(listOf([1, disk.blocks], 0, 0))
  assert.deepEqual([beyond.sense, beyond.field], [LBA_OUT_OF_RANGE, { byte: 8, bit: -1, inCdb: false }])
  disk.writable = false
  assert.equal((await run(whole)).sense, WRITE_PROTECTED)
  assert.deepEqual(store.takeCalls(), [])
})
