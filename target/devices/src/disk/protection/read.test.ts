// SPDX-License-Identifier: Apache-2.0
// READ on disks with protection information: what each RDPROTECT moves and finds, in each type, and the lengths of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_COMMAND_OPERATION_CODE,
  INVALID_FIELD_IN_CDB,
  LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED,
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
  READ_6,
  READ_10,
  READ_12,
  READ_16,
  READ_32,
  Status,
  UNRECOVERED_READ_ERROR,
  WRITE_32,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError, type Task } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openProtected, selectControl, someBlocks, withTags } from './protection.test-kit.ts'
import { TAGS_AT } from './tag-store.ts'

const GUARD = LOGICAL_BLOCK_GUARD_CHECK_FAILED
const APPLICATION = LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED
const REFERENCE = LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED
const LBA = 20
const REFERENCES: Readonly<Record<number, number>> = { 1: LBA, 2: 0x1000, 3: 0x77 }
/** What a CDB of 32 bytes says beside LBA and length, in type 2. */
const KNOWN = { referenceTag: 0x1000, applicationTag: 0x0a0a, applicationTagMask: 0xffff }
const long = (type: number) => type === 2

/** A disk whose blocks 20 to 23 have been written with tags. */
async function written(type: number, options: { ato?: boolean; dpicz?: boolean; later?: boolean } = {}) {
  const all = await openProtected(type, options)
  const data = someBlocks(4, type)
  const wire = withTags(data, REFERENCES[type]!)
  await selectControl(all.bench, options)
  const { status } = await all.bench.run(
    long(type)
      ? cdbOf(WRITE_32, { protect: 1, lba: LBA, blocks: 4, ...KNOWN })
      : [0x8a, 0x20, 0, 0, 0, 0, 0, 0, 0, LBA, 0, 0, 0, 4, 0, 0],
    { out: wire },
  )
  assert.equal(status, Status.good)
  const read = (protect: number, more: { expectedIn?: number; blocks?: number; lba?: number } = {}) => {
    const { lba = LBA, blocks = 4, ...rest } = more
    const cdb = long(type)
      ? cdbOf(READ_32, { protect, blocks, ...KNOWN, lba, referenceTag: KNOWN.referenceTag + lba - LBA })
      : cdbOf(READ_16, { protect, lba, blocks })
    return all.bench.run(cdb, rest)
  }
  return { ...all, data, wire, read }
}

// Requirement: SBC-4, READ (10) command, RDPROTECT: what is transmitted.
test('RDPROTECT says whether tags come with the blocks, as they were written', async () => {
  for (const type of [1, 2, 3]) {
    for (const later of [false, true]) {
      const { read, data, wire } = await written(type, { later })
      const plain = await read(0)
      assert.deepEqual([plain.status, plain.inLength], [Status.good, 4 * 512])
      assert.deepEqual(plain.data, data)
      for (const protect of [1, 2, 3, 4, 5]) {
        const { status, inLength, data: got } = await read(protect)
        assert.deepEqual([status, inLength], [Status.good, 4 * 520])
        assert.deepEqual(got, wire)
      }
    }
  }
})

/** Fields that a READ checks, typed from SBC-4: guard, application tag, reference tag, by RDPROTECT. */
const CHECKED = ['gar', 'gar', 'ar', '', 'g', 'gar']
const SPOILS = [
  ['g', 1, GUARD],
  ['a', 3, APPLICATION],
  ['r', 6, REFERENCE],
] as const
/** What can be known of the tags in each type, with ATO zero and one. */
const KNOWABLE: Readonly<Record<number, readonly [string, string]>> = {
  1: ['gr', 'gr'],
  2: ['gr', 'gar'],
  3: ['g', 'g'],
}

