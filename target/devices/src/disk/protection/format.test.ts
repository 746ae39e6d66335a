// SPDX-License-Identifier: Apache-2.0
// FORMAT UNIT and SANITIZE with protection information: which types can be asked for, what the medium is then, and its tags.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CAPACITY_DATA_HAS_CHANGED,
  FORMAT_UNIT,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  MEDIUM_FORMAT_CORRUPTED,
  READ_16,
  READ_CAPACITY_16,
  SANITIZE_OVERWRITE,
  Status,
  WRITE_16,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { Bench, cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'
import { device } from '../index.ts'
import { formatChoice } from './format.ts'
import { openProtected, someBlocks, withTags } from './protection.test-kit.ts'

const ESCAPE = 'ffffffffffffffff'

/** FORMAT UNIT with a short list, or none. */
const format = (bench: Bench, fmtpinfo: number, usage: number | null = null, fastFormat = 0) => {
  const fmtdata = usage === null ? 0 : 1
  const out = usage === null ? Buffer.alloc(0) : Buffer.from([usage, 0, 0, 0])
  return bench.run(cdbOf(FORMAT_UNIT, { fmtpinfo, fmtdata, fastFormat }), { out })
}

/** PROT_EN and P_TYPE. */
async function typeOf(bench: Bench): Promise<number> {
  const { data } = await bench.run(cdbOf(READ_CAPACITY_16, { allocation: 32 }))
  return data[12]! & 1 ? ((data[12]! >> 1) & 7) + 1 : 0
}

test('the table of FMTPINFO and PROTECTION FIELD USAGE, typed once more', () => {
  const rows = [0, 1, 2, 3].map(info => [0, 1, 2, 7].map(usage => formatChoice(true, info, usage)).join(' '))
  assert.deepEqual(rows, ['0 list list list', 'cdb cdb cdb cdb', '1 list list list', '2 3 list list'])
  assert.deepEqual(
    [0, 1, 2, 3].map(info => formatChoice(false, info, 0)),
    [0, 'cdb', 'cdb', 'cdb'],
  )
})

// Requirement: SBC-4, FORMAT UNIT command, FMTPINFO field: the medium is formatted with the type, and nothing is checked.
test('the medium is formatted with the type that is asked for, from any other', async () => {
  for (const from of [0, 1, 2, 3]) {
    for (const [to, fmtpinfo, usage] of [
      [0, 0, null],
      [0, 0, 0],
      [1, 2, null],
      [1, 2, 0],
      [2, 3, null],
      [3, 3, 1],
    ] as const) {
      for (const thin of [false, true]) {
        const { bench, disk, store, tagsAt } = await openProtected(from, { thin })
        await bench.run(cdbOf(WRITE_16, { lba: 0, blocks: 900 }), { out: someBlocks(900, 1) })
        assert.equal((await format(bench, fmtpinfo, usage)).status, Status.good)
        assert.deepEqual([await typeOf(bench), disk.protection?.type], [to, to])
        assert.deepEqual([tagsAt(0), tagsAt(899)], [ESCAPE, ESCAPE])
        const heard = bench.nexusUnits.map(one => one.attentions.includes(CAPACITY_DATA_HAS_CHANGED))
        assert.deepEqual(heard, [false, from !== to])
        const read = await bench.run(
          cdbOf(READ_16, { protect: to === 1 || to === 3 ? 1 : 0, lba: 3, blocks: 1 }),
        )
        assert.equal(read.status, Status.good)
        if (thin) continue
        assert.deepEqual(store.bytes, Buffer.alloc(store.bytes.length))
      }
    }
  }
})

test('a format that leaves the blocks blanks their tags', async () => {
  const { bench, store, tagsAt } = await openProtected(1)
  const out = withTags(someBlocks(2, 1), 5)
  await bench.run(cdbOf(WRITE_16, { protect: 1, lba: 5, blocks: 2 }), { out })
  assert.equal((await format(bench, 3, 0, 1)).status, Status.good)
  assert.equal(tagsAt(6), ESCAPE)
  assert.deepEqual(store.bytes.subarray(5 * 512, 7 * 512), someBlocks(2, 1))
  assert.equal(await typeOf(bench), 2)
})

test('the type outlives the disk', async () => {
  const { bench, store, tags } = await openProtected(1)
  await format(bench, 3, 1)
  assert.deepEqual(tags.durable, tags.bytes)
  const again = await Bench.open(device, store, { protection: 1 }, null, tags)
  assert.equal(await typeOf(again), 3)
})

test('what a format cannot do is refused where it is wrong, and nothing is touched', async () => {
  const { bench, store } = await openProtected(1)
  store.takeCalls()
  for (const [fmtpinfo, usage] of [
    [1, null],
    [1, 0],
    [1, 3],
  ] as const) {
    const { sense, field } = await format(bench, fmtpinfo, usage)
    assert.equal(sense, INVALID_FIELD_IN_CDB)
    assert.deepEqual([field?.byte, field?.inCdb], [1, true])
  }
  for (const [fmtpinfo, usage] of [
    [0, 1],
    [2, 1],
    [3, 2],
  ] as const) {
    const { sense, field } = await format(bench, fmtpinfo, usage)
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_PARAMETER_LIST, { byte: 0, bit: 2, inCdb: false }])
  }
  const plain = await openDisk()
  for (const fmtpinfo of [1, 2, 3])
    assert.equal((await format(plain.bench, fmtpinfo)).sense, INVALID_FIELD_IN_CDB)
  assert.deepEqual(store.takeCalls(), [])
})

test('a format whose tags cannot be written fails, and another one mends it', async () => {
  const { bench, disk, tags } = await openProtected(1)
  tags.failNext('write', StoreError.medium)
  assert.equal((await format(bench, 3)).sense, MEDIUM_FORMAT_CORRUPTED)
  assert.equal(disk.occupied?.failed, true)
  assert.equal((await format(bench, 3)).status, Status.good)
  assert.equal(await typeOf(bench), 2)
})

// Requirement: SBC-4, SANITIZE command: protection information has its default value afterwards.
test('a sanitized medium keeps its type and has no tags', async () => {
  const { bench, store, tagsAt } = await openProtected(1)
  await bench.run(cdbOf(WRITE_16, { lba: 0, blocks: 900 }), { out: someBlocks(900, 1) })
  const list = Buffer.from([1, 0, 0, 4, 1, 2, 3, 4])
  const sanitize = cdbOf(SANITIZE_OVERWRITE, { parameterLength: list.length })
  assert.equal((await bench.run(sanitize, { out: list })).status, Status.good)
  assert.deepEqual([tagsAt(0), tagsAt(899), await typeOf(bench)], [ESCAPE, ESCAPE, 1])
  await bench.run(cdbOf(WRITE_16, { lba: 7, blocks: 1 }), { out: someBlocks(1, 1) })
  store.bytes[7 * 512]! ^= 1
  assert.equal(
    (await bench.run(cdbOf(READ_16, { lba: 7, blocks: 1 }))).sense,
    LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  )
})
