// SPDX-License-Identifier: Apache-2.0
// Writing on disks with protection information: what each WRPROTECT checks in what is sent, and what the medium gets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_COMMAND_OPERATION_CODE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED,
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
  MISCOMPARE_OF_APPLICATION_TAG,
  ORWRITE_16,
  ORWRITE_32,
  READ_16,
  READ_32,
  SenseKey,
  Status,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
} from '@lunkit/spec'
import type { StoreIo } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openProtected, selectControl, someBlocks, tag, withTags } from './protection.test-kit.ts'

const LBA = 30
const KNOWN = { referenceTag: 0x2000, applicationTag: 0x0a0a, applicationTagMask: 0xff00 }
/** First reference tag in each type; nobody knows that of type 3. */
const REFERENCE: Readonly<Record<number, number>> = { 1: LBA, 2: 0x2000, 3: 0x55 }

const PLAIN = [
  [WRITE_10, WRITE_12, WRITE_16],
  [WRITE_AND_VERIFY_10, WRITE_AND_VERIFY_12, WRITE_AND_VERIFY_16],
  [WRITE_ATOMIC_16],
].flat()
const LONG = [WRITE_32, WRITE_AND_VERIFY_32, WRITE_ATOMIC_32]
const rowsOf = (type: number) => (type === 2 ? LONG : PLAIN)
const knownOf = (type: number) => (type === 2 ? KNOWN : {})
const open = (type: number, later = false) => openProtected(type, { atomicWrite: 1 << 20, later })

// Requirement: SBC-4, WRITE (10) command, WRPROTECT: tags that are sent are written as they are.
test('tags that are sent are on the medium, and come back', async () => {
  for (const type of [1, 2, 3]) {
    for (const command of rowsOf(type)) {
      for (const protect of [1, 2, 3, 4, 5]) {
        for (const later of [false, true]) {
          const { bench, store, tagsAt } = await open(type, later)
          const data = someBlocks(3, protect)
          const out = withTags(data, REFERENCE[type]!)
          const bytchk = 'bytchk' in command.cdb.field ? { bytchk: 1 } : {}
          const cdb = cdbOf(command, { protect, lba: LBA, blocks: 3, ...bytchk, ...knownOf(type) })
          const { status, outLength } = await bench.run(cdb, { out })
          assert.deepEqual([status, outLength], [Status.good, 3 * 520], command.name)
          assert.deepEqual(store.bytes.subarray(LBA * 512, (LBA + 3) * 512), data)
          assert.equal(tagsAt(LBA + 2), out.subarray(-8).toString('hex'))
        }
      }
    }
  }
})

/** What is checked, typed from SBC-4, by WRPROTECT; and what can be known, with ATO zero and one. */
const CHECKED = ['', 'gar', 'ar', '', 'g', 'gar']
const KNOWABLE: Readonly<Record<number, readonly [string, string]>> = {
  1: ['gr', 'gr'],
  2: ['gr', 'gar'],
  3: ['g', 'g'],
}
const SPOILS = [
  ['g', 512, LOGICAL_BLOCK_GUARD_CHECK_FAILED],
  ['a', 514, LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED],
  ['r', 518, LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED],
] as const

