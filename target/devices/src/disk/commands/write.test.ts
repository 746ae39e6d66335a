// SPDX-License-Identifier: Apache-2.0
// WRITE: the right bytes and no others, durability by FUA and WCE, residuals, errors.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  LBA_OUT_OF_RANGE,
  MEDIUM_NOT_PRESENT,
  SPACE_ALLOCATION_FAILED_WRITE_PROTECT,
  Status,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
  WRITE_ERROR,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

const ROWS = [WRITE_6, WRITE_10, WRITE_12, WRITE_16, WRITE_32] as const
const LONG = [WRITE_10, WRITE_12, WRITE_16, WRITE_32] as const

for (const later of [false, true]) {
  for (const block of [512, 4096]) {
    test(`changes its blocks alone: ${block} bytes, ${later ? 'later' : 'at once'}`, async () => {
      for (const command of ROWS) {
        const { bench, store } = await openDisk({ block }, { later })
        const wanted = Buffer.from(store.bytes)
        const out = Buffer.alloc(3 * block, command.length)
        out.copy(wanted, 2 * block)
        const answer = await bench.run(cdbOf(command, { lba: 2, blocks: 3 }), { out })
        assert.equal(answer.status, Status.good, command.name)
        assert.equal(answer.outLength, 3 * block)
        assert.deepEqual(store.bytes, wanted, command.name)
        assert.deepEqual(store.takeCalls(), [`write ${2 * block}+${3 * block}`])
      }
    })
  }
}

// Requirement: SBC-4, WRITE (10) command: FUA set to one: the blocks are on the medium before the status.
test('FUA, a cache that is off and a store without one: durable before the answer', async () => {
  const cached = await openDisk()
  const out = Buffer.alloc(512, 9)
  await cached.bench.run(cdbOf(WRITE_10, { lba: 1, blocks: 1 }), { out })
  assert.equal(cached.store.durable.includes(out), false)
  for (const command of LONG) {
    await cached.bench.run(cdbOf(command, { lba: 2, blocks: 1, fua: 1 }), { out })
    assert.deepEqual(cached.store.durable.subarray(1024, 1536), out)
  }
  const through = await openDisk({ wce: false })
  await through.bench.run(cdbOf(WRITE_6, { lba: 1, blocks: 1 }), { out })
  assert.deepEqual(through.store.takeCalls(), ['write 512+512 fua'])
  const safe = await openDisk({ wce: true }, { volatileCache: false })
  await safe.bench.run(cdbOf(WRITE_10, { lba: 1, blocks: 1 }), { out })
  assert.deepEqual(safe.store.durable.subarray(512, 1024), out)
})

// Requirement: SBC-4, WRITE (10) command: no blocks are no error.
test('no blocks: GOOD, and the store is not asked', async () => {
  const { bench, store } = await openDisk()
  for (const command of LONG) {
    assert.equal(
      (await bench.run(cdbOf(command, { lba: 4096 }), { out: Buffer.alloc(512) })).status,
      Status.good,
    )
  }
  assert.deepEqual(store.takeCalls(), [])
})

test('the initiator gives more or fewer blocks: as many as both have are written', async () => {
  const { bench, store } = await openDisk()
  for (const [blocks, bytes, written] of [
    [1, 0, 0],
    [1, 1024, 512],
    [2, 512, 512],
    [1, 10_000, 512],
  ] as const) {
    store.bytes.fill(0x61)
    const { status, outLength } = await bench.run(cdbOf(WRITE_10, { blocks }), {
      out: Buffer.alloc(bytes, 0x62),
    })
    assert.deepEqual([status, outLength], [Status.good, blocks * 512])
    assert.deepEqual(store.bytes.subarray(0, written), Buffer.alloc(written, 0x62))
    assert.deepEqual(store.bytes.subarray(written, 4096), Buffer.alloc(4096 - written, 0x61))
  }
})

test('a broken block is refused whole', async () => {
  const { bench, store } = await openDisk()
  for (const [blocks, bytes] of [
    [1, 200],
    [3, 1025],
  ] as const) {
    const answer = await bench.run(cdbOf(WRITE_16, { blocks }), { out: Buffer.alloc(bytes) })
    assert.equal(answer.sense, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
    assert.equal(answer.outLength, blocks * 512)
  }
  assert.deepEqual(store.takeCalls(), [])
})

test('refused: fields that are not served, blocks that are not there, a medium that is out', async () => {
  const { bench, store, disk } = await openDisk({ removable: true })
  const out = Buffer.alloc(1024)
  for (const command of LONG) {
    for (const values of [{ protect: 1 }]) {
      assert.equal(
        (await bench.run(cdbOf(command, { blocks: 1, ...values }), { out })).sense,
        INVALID_FIELD_IN_CDB,
      )
    }
    assert.equal((await bench.run(cdbOf(command, { lba: 4095, blocks: 2 }), { out })).sense, LBA_OUT_OF_RANGE)
  }
  disk.notReady = MEDIUM_NOT_PRESENT
  for (const command of ROWS) {
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }), { out })).sense, MEDIUM_NOT_PRESENT)
  }
  assert.deepEqual(store.takeCalls(), [])
})

// Requirement: SBC-4, Write protection: a read-only unit answers writes with WRITE PROTECTED.
test('read-only by parameter or by store: WRITE PROTECTED', async () => {
  const disks = [await openDisk({ readonly: true }), await openDisk({}, { canWrite: false })]
  for (const { bench, store } of disks) {
    for (const command of ROWS) {
      const { sense } = await bench.run(cdbOf(command, { blocks: 1 }), { out: Buffer.alloc(512) })
      assert.equal(sense, WRITE_PROTECTED)
    }
    assert.deepEqual(store.takeCalls(), [])
    await bench.device.close()
    assert.equal(store.closed, true)
  }
})

// Requirement: SBC-4, WRITE (10) command: a write error has its sense, with the LBA where it is known.
test('store errors: sense, and the LBA where it is known', async () => {
  const { bench, store } = await openDisk()
  const out = Buffer.alloc(1024)
  store.failNext('write', StoreError.medium, 513)
  const answer = await bench.run(cdbOf(WRITE_10, { blocks: 2 }), { out })
  assert.deepEqual([answer.sense, answer.information], [WRITE_ERROR, 1])
  store.failNext('write', StoreError.noSpace)
  const full = await bench.run(cdbOf(WRITE_10, { blocks: 2 }), { out })
  assert.deepEqual([full.sense, full.information], [SPACE_ALLOCATION_FAILED_WRITE_PROTECT, -1])
  store.failNext('write', StoreError.readOnly)
  assert.equal((await bench.run(cdbOf(WRITE_10, { blocks: 2 }), { out })).sense, WRITE_PROTECTED)
})
