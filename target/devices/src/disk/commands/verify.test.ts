// SPDX-License-Identifier: Apache-2.0
// VERIFY and WRITE AND VERIFY: every BYTCHK, differences found where they are, long ranges in pieces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  LBA_OUT_OF_RANGE,
  MEDIUM_NOT_PRESENT,
  MISCOMPARE_DURING_VERIFY_OPERATION,
  Status,
  UNRECOVERED_READ_ERROR,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  VERIFY_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
  WRITE_ERROR,
} from '@lunkit/spec'
import { StoreError, TaskState } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

const VERIFIES = [VERIFY_10, VERIFY_12, VERIFY_16, VERIFY_32] as const
const WRITES = [WRITE_AND_VERIFY_10, WRITE_AND_VERIFY_12, WRITE_AND_VERIFY_16, WRITE_AND_VERIFY_32] as const

test('long commands take turns, so that other work waits for a part of one and not of all', async () => {
  const { bench, store } = await openDisk({}, { size: 8 * 1024 * 1024 })
  const tasks = Array.from({ length: 20 }, () => bench.submit(cdbOf(VERIFY_10, { blocks: 16_384 })))
  store.takeCalls()
  let turns = 0
  for (; tasks.some(({ state }) => state === TaskState.execute); turns++) {
    await new Promise(resolve => setImmediate(resolve))
    assert.ok(store.takeCalls().length <= 16)
  }
  assert.ok(turns >= 20)
  assert.ok(tasks.every(({ status }) => status === Status.good))
})

for (const later of [false, true]) {
  const when = later ? 'later' : 'at once'

  test(`BYTCHK 0 reads the range and takes no data: ${when}`, async () => {
    const { bench, store } = await openDisk({}, { later })
    for (const command of VERIFIES) {
      const answer = await bench.run(cdbOf(command, { lba: 2, blocks: 3 }), { out: Buffer.alloc(1536) })
      assert.deepEqual([answer.status, answer.outLength, answer.inLength], [Status.good, 0, 0])
      assert.deepEqual(store.takeCalls(), ['read 1024+1536'])
    }
    store.failNext('read', StoreError.medium, 2048)
    const failed = await bench.run(cdbOf(VERIFY_10, { lba: 2, blocks: 3 }))
    assert.deepEqual([failed.sense, failed.information], [UNRECOVERED_READ_ERROR, 4])
  })

  test(`BYTCHK 1 compares every byte: ${when}`, async () => {
    const { bench, store } = await openDisk({ block: 512 }, { later })
    const length = 700 * 512
    for (const command of VERIFIES) {
      const cdb = cdbOf(command, { lba: 10, blocks: 700, bytchk: 1 })
      const out = Buffer.from(store.bytes.subarray(5120, 5120 + length))
      assert.equal((await bench.run(cdb, { out })).status, Status.good)
      for (const at of [0, 99, 100, 511, 512, 262_143, 262_144, length - 1]) {
        out[at]! ^= 0x40
        const { sense, information } = await bench.run(cdb, { out })
        assert.equal(sense, MISCOMPARE_DURING_VERIFY_OPERATION)
        assert.equal(information, 10 + Math.floor(at / 512), `${command.name} byte ${at}`)
        out[at]! ^= 0x40
      }
    }
  })

  test(`BYTCHK 3 compares one block with all: ${when}`, async () => {
    const { bench, store } = await openDisk({ block: 4096 }, { later })
    store.bytes.subarray(0, 400 * 4096).fill(0x5a)
    const out = Buffer.alloc(4096, 0x5a)
    for (const command of VERIFIES) {
      const cdb = cdbOf(command, { lba: 1, blocks: 399, bytchk: 3 })
      const answer = await bench.run(cdb, { out })
      assert.deepEqual([answer.status, answer.outLength], [Status.good, 4096])
      store.bytes[300 * 4096 + 4095]! ^= 1
      const wrong = await bench.run(cdb, { out })
      assert.deepEqual([wrong.sense, wrong.information], [MISCOMPARE_DURING_VERIFY_OPERATION, 300])
      store.bytes[300 * 4096 + 4095]! ^= 1
    }
  })

  test(`WRITE AND VERIFY puts the blocks on the medium and reads them back: ${when}`, async () => {
    for (const command of WRITES) {
      for (const bytchk of [0, 1]) {
        const { bench, store } = await openDisk({}, { later })
        const out = Buffer.alloc(1024, 0x33)
        const { status } = await bench.run(cdbOf(command, { lba: 4, blocks: 2, bytchk }), { out })
        assert.equal(status, Status.good, command.name)
        assert.deepEqual(store.durable.subarray(2048, 3072), out)
        assert.deepEqual(store.takeCalls(), ['write 2048+1024 fua', 'read 2048+1024'])
      }
    }
  })

  test(`a range of many pieces ends, and other work gets its turn: ${when}`, async () => {
    const { bench, store } = await openDisk({}, { later, size: 40 * 1024 * 1024 })
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    const { status } = await bench.run(cdbOf(VERIFY_16, { blocks: 81_920 }))
    clearInterval(timer)
    assert.equal(status, Status.good)
    assert.equal(store.takeCalls().length, 160)
    assert.ok(turns > 0)
  })
}