// Requirement: SBC-4, WRITE (10) command, WRPROTECT: what is checked, and the sense of each check that fails.
test('what is spoiled on its way is found where it is checked, and then nothing is written', async () => {
  for (const type of [1, 2, 3]) {
    for (const ato of [false, true]) {
      const { bench, store, tags } = await open(type)
      await selectControl(bench, { ato })
      for (const command of rowsOf(type)) {
        for (const [field, byte, code] of SPOILS) {
          for (let protect = 1; protect < 6; protect++) {
            const name = `${command.name}, type ${type}, ATO ${ato}, ${field}, WRPROTECT ${protect}`
            const out = withTags(someBlocks(4, 1), REFERENCE[type]!)
            out[2 * 520 + byte]! ^= 0x40
            store.takeCalls()
            tags.takeCalls()
            const cdb = cdbOf(command, { protect, lba: LBA, blocks: 4, ...knownOf(type) })
            const { sense, information } = await bench.run(cdb, { out })
            const found = CHECKED[protect]!.includes(field) && KNOWABLE[type]![ato ? 1 : 0].includes(field)
            assert.equal(sense, found ? code : null, name)
            if (!found) continue
            assert.equal(information, LBA + 2, name)
            assert.equal(sense?.key, SenseKey.abortedCommand)
            assert.deepEqual([...store.takeCalls(), ...tags.takeCalls()], [], name)
          }
        }
      }
    }
  }
})

test('spoiled data is found by its guard, and escape values switch that off', async () => {
  for (const type of [1, 2, 3]) {
    const { bench } = await open(type)
    const command = type === 2 ? WRITE_32 : WRITE_16
    const cdb = cdbOf(command, { protect: 1, lba: LBA, blocks: 2, ...knownOf(type) })
    const out = withTags(someBlocks(2, 1), REFERENCE[type]!)
    out[520 + 100]! ^= 1
    assert.equal((await bench.run(cdb, { out })).sense, LOGICAL_BLOCK_GUARD_CHECK_FAILED)
    out.fill(0xff, 1032)
    assert.equal((await bench.run(cdb, { out })).status, Status.good)
  }
})

// Requirement: SBC-4, WRITE (10) command, WRPROTECT 000b: guard, application tag by ATO, reference tag by type.
test('without tags they are made', async () => {
  for (const type of [1, 2, 3]) {
    for (const ato of [false, true]) {
      const { bench, tagsAt } = await open(type)
      await selectControl(bench, { ato })
      const out = someBlocks(2, 7)
      for (const command of [WRITE_10, WRITE_AND_VERIFY_16, WRITE_ATOMIC_16]) {
        assert.equal((await bench.run(cdbOf(command, { lba: LBA, blocks: 2 }), { out })).status, Status.good)
        const wanted = tag(out.subarray(512), ato ? 0xffff : 0, type === 1 ? LBA + 1 : 0xffff_ffff)
        assert.equal(tagsAt(LBA + 1), wanted.toString('hex'))
      }
    }
  }
})

test('type 2 makes the reference tags that a CDB of 32 bytes says', async () => {
  const { bench, tagsAt } = await open(2)
  const out = someBlocks(2, 7)
  await bench.run(cdbOf(WRITE_32, { lba: LBA, blocks: 2, ...KNOWN }), { out })
  assert.equal(tagsAt(LBA + 1), tag(out.subarray(512), 0, 0x2001).toString('hex'))
  const read = await bench.run(cdbOf(READ_32, { lba: LBA, blocks: 2, ...KNOWN }))
  assert.equal(read.status, Status.good)
  const wrong = await bench.run(cdbOf(READ_32, { lba: LBA, blocks: 2, ...KNOWN, referenceTag: 0x2001 }))
  assert.equal(wrong.sense, LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED)
})

