// SPDX-License-Identifier: Apache-2.0
// VERIFY and COMPARE AND WRITE on disks with protection information: checks of the medium, of what is sent, and comparisons.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  INVALID_COMMAND_OPERATION_CODE,
  LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED,
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
  MISCOMPARE_DURING_VERIFY_OPERATION,
  MISCOMPARE_OF_APPLICATION_TAG,
  MISCOMPARE_OF_GUARD,
  MISCOMPARE_OF_REFERENCE_TAG,
  type SenseCode,
  SenseKey,
  Status,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  VERIFY_32,
  WRITE_16,
  WRITE_32,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openProtected, selectControl, someBlocks, withTags } from './protection.test-kit.ts'
import { TAGS_AT } from './tag-store.ts'

const LBA = 12
const KNOWN = { referenceTag: 0x3000, applicationTag: 0x0a0a, applicationTagMask: 0xffff }
const REFERENCE: Readonly<Record<number, number>> = { 1: LBA, 2: 0x3000, 3: 0x99 }
const rowsOf = (type: number) => (type === 2 ? [VERIFY_32] : [VERIFY_10, VERIFY_12, VERIFY_16])
const knownOf = (type: number) => (type === 2 ? KNOWN : {})

async function written(type: number, { ato = false, later = false } = {}) {
  const all = await openProtected(type, { later })
  await selectControl(all.bench, { ato })
  const data = someBlocks(4, type)
  const wire = withTags(data, REFERENCE[type]!)
  const command = type === 2 ? WRITE_32 : WRITE_16
  const cdb = cdbOf(command, { protect: 1, lba: LBA, blocks: 4, ...knownOf(type) })
  assert.equal((await all.bench.run(cdb, { out: wire })).status, Status.good)
  return { ...all, data, wire }
}

const CHECKED = ['gar', 'gar', 'ar', '', 'g', 'gar']
const KNOWABLE: Readonly<Record<number, readonly [string, string]>> = {
  1: ['gr', 'gr'],
  2: ['gr', 'gar'],
  3: ['g', 'g'],
}
const FIELDS: readonly (readonly [string, number, SenseCode, SenseCode])[] = [
  ['g', 0, LOGICAL_BLOCK_GUARD_CHECK_FAILED, MISCOMPARE_OF_GUARD],
  ['a', 2, LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED, MISCOMPARE_OF_APPLICATION_TAG],
  ['r', 7, LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED, MISCOMPARE_OF_REFERENCE_TAG],
]

// Requirement: SBC-4, VERIFY (10) command, VRPROTECT with BYTCHK 00b: the medium is checked.
test('VERIFY without data checks the medium by VRPROTECT', async () => {
  for (const type of [1, 2, 3]) {
    for (const ato of [false, true]) {
      const { bench, tags } = await written(type, { ato })
      for (const command of rowsOf(type)) {
        for (const [field, byte, code] of FIELDS) {
          const at = TAGS_AT + (LBA + 3) * 8 + byte
          tags.bytes[at]! ^= 1
          for (let protect = 0; protect < 6; protect++) {
            const cdb = cdbOf(command, { protect, lba: LBA, blocks: 4, ...knownOf(type) })
            const { sense, information, outLength } = await bench.run(cdb)
            const found = CHECKED[protect]!.includes(field) && KNOWABLE[type]![ato ? 1 : 0].includes(field)
            assert.equal(sense, found ? code : null, `${command.name} ${type} ${ato} ${field} ${protect}`)
            assert.deepEqual([outLength, information], [0, found ? LBA + 3 : -1])
          }
          tags.bytes[at]! ^= 1
        }
      }
    }
  }
})

/** Fields that are compared, typed from SBC-4, by VRPROTECT; the application tag with ATO one only. */
const COMPARED = ['', 'gar', 'ar', 'gar', 'gar', 'gar']

// Requirement: SBC-4, VERIFY (10) command, BYTCHK 01b: tags are compared byte by byte, and MISCOMPARE tells of it.
test('VERIFY with data compares the tags, and does not check those of the medium', async () => {
  for (const type of [1, 2, 3]) {
    for (const ato of [false, true]) {
      const { bench, tags, wire } = await written(type, { ato })
      for (const command of rowsOf(type)) {
        for (const [field, byte, , code] of FIELDS) {
          const at = TAGS_AT + (LBA + 3) * 8 + byte
          tags.bytes[at]! ^= 1
          for (let protect = 1; protect < 6; protect++) {
            const name = `${command.name}, type ${type}, ATO ${ato}, ${field}, VRPROTECT ${protect}`
            const cdb = cdbOf(command, { protect, bytchk: 1, lba: LBA, blocks: 4, ...knownOf(type) })
            const { sense, information, outLength } = await bench.run(cdb, { out: wire })
            assert.equal(outLength, 4 * 520)
            const found =
              COMPARED[protect]!.includes(field) &&
              (field !== 'a' || ato) &&
              !(field === 'r' && type === 3 && ato)
            assert.equal(sense, found ? code : null, name)
            if (found) assert.deepEqual([sense?.key, information], [SenseKey.miscompare, LBA + 3], name)
          }
          tags.bytes[at]! ^= 1
        }
      }
    }
  }
})