// Requirement: SBC-4, WRITE AND VERIFY (10) command: what was written is read back and compared.
test('what is written is compared: a store that keeps something else is found out', async () => {
  const { bench, store } = await openDisk()
  const honest = store.write.bind(store)
  store.write = io => {
    io.segments[0] = Buffer.alloc(io.segments[0]!.length, 0x77)
    honest(io)
  }
  const wrong = await bench.run(cdbOf(WRITE_AND_VERIFY_10, { lba: 8, blocks: 2, bytchk: 1 }), {
    out: Buffer.alloc(1024),
  })
  assert.deepEqual([wrong.sense, wrong.information], [MISCOMPARE_DURING_VERIFY_OPERATION, 8])
})

test('errors on the way: of the write, and of the reading back', async () => {
  const { bench, store } = await openDisk()
  const out = Buffer.alloc(512)
  store.failNext('write', StoreError.medium)
  assert.equal((await bench.run(cdbOf(WRITE_AND_VERIFY_12, { blocks: 1 }), { out })).sense, WRITE_ERROR)
  store.failNext('read', StoreError.medium)
  const { sense } = await bench.run(cdbOf(WRITE_AND_VERIFY_12, { blocks: 1 }), { out })
  assert.equal(sense, UNRECOVERED_READ_ERROR)
})

test('no blocks, fewer blocks, broken blocks', async () => {
  const { bench, store } = await openDisk()
  for (const bytchk of [0, 1, 3]) {
    assert.equal((await bench.run(cdbOf(VERIFY_10, { lba: 4096, bytchk }))).status, Status.good)
    assert.equal((await bench.run(cdbOf(VERIFY_10, { lba: 4097, bytchk }))).sense, LBA_OUT_OF_RANGE)
  }
  assert.equal((await bench.run(cdbOf(WRITE_AND_VERIFY_10, { lba: 4096 }))).status, Status.good)
  assert.deepEqual(store.takeCalls(), [])
  const one = Buffer.from(store.bytes.subarray(0, 512))
  const fewer = await bench.run(cdbOf(VERIFY_10, { blocks: 2, bytchk: 1 }), { out: one })
  assert.deepEqual([fewer.status, fewer.outLength], [Status.good, 1024])
  assert.deepEqual(store.takeCalls(), ['read 0+512'])
  for (const command of [VERIFY_10, WRITE_AND_VERIFY_10]) {
    const { sense } = await bench.run(cdbOf(command, { blocks: 1, bytchk: 1 }), { out: Buffer.alloc(200) })
    assert.equal(sense, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
  }
})

// Requirement: SBC-4, VERIFY (10) command: a reserved BYTCHK is INVALID FIELD IN CDB.
test('refused: BYTCHK that is reserved, PI, a medium that is out', async () => {
  const { bench, disk, store } = await openDisk({ removable: true })
  const refused = [
    ...VERIFIES.map(command => [command, 2] as const),
    ...WRITES.flatMap(command => [[command, 2] as const, [command, 3] as const]),
  ]
  for (const [command, bytchk] of refused) {
    const { sense, field } = await bench.run(cdbOf(command, { blocks: 1, bytchk }), {
      out: Buffer.alloc(512),
    })
    assert.equal(sense, INVALID_FIELD_IN_CDB)
    assert.deepEqual(field, { byte: command.opcode === 0x7f ? 10 : 1, bit: 2, inCdb: true })
  }
  disk.notReady = MEDIUM_NOT_PRESENT
  for (const command of [...VERIFIES, ...WRITES]) {
    const out = Buffer.alloc(512)
    assert.equal(
      (await bench.run(cdbOf(command, { blocks: 1, protect: 1 }), { out })).sense,
      INVALID_FIELD_IN_CDB,
    )
    assert.equal((await bench.run(cdbOf(command, { blocks: 1 }), { out })).sense, MEDIUM_NOT_PRESENT)
  }
  assert.deepEqual(store.takeCalls(), [])
})
