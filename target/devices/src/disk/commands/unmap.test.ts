// SPDX-License-Identifier: Apache-2.0
// UNMAP and PRE-FETCH: blocks that go back, and blocks that will be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INQUIRY,
  INVALID_COMMAND_OPERATION_CODE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LBA_OUT_OF_RANGE,
  LOGICAL_BLOCK_PROVISIONING,
  MEDIUM_NOT_PRESENT,
  PARAMETER_LIST_LENGTH_ERROR,
  PRE_FETCH_10,
  PRE_FETCH_16,
  READ_16,
  SPACE_ALLOCATION_FAILED_WRITE_PROTECT,
  Status,
  UNMAP,
  UNMAP_DESCRIPTOR,
  UNMAP_HEADER,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { type Bench, cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

type Range = readonly [lba: number, blocks: number]

function listOf(...ranges: Range[]): Uint8Array {
  const head = UNMAP_HEADER.length
  const size = UNMAP_DESCRIPTOR.length
  const list = new Uint8Array(head + ranges.length * size)
  UNMAP_HEADER.write({ dataLength: list.length - 2, descriptorLength: list.length - head }, list)
  ranges.forEach(
    ([lba, blocks], index) => void UNMAP_DESCRIPTOR.write({ lba, blocks }, list, head + index * size),
  )
  return list
}

const send = (bench: Bench, out: Uint8Array, parameterLength = out.length) =>
  bench.run(cdbOf(UNMAP, { parameterLength }), { out })

for (const later of [false, true]) {
  test(`each range goes back, in order: ${later ? 'later' : 'at once'}`, async () => {
    const { bench, store } = await openDisk({}, { thin: true, later })
    assert.equal((await send(bench, listOf([8, 16], [0, 0], [100, 1], [4095, 1]))).status, Status.good)
    assert.deepEqual(store.takeCalls(), ['discard 4096+8192', 'discard 51200+512', 'discard 2096640+512'])
  })
}

// Requirement: SBC-4, UNMAP command: a list without descriptors is no error.
test('nothing to do is GOOD', async () => {
  const { bench, store } = await openDisk({}, { thin: true })
  assert.equal((await send(bench, new Uint8Array(0))).status, Status.good)
  assert.equal((await send(bench, new Uint8Array(8))).status, Status.good)
  assert.equal((await send(bench, listOf([4096, 0]))).status, Status.good)
  assert.deepEqual(store.takeCalls(), [])
})

// Requirement: SBC-4, UNMAP command: a wrong list is refused whole: nothing is unmapped.
test('lists that are wrong are refused whole, with their place', async () => {
  const { bench, store } = await openDisk({}, { thin: true, size: 2 ** 40 })
  const good = listOf([0, 8], [16, 8])
  for (const [list, length] of [
    [good, 7],
    [good, 39],
    [good.subarray(0, 24), 24],
    [good.subarray(0, 24), 40],
  ] as const) {
    assert.equal((await send(bench, list, length)).sense, PARAMETER_LIST_LENGTH_ERROR)
  }
  const last = bench.device.blocks
  for (const [list, code, byte] of [
    [listOf([0, 8], [last, 1]), LBA_OUT_OF_RANGE, 24],
    [listOf([last - 1, 2]), LBA_OUT_OF_RANGE, 8],
    [listOf([2 ** 53, 1]), LBA_OUT_OF_RANGE, 8],
    [listOf([0, 1 << 20], [1 << 20, 1]), INVALID_FIELD_IN_PARAMETER_LIST, 32],
    [listOf(...Array<Range>(257).fill([0, 1])), INVALID_FIELD_IN_PARAMETER_LIST, 2],
  ] as const) {
    const { sense, field } = await send(bench, list)
    assert.equal(sense, code)
    assert.deepEqual(field, { byte, bit: -1, inCdb: false })
  }
  assert.deepEqual(store.takeCalls(), [])
  assert.equal((await send(bench, listOf([0, 1 << 20]))).status, Status.good)
})

test('refused: ANCHOR, a medium that is out, a store that takes nothing back; a store error ends it', async () => {
  const { bench, disk, store } = await openDisk({}, { thin: true })
  const out = listOf([0, 1], [8, 1])
  assert.equal(
    (await bench.run(cdbOf(UNMAP, { anchor: 1, parameterLength: 24 }), { out })).sense,
    INVALID_FIELD_IN_CDB,
  )
  store.failNext('discard', StoreError.medium)
  assert.equal((await send(bench, out)).sense, WRITE_ERROR)
  assert.deepEqual(store.takeCalls(), ['discard 0+512'])
  disk.notReady = MEDIUM_NOT_PRESENT
  assert.equal((await send(bench, out)).sense, MEDIUM_NOT_PRESENT)
  const thick = await openDisk()
  assert.equal((await send(thick.bench, out)).sense, INVALID_COMMAND_OPERATION_CODE)
})

test('PRE-FETCH: GOOD for blocks that are there', async () => {
  const { bench, disk, store } = await openDisk()
  for (const command of [PRE_FETCH_10, PRE_FETCH_16]) {
    for (const immed of [0, 1]) {
      assert.equal((await bench.run(cdbOf(command, { lba: 4095, blocks: 1, immed }))).status, Status.good)
    }
    assert.equal((await bench.run(cdbOf(command, { lba: 4095, blocks: 2 }))).sense, LBA_OUT_OF_RANGE)
    disk.notReady = MEDIUM_NOT_PRESENT
    assert.equal((await bench.run(cdbOf(command))).sense, MEDIUM_NOT_PRESENT)
    disk.notReady = null
  }
  assert.deepEqual(store.takeCalls(), [])
})

// Requirement: SBC-4, UNMAP command: with LBPRZ, unmapped blocks read as zeros, whether a whole physical block went back or not.
test('what was unmapped reads as zeros where the store says so', async () => {
  const { bench } = await openDisk({}, { maps: true })
  assert.equal((await send(bench, listOf([3, 2], [8, 16], [4095, 1]))).status, Status.good)
  for (const [lba, blocks] of [
    [3, 2],
    [8, 16],
    [4095, 1],
  ] as const) {
    const { data } = await bench.run(cdbOf(READ_16, { lba, blocks }))
    assert.ok(data.equals(Buffer.alloc(blocks * 512)), `${blocks} blocks from ${lba}`)
  }
  const { data } = await bench.run(cdbOf(READ_16, { lba: 5, blocks: 1 }))
  assert.equal(data.readUInt32BE(0), 5)
})

// Requirement: SBC-4, UNMAP command: with ANCHOR the blocks become anchored where ANC_SUP says so, else the bit is refused.
test('ANCHOR keeps the room, where the store can', async () => {
  const { bench, store } = await openDisk({}, { maps: true })
  const out = listOf([8, 16], [40, 8])
  const anchored = () => bench.run(cdbOf(UNMAP, { anchor: 1, parameterLength: out.length }), { out })
  assert.equal((await anchored()).status, Status.good)
  assert.deepEqual(store.takeCalls(), ['anchor 4096+8192', 'anchor 20480+4096'])
  assert.deepEqual([...store.heldUnits.subarray(0, 6)], [1, 2, 2, 1, 1, 2])
  store.failNext('anchor', StoreError.noSpace)
  assert.equal((await anchored()).sense, SPACE_ALLOCATION_FAILED_WRITE_PROTECT)
  const page = await bench.run(cdbOf(INQUIRY, { evpd: 1, pageCode: 0xb2, allocation: 255 }))
  assert.equal(LOGICAL_BLOCK_PROVISIONING.read(page.data).ancSup, 1)
  const without = await openDisk({}, { thin: true })
  const { sense, field } = await without.bench.run(cdbOf(UNMAP, { anchor: 1, parameterLength: 24 }), { out })
  assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 1, bit: 0, inCdb: true }])
})

test('without a write cache, UNMAP is durable before its answer', async () => {
  const { bench, store } = await openDisk({ wce: false }, { maps: true })
  assert.equal((await send(bench, listOf([8, 16], [32, 8]))).status, Status.good)
  assert.deepEqual(store.takeCalls(), ['discard 4096+8192', 'discard 16384+4096', 'flush'])
  assert.ok(store.durable.subarray(4096, 12288).equals(Buffer.alloc(8192)))
  store.failNext('flush', StoreError.medium)
  assert.equal((await send(bench, listOf([8, 16]))).sense, WRITE_ERROR)
})