// Requirement: SBC-4, READ (10) command, RDPROTECT: what is checked, and the sense of each check that fails.
test('every field that is spoiled on the medium is found where it is checked, at its LBA, and only there', async () => {
  for (const type of [1, 2, 3]) {
    for (const ato of [false, true]) {
      for (const dpicz of [false, true]) {
        const { read, tags, wire } = await written(type, { ato, dpicz })
        for (const [field, byte, code] of SPOILS) {
          const at = TAGS_AT + (LBA + 2) * 8 + byte
          tags.bytes[at]! ^= 0x40
          for (let protect = 0; protect < 6; protect++) {
            const name = `type ${type}, ATO ${ato}, DPICZ ${dpicz}, ${field}, RDPROTECT ${protect}`
            const { sense, information, data } = await read(protect)
            const found =
              CHECKED[protect]!.includes(field) &&
              KNOWABLE[type]![ato ? 1 : 0].includes(field) &&
              !(protect === 0 && dpicz)
            assert.equal(sense, found ? code : null, name)
            if (found) assert.equal(information, LBA + 2, name)
            else if (protect > 0) {
              const wanted = Buffer.from(wire)
              wanted[2 * 520 + 512 + byte]! ^= 0x40
              assert.deepEqual(data, wanted, name)
            }
          }
          tags.bytes[at]! ^= 0x40
        }
      }
    }
  }
})

test('a bit of the data that is spoiled is found by its guard', async () => {
  for (const type of [1, 2, 3]) {
    const { read, store } = await written(type)
    store.bytes[(LBA + 3) * 512 + 500]! ^= 1
    for (const protect of [0, 1, 4, 5]) {
      const { sense, information } = await read(protect)
      assert.deepEqual([sense, information], [GUARD, LBA + 3])
    }
    for (const protect of [2, 3]) assert.equal((await read(protect)).status, Status.good)
  }
})

