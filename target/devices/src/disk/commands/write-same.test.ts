// SPDX-License-Identifier: Apache-2.0
// WRITE SAME: the range and no more, in pieces or by the store's own zeros.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  LBA_OUT_OF_RANGE,
  MEDIUM_NOT_PRESENT,
  Status,
  WRITE_ERROR,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

const ROWS = [WRITE_SAME_10, WRITE_SAME_16, WRITE_SAME_32] as const

for (const later of [false, true]) {
  for (const block of [512, 4096]) {
    test(`fills its blocks alone: ${block} bytes, ${later ? 'later' : 'at once'}`, async () => {
      for (const command of ROWS) {
        const { bench, store } = await openDisk({ block }, { later })
        const blocks = (600 * 1024) / block
        const out = Buffer.from(Array.from({ length: block }, (_, index) => index + 1))
        const wanted = Buffer.from(store.bytes)
        wanted.fill(out, 3 * block, (3 + blocks) * block)
        const answer = await bench.run(cdbOf(command, { lba: 3, blocks }), { out })
        assert.deepEqual([answer.status, answer.outLength], [Status.good, block])
        assert.deepEqual(store.bytes, wanted)
        assert.equal(store.takeCalls().length, 3)
      }
    })
  }
}

test('zeros go to the store as such where it knows how, UNMAP or not', async () => {
  for (const command of ROWS) {
    for (const unmap of [0, 1]) {
      const { bench, store } = await openDisk({}, { thin: true })
      const answer = await bench.run(cdbOf(command, { lba: 1, blocks: 2000, unmap }), {
        out: Buffer.alloc(512),
      })
      assert.equal(answer.status, Status.good)
      assert.deepEqual(store.takeCalls(), ['writeZeroes 512+1024000'])
      await bench.run(cdbOf(command, { blocks: 1, unmap }), { out: Buffer.alloc(512, 1) })
      assert.deepEqual(store.takeCalls(), ['write 0+512'])
    }
  }
})

// Requirement: SBC-4, WRITE SAME (10) command: ANCHOR counts with UNMAP only, and where ANC_SUP says so.
test('UNMAP with ANCHOR keeps room for zeros', async () => {
  const { bench, store } = await openDisk({}, { maps: true })
  const out = Buffer.alloc(512)
  for (const command of ROWS) {
    const send = (values: Record<string, number>, data = out) =>
      bench.run(cdbOf(command, { lba: 8, blocks: 16, ...values }), { out: data })
    assert.equal((await send({ unmap: 1, anchor: 1 })).status, Status.good)
    assert.deepEqual(store.takeCalls(), ['anchor 4096+8192'])
    assert.equal((await send({ unmap: 1, anchor: 1 }, Buffer.alloc(512, 7))).status, Status.good)
    assert.deepEqual(store.takeCalls(), ['write 4096+8192'], 'what is no zeros is written')
    assert.equal((await send({ anchor: 1 })).sense, INVALID_FIELD_IN_CDB)
  }
  const without = await openDisk({}, { thin: true })
  const cdb = cdbOf(WRITE_SAME_16, { blocks: 1, unmap: 1, anchor: 1, ndob: 1 })
  assert.equal((await without.bench.run(cdb)).sense, INVALID_FIELD_IN_CDB)
})

// Requirement: SBC-4, WRITE SAME (16) command: NDOB set to one writes zeros without a Data-Out transfer.
test('NDOB: zeros without any data', async () => {
  const thick = await openDisk()
  const answer = await thick.bench.run(cdbOf(WRITE_SAME_16, { lba: 2, blocks: 3, ndob: 1 }))
  assert.deepEqual([answer.status, answer.outLength], [Status.good, 0])
  assert.deepEqual(thick.store.bytes.subarray(1024, 2560), Buffer.alloc(1536))
  assert.deepEqual(thick.store.takeCalls(), ['write 1024+1536'])
})