test('VERIFY checks what is sent, before the medium is read', async () => {
  const { bench, store, wire } = await written(1)
  store.takeCalls()
  const spoiled = Buffer.from(wire)
  spoiled[2 * 520]! ^= 1
  const cdb = cdbOf(VERIFY_16, { protect: 1, bytchk: 1, lba: LBA, blocks: 4 })
  const { sense, information } = await bench.run(cdb, { out: spoiled })
  assert.deepEqual([sense, information], [LOGICAL_BLOCK_GUARD_CHECK_FAILED, LBA + 2])
  assert.deepEqual(store.takeCalls(), [])
})

test('VERIFY with data finds other data, with tags or without', async () => {
  for (const later of [false, true]) {
    const { bench, data } = await written(1, { later })
    data[3 * 512 + 1]! ^= 1
    for (const [protect, out] of [
      [0, data],
      [1, withTags(data, LBA)],
    ] as const) {
      const cdb = cdbOf(VERIFY_16, { protect, bytchk: 1, lba: LBA, blocks: 4 })
      const { sense, information } = await bench.run(cdb, { out })
      assert.deepEqual([sense?.key, information], [SenseKey.miscompare, LBA + 3])
    }
  }
})

test('VERIFY of one block that stands for all: its reference tag counts up', async () => {
  for (const type of [1, 3]) {
    const { bench } = await openProtected(type)
    const block = someBlocks(1, 1)
    const out = withTags(block, REFERENCE[type]!)
    await bench.run([0x93, 0x20, 0, 0, 0, 0, 0, 0, 0, LBA, 0, 0, 0, 6, 0, 0], { out })
    const cdb = cdbOf(VERIFY_16, { protect: 1, bytchk: 3, lba: LBA, blocks: 6 })
    const { status, outLength } = await bench.run(cdb, { out })
    assert.deepEqual([status, outLength], [Status.good, 520])
    block[0]! ^= 1
    const other = await bench.run(cdb, { out: withTags(block, REFERENCE[type]!) })
    assert.equal(other.sense?.key, SenseKey.miscompare)
  }
})

test('COMPARE AND WRITE: both halves have tags, compared and written', async () => {
  for (const type of [1, 3]) {
    for (const later of [false, true]) {
      const { bench, store, wire, tagsAt } = await written(type, { later, ato: true })
      const next = withTags(someBlocks(4, 9), REFERENCE[type]!, 0x0b0b)
      const cdb = cdbOf(COMPARE_AND_WRITE, { protect: 1, lba: LBA, blocks: 4 })
      const first = await bench.run(cdb, { out: Buffer.concat([wire, next]) })
      assert.deepEqual([first.status, first.outLength], [Status.good, 8 * 520])
      assert.deepEqual(store.bytes.subarray(LBA * 512, (LBA + 4) * 512), someBlocks(4, 9))
      assert.equal(tagsAt(LBA + 3), next.subarray(-8).toString('hex'))
      const again = await bench.run(cdb, { out: Buffer.concat([wire, next]) })
      assert.equal(again.sense?.key, SenseKey.miscompare)
      const otherTag = withTags(someBlocks(4, 9), REFERENCE[type]!, 0x0c0c)
      const tagged = await bench.run(cdb, { out: Buffer.concat([otherTag, next]) })
      assert.deepEqual([tagged.sense, tagged.information], [MISCOMPARE_OF_APPLICATION_TAG, LBA])
    }
  }
})

test('COMPARE AND WRITE: what is spoiled in either half is refused with its LBA', async () => {
  const { bench, store, wire } = await written(1)
  const out = Buffer.concat([wire, withTags(someBlocks(4, 9), LBA)])
  const cdb = cdbOf(COMPARE_AND_WRITE, { protect: 1, lba: LBA, blocks: 4 })
  store.takeCalls()
  for (const block of [2, 4 + 3]) {
    out[block * 520 + 5]! ^= 1
    const { sense, information } = await bench.run(cdb, { out })
    assert.deepEqual([sense, information], [LOGICAL_BLOCK_GUARD_CHECK_FAILED, LBA + (block % 4)])
    out[block * 520 + 5]! ^= 1
  }
  assert.deepEqual(store.takeCalls(), [])
})

test('COMPARE AND WRITE without tags compares data, checks the medium and makes tags', async () => {
  const { bench, store, data } = await written(1)
  const cdb = cdbOf(COMPARE_AND_WRITE, { lba: LBA, blocks: 4 })
  const next = someBlocks(4, 9)
  assert.equal((await bench.run(cdb, { out: Buffer.concat([data, next]) })).status, Status.good)
  const other = await bench.run(cdb, { out: Buffer.concat([data, next]) })
  assert.equal(other.sense, MISCOMPARE_DURING_VERIFY_OPERATION)
  store.bytes[(LBA + 1) * 512]! ^= 1
  const { sense, information } = await bench.run(cdb, { out: Buffer.concat([next, data]) })
  assert.deepEqual([sense, information], [LOGICAL_BLOCK_GUARD_CHECK_FAILED, LBA + 1])
})

test('in type 2 only CDBs of 32 bytes have tags', async () => {
  const { bench } = await openProtected(2)
  for (const command of [VERIFY_10, VERIFY_12, VERIFY_16, COMPARE_AND_WRITE]) {
    const { sense } = await bench.run(cdbOf(command, { protect: 1, lba: LBA, blocks: 1 }))
    assert.equal(sense, INVALID_COMMAND_OPERATION_CODE, command.name)
  }
})