// Requirement: SBC-4, Protection types: reserved values, unformatted disks, and CDBs that do not fit the type.
test('protect fields that a disk cannot take are refused', async () => {
  for (const [type, cdb, code] of [
    [1, cdbOf(READ_10, { protect: 6, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [1, cdbOf(READ_16, { protect: 7, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [0, cdbOf(READ_10, { protect: 1, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [0, cdbOf(READ_32, { protect: 1, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [2, cdbOf(READ_32, { protect: 6, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [2, cdbOf(READ_10, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [2, cdbOf(READ_12, { protect: 3, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [2, cdbOf(READ_16, { protect: 5, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [1, cdbOf(READ_32, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [3, cdbOf(READ_32, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
  ] as const) {
    const { bench, store, tags } = await openProtected(type)
    const { sense, field } = await bench.run(cdb)
    assert.equal(sense, code)
    if (code === INVALID_FIELD_IN_CDB)
      assert.deepEqual(field, { byte: cdb.length === 32 ? 10 : 1, bit: 7, inCdb: true })
    assert.deepEqual([...store.takeCalls(), ...tags.takeCalls()], [])
  }
})

test('READ (6) and the others without tags read and check in each type', async () => {
  for (const type of [0, 1, 2, 3]) {
    const { bench, store } = await openProtected(type)
    const out = someBlocks(2, 9)
    assert.equal((await bench.run([0x0a, 0, 0, 5, 2, 0], { out })).status, Status.good)
    for (const command of [READ_6, READ_10, READ_12, READ_16]) {
      assert.deepEqual((await bench.run(cdbOf(command, { lba: 5, blocks: 2 }))).data, out)
    }
    store.bytes[6 * 512]! ^= 1
    const { sense } = await bench.run(cdbOf(READ_6, { lba: 5, blocks: 2 }))
    assert.equal(sense, type === 0 ? null : GUARD)
  }
})

test('the initiator takes less or more than the blocks with their tags', async () => {
  const { read, wire, store } = await written(1)
  for (const [expectedIn, asked] of [
    [0, 0],
    [1, 1],
    [520, 1],
    [521, 2],
    [600, 2],
    [4 * 520, 4],
    [5000, 4],
  ] as const) {
    store.takeCalls()
    const { data, inLength } = await read(1, { expectedIn })
    assert.deepEqual(data, wire.subarray(0, expectedIn))
    assert.equal(inLength, 4 * 520)
    assert.deepEqual(store.takeCalls(), asked === 0 ? [] : [`read ${LBA * 512}+${asked * 512}`])
  }
  assert.equal((await read(1, { blocks: 0 })).inLength, 0)
})

test('a transfer longer than one buffer, and longer than one piece, is whole', async () => {
  const { bench } = await openProtected(1, { blocks: 2048 })
  const data = someBlocks(1500, 4)
  const wire = withTags(data, 3)
  const write = [0x8a, 0x20, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0x05, 0xdc, 0, 0]
  assert.equal((await bench.run(write, { out: wire })).status, Status.good)
  const { data: got } = await bench.run(cdbOf(READ_16, { protect: 1, lba: 3, blocks: 1500 }))
  assert.ok(got.equals(wire))
})

test('blocks of 4096 bytes have eight bytes each, too', async () => {
  const { bench } = await openProtected(1, { values: { block: 4096 }, blocks: 64 })
  const wire = withTags(someBlocks(3, 4, 4096), 7, 1, 4096)
  const write = [0x8a, 0x20, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0]
  assert.equal((await bench.run(write, { out: wire })).status, Status.good)
  const { data, inLength } = await bench.run(cdbOf(READ_16, { protect: 1, lba: 7, blocks: 3 }))
  assert.equal(inLength, 3 * 4104)
  assert.deepEqual(data, wire)
})

test('FUA makes data and tags durable before they are shown', async () => {
  const { bench, store, tags } = await written(1)
  const { status } = await bench.run(cdbOf(READ_16, { protect: 1, fua: 1, lba: LBA, blocks: 1 }))
  assert.equal(status, Status.good)
  assert.deepEqual(store.durable, store.bytes)
  assert.deepEqual(tags.durable, tags.bytes)
  for (const one of [store, tags]) {
    one.failNext('flush', StoreError.medium)
    const answer = await bench.run(cdbOf(READ_16, { protect: 1, fua: 1, lba: LBA, blocks: 1 }))
    assert.equal(answer.sense, WRITE_ERROR)
  }
})

test('a store that cannot read its data or its tags is a medium error', async () => {
  const { read, store, tags } = await written(1)
  for (const one of [store, tags]) {
    for (const protect of [0, 1]) {
      one.failNext('read', StoreError.medium, -1)
      assert.equal((await read(protect)).sense, UNRECOVERED_READ_ERROR)
    }
  }
})

test('escape values are not checked, and are shown', async () => {
  for (const type of [1, 2, 3]) {
    const { read, store } = await written(type, { ato: true })
    store.bytes[(LBA + 100) * 512]! ^= 1
    for (const protect of [0, 1]) {
      const { data, status } = await read(protect, { lba: LBA + 100, blocks: 1 })
      assert.equal(status, Status.good)
      if (protect === 1) assert.deepEqual(data.subarray(512), Buffer.alloc(8, 0xff))
    }
  }
})

test('memory is charged for what leaves and for a piece of what is read, data-out with its tags', async () => {
  const { bench, disk } = await openProtected(1)
  const bound = (command: unknown) => bench.device.type.bindings.find(one => one.command === command)!
  const task = (protect: number, expectedIn: number) =>
    ({ cdb: cdbOf(READ_16, { protect, blocks: 8 }), blocks: 8, expectedIn }) as unknown as Task
  const { memoryIn } = bound(READ_16)
  assert.deepEqual([memoryIn!(task(0, 1 << 20), disk), memoryIn!(task(0, 600), disk)], [8 * 512, 2 * 512])
  assert.deepEqual(
    [memoryIn!(task(1, 1 << 20), disk), memoryIn!(task(1, 600), disk)],
    [8 * 520 + 8 * 512, 2 * 520 + 2 * 512],
  )
})
