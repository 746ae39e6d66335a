// SPDX-License-Identifier: Apache-2.0
// READ CAPACITY: every block size, disks above 2 TiB, short allocation lengths.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CAPACITY_16,
  INVALID_FIELD_IN_CDB,
  MEDIUM_NOT_PRESENT,
  READ_CAPACITY_10,
  READ_CAPACITY_16,
  Status,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

// Requirement: SBC-4, READ CAPACITY (16) command: block length, last LBA, physical block exponent and alignment.
test('512n, 512e and 4Kn', async () => {
  for (const [block, physical, exponent] of [
    [512, 512, 0],
    [512, 4096, 3],
    [2048, 4096, 1],
    [4096, 4096, 0],
  ] as const) {
    const { bench, store } = await openDisk({ block, physical })
    const short = await bench.run(cdbOf(READ_CAPACITY_10))
    assert.equal(short.data.readUInt32BE(0), store.size / block - 1)
    assert.equal(short.data.readUInt32BE(4), block)
    assert.equal(short.data.length, 8)
    const long = CAPACITY_16.read((await bench.run(cdbOf(READ_CAPACITY_16, { allocation: 32 }))).data)
    assert.equal(long.lastLba, store.size / block - 1)
    assert.equal(long.blockLength, block)
    assert.equal(long.physicalExponent, exponent)
    assert.deepEqual([long.lbpme, long.protectionEnabled, long.lowestAligned], [0, 0, 0])
  }
})

// Requirement: SBC-4, READ CAPACITY (16) command: LBPME and LBPRZ follow what the unit does with unmapped blocks.
test('LBPME where the store takes blocks back', async () => {
  for (const thin of [false, true]) {
    const { bench } = await openDisk({}, { thin })
    const { lbpme } = CAPACITY_16.read((await bench.run(cdbOf(READ_CAPACITY_16, { allocation: 32 }))).data)
    assert.equal(lbpme, thin ? 1 : 0)
  }
})

// Requirement: SBC-4, READ CAPACITY (10) command: FFFFFFFFh where the last LBA needs more than 32 bits.
test('the last LBA beyond 32 bits', async () => {
  for (const [size, last] of [
    [2 ** 41, 0xffff_ffff],
    [2 ** 41 + 512, 0xffff_ffff],
    [2 ** 50, 0xffff_ffff],
    [2 ** 41 - 512, 0xffff_fffe],
  ] as const) {
    const { bench } = await openDisk({}, { size })
    assert.equal((await bench.run(cdbOf(READ_CAPACITY_10))).data.readUInt32BE(0), last)
    const { data } = await bench.run(cdbOf(READ_CAPACITY_16, { allocation: 32 }))
    assert.equal(data.readBigUInt64BE(0), BigInt(size) / 512n - 1n)
  }
})

test('READ CAPACITY (16) is cut to the allocation length', async () => {
  const { bench } = await openDisk()
  const whole = await bench.run(cdbOf(READ_CAPACITY_16, { allocation: 100 }))
  assert.equal(whole.data.length, 32)
  for (let allocation = 0; allocation < 32; allocation++) {
    const { status, data, inLength } = await bench.run(cdbOf(READ_CAPACITY_16, { allocation }))
    assert.deepEqual([status, inLength], [Status.good, allocation])
    assert.deepEqual(data, whole.data.subarray(0, allocation))
  }
})

test('refused: the obsolete LBA and PMI, a medium that is out', async () => {
  const { bench, disk } = await openDisk()
  assert.equal((await bench.run([0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0])).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await bench.run([0x25, 0, 0, 0, 0, 0, 0, 0, 1, 0])).sense, INVALID_FIELD_IN_CDB)
  disk.notReady = MEDIUM_NOT_PRESENT
  for (const command of [READ_CAPACITY_10, READ_CAPACITY_16]) {
    assert.equal((await bench.run(cdbOf(command))).sense, MEDIUM_NOT_PRESENT)
  }
})