test('without a write cache it is durable', async () => {
  const thick = await openDisk({ wce: false })
  await thick.bench.run(cdbOf(WRITE_SAME_10, { blocks: 4 }), { out: Buffer.alloc(512, 3) })
  assert.deepEqual(thick.store.durable, thick.store.bytes)
  const thin = await openDisk({ wce: false }, { thin: true })
  await thin.bench.run(cdbOf(WRITE_SAME_10, { blocks: 4 }), { out: Buffer.alloc(512) })
  assert.deepEqual(thin.store.takeCalls(), ['writeZeroes 0+2048', 'flush'])
})

test('refused: no blocks, too many, ones that are not there, UNMAP without provisioning, no whole block', async () => {
  const { bench, store, disk } = await openDisk({}, { size: 300 * 1024 * 1024 })
  const out = Buffer.alloc(512)
  for (const command of ROWS) {
    for (const values of [
      { blocks: 0 },
      { blocks: 1, unmap: 1 },
      { blocks: 1, anchor: 1 },
      { blocks: 1, protect: 1 },
    ]) {
      const { sense, field } = await bench.run(cdbOf(command, values), { out })
      assert.equal(sense, INVALID_FIELD_IN_CDB)
      assert.equal(field?.inCdb, true)
    }
    assert.equal(
      (await bench.run(cdbOf(command, { lba: 614_399, blocks: 2 }), { out })).sense,
      LBA_OUT_OF_RANGE,
    )
    const short = await bench.run(cdbOf(command, { blocks: 1 }), { out: out.subarray(0, 511) })
    assert.equal(short.sense, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
    disk.notReady = MEDIUM_NOT_PRESENT
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }), { out })).sense, MEDIUM_NOT_PRESENT)
    disk.notReady = null
  }
  const long = await bench.run(cdbOf(WRITE_SAME_16, { blocks: 524_289, ndob: 1 }))
  assert.deepEqual([long.sense, long.field?.byte], [INVALID_FIELD_IN_CDB, 10])
  assert.deepEqual(store.takeCalls(), [])
})

test('a store error ends it', async () => {
  const { bench, store } = await openDisk()
  store.failNext('write', StoreError.medium, 512 * 9)
  const { sense, information } = await bench.run(cdbOf(WRITE_SAME_10, { lba: 8, blocks: 2000 }), {
    out: Buffer.alloc(512, 1),
  })
  assert.deepEqual([sense, information], [WRITE_ERROR, 9])
  assert.equal(store.takeCalls().length, 1)
})

test('no number of blocks means all from the LBA on', async () => {
  for (const command of ROWS) {
    const { bench, store, disk } = await openDisk()
    const lba = disk.blocks - 5
    const wanted = Buffer.from(store.bytes)
    wanted.fill(9, lba * 512)
    const out = Buffer.alloc(512, 9)
    assert.equal((await bench.run(cdbOf(command, { lba, blocks: 0 }), { out })).status, Status.good)
    assert.deepEqual(store.bytes, wanted)
    const behind = await bench.run(cdbOf(command, { lba: disk.blocks, blocks: 0 }), { out })
    assert.equal(behind.sense, LBA_OUT_OF_RANGE)
  }
})

test('UNMAP: a hole where holes read as zeros, and the block itself where it is another one', async () => {
  for (const command of ROWS) {
    const { bench, store } = await openDisk({}, { maps: true })
    const run = (out: Buffer) => bench.run(cdbOf(command, { lba: 3, blocks: 4, unmap: 1 }), { out })
    assert.equal((await run(Buffer.alloc(512))).status, Status.good)
    assert.deepEqual(store.takeCalls(), ['discard 1536+2048'])
    assert.deepEqual(store.bytes.subarray(1536, 3584), Buffer.alloc(2048))
    assert.equal((await run(Buffer.alloc(512, 7))).status, Status.good)
    assert.deepEqual(store.takeCalls(), ['write 1536+2048'])
  }
})

test('two blocks of data are refused, for one was asked for', async () => {
  const { bench, store } = await openDisk()
  const { sense } = await bench.run(cdbOf(WRITE_SAME_16, { blocks: 1 }), { out: Buffer.alloc(1024) })
  assert.equal(sense, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
  assert.deepEqual(store.takeCalls(), [])
})