test('protect fields that a disk cannot take are refused, with or without data', async () => {
  for (const [type, cdb, code] of [
    [1, cdbOf(WRITE_10, { protect: 6, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [0, cdbOf(WRITE_16, { protect: 1, blocks: 1 }), INVALID_FIELD_IN_CDB],
    [2, cdbOf(WRITE_16, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [2, cdbOf(WRITE_SAME_10, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [2, cdbOf(ORWRITE_16, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [1, cdbOf(WRITE_32, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
    [3, cdbOf(WRITE_SAME_32, { protect: 1, blocks: 1 }), INVALID_COMMAND_OPERATION_CODE],
  ] as const) {
    const { bench, store } = await open(type)
    for (const out of [Buffer.alloc(520), Buffer.alloc(0)]) {
      const { sense, outLength } = await bench.run(cdb, { out })
      assert.deepEqual([sense, outLength], [code, 0])
    }
    assert.deepEqual(store.takeCalls(), [])
  }
})

// Requirement: SPC-4, Control mode page: RWWP.
test('with RWWP a write without tags is refused, a read is not', async () => {
  const { bench } = await open(1)
  await selectControl(bench, { rwwp: true })
  const out = withTags(someBlocks(1, 1), 3)
  const { sense, field } = await bench.run(cdbOf(WRITE_10, { lba: 3, blocks: 1 }), {
    out: out.subarray(0, 512),
  })
  assert.equal(sense, INVALID_FIELD_IN_CDB)
  assert.deepEqual(field, { byte: 1, bit: 7, inCdb: true })
  assert.equal(
    (await bench.run(cdbOf(WRITE_10, { protect: 1, lba: 3, blocks: 1 }), { out })).status,
    Status.good,
  )
  assert.equal((await bench.run(cdbOf(READ_16, { lba: 3, blocks: 1 }))).status, Status.good)
})

test('fewer blocks than named are fewer blocks; a broken one is refused', async () => {
  const { bench, store } = await open(1)
  const out = withTags(someBlocks(4, 1), LBA)
  const cdb = cdbOf(WRITE_16, { protect: 1, lba: LBA, blocks: 4 })
  assert.equal((await bench.run(cdb, { out: out.subarray(0, 1040) })).status, Status.good)
  assert.deepEqual(store.takeCalls(), [`write ${LBA * 512}+1024`])
  for (const length of [1, 512, 519, 521, 1024]) {
    const { sense } = await bench.run(cdb, { out: out.subarray(0, length) })
    assert.equal(sense, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT, `${length}`)
  }
  assert.deepEqual(store.takeCalls(), [])
  assert.equal((await bench.run(cdb)).status, Status.good)
})

test('WRITE AND VERIFY reads tags back, too', async () => {
  const { bench, tags } = await open(1)
  const out = withTags(someBlocks(1, 1), LBA)
  const cdb = cdbOf(WRITE_AND_VERIFY_16, { protect: 3, lba: LBA, blocks: 1 })
  // A guard that is wrong and not checked is written as it is, and it is the same when it is read.
  out[512]! ^= 1
  assert.equal((await bench.run(cdb, { out })).status, Status.good)
  tags.read = new Proxy(tags.read, {
    apply(call, self, args) {
      tags.bytes[(args[0] as StoreIo).offset + 3]! ^= 1
      Reflect.apply(call, self, args)
    },
  })
  const { sense, information } = await bench.run(cdb, { out })
  assert.deepEqual([sense, information], [MISCOMPARE_OF_APPLICATION_TAG, LBA])
})

// Requirement: SBC-4, WRITE SAME (10) command: reference tags count up in types 1 and 2, escape values are kept.
test('WRITE SAME: one tag stands for all', async () => {
  for (const type of [1, 2, 3]) {
    for (const command of type === 2 ? [WRITE_SAME_32] : [WRITE_SAME_10, WRITE_SAME_16]) {
      const { bench, tagsAt } = await open(type)
      const block = someBlocks(1, 3)
      const run = (out: Buffer) =>
        bench.run(cdbOf(command, { protect: 1, lba: LBA, blocks: 5, ...knownOf(type) }), { out })
      const first = REFERENCE[type]!
      const { status, outLength } = await run(withTags(block, first))
      assert.deepEqual([status, outLength], [Status.good, 520])
      const last = tag(block, 0x0a0a, type === 3 ? first : first + 4)
      assert.equal(tagsAt(LBA + 4), last.toString('hex'))
      assert.equal((await run(Buffer.concat([block, Buffer.alloc(8, 0xff)]))).status, Status.good)
      assert.equal(tagsAt(LBA + 4), 'ffffffffffffffff')
      const spoiled = withTags(block, first)
      spoiled[3]! ^= 1
      assert.equal((await run(spoiled)).sense, LOGICAL_BLOCK_GUARD_CHECK_FAILED)
    }
  }
})

test('WRITE SAME without tags makes them, for zeros too; without data they are the escape value', async () => {
  for (const thin of [false, true]) {
    const { bench, tagsAt } = await openProtected(1, { thin })
    for (const block of [someBlocks(1, 3), Buffer.alloc(512)]) {
      await bench.run(cdbOf(WRITE_SAME_16, { lba: LBA, blocks: 300 }), { out: block })
      assert.equal(tagsAt(LBA + 299), tag(block, 0, LBA + 299).toString('hex'))
    }
    await bench.run(cdbOf(WRITE_SAME_16, { lba: LBA, blocks: 300, ndob: 1 }))
    assert.equal(tagsAt(LBA + 299), 'ffffffffffffffff')
  }
})

test('WRITE SAME with UNMAP unmaps only what has the escape value then', async () => {
  const { bench, store, tagsAt } = await openProtected(1, { thin: true })
  const run = (out: Buffer) =>
    bench.run(cdbOf(WRITE_SAME_16, { protect: 1, unmap: 1, lba: LBA, blocks: 2 }), { out })
  const zeros = Buffer.alloc(512)
  assert.equal((await run(withTags(zeros, LBA))).status, Status.good)
  assert.equal(tagsAt(LBA + 1), tag(zeros, 0x0a0a, LBA + 1).toString('hex'))
  assert.ok(store.takeCalls().every(call => !call.startsWith('discard')))
  assert.equal((await run(Buffer.concat([zeros, Buffer.alloc(8, 0xff)]))).status, Status.good)
  assert.equal(tagsAt(LBA + 1), 'ffffffffffffffff')
})

// Requirement: SBC-4, ORWRITE (16) command: both sides are checked, and the result has a guard of its own.
test('ORWRITE checks both, makes the guard, and keeps the sent tags', async () => {
  for (const command of [ORWRITE_16, ORWRITE_32]) {
    const type = command === ORWRITE_16 ? 1 : 2
    const { bench, store, tagsAt } = await open(type)
    if (!bench.device.type.bindings.some(one => one.command === command)) continue
    await bench.run(cdbOf(WRITE_10, { lba: LBA, blocks: 2 }), { out: someBlocks(2, 1) })
    const data = someBlocks(2, 2)
    const out = withTags(data, LBA, 0x77)
    const cdb = cdbOf(command, { protect: 1, lba: LBA, blocks: 2 })
    assert.equal((await bench.run(cdb, { out })).status, Status.good)
    const wanted = someBlocks(2, 1).map((byte, i) => byte | data[i]!)
    assert.deepEqual(store.bytes.subarray(LBA * 512, (LBA + 2) * 512), Buffer.from(wanted))
    assert.equal(tagsAt(LBA + 1), tag(wanted.subarray(512), 0x77, LBA + 1).toString('hex'))
    out[9]! ^= 1
    assert.equal((await bench.run(cdb, { out })).sense, LOGICAL_BLOCK_GUARD_CHECK_FAILED)
    out[9]! ^= 1
    store.bytes[(LBA + 1) * 512]! ^= 1
    const { sense, information } = await bench.run(cdb, { out })
    assert.deepEqual([sense, information], [LOGICAL_BLOCK_GUARD_CHECK_FAILED, LBA + 1])
  }
})

test('no command has so many blocks that their guards would keep other work waiting', async () => {
  const { disk, bench } = await openProtected(1, { blocks: 9000 })
  const blocks = disk.maxTransfer / 512 + 1
  assert.equal(disk.maxTransfer, 4 * 1024 * 1024)
  const answer = await bench.run(cdbOf(WRITE_16, { blocks }), { out: Buffer.alloc(blocks * 512) })
  assert.equal(answer.sense, INVALID_FIELD_IN_CDB)
})
