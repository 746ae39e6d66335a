// SPDX-License-Identifier: Apache-2.0
// WRITE ATOMIC: one request of the store for all blocks, within the limit that page B0h tells, or nothing at all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_COMMAND_OPERATION_CODE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
  LBA_OUT_OF_RANGE,
  Status,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

const ROWS = [WRITE_ATOMIC_16, WRITE_ATOMIC_32] as const
const atomicDisk = () => openDisk({}, { atomicWrite: 300 * 1024 })

for (const command of ROWS) {
  test(`${command.name}: one request for all its blocks, FUA or not`, async () => {
    for (const fua of [0, 1]) {
      const { bench, store } = await atomicDisk()
      const out = Buffer.alloc(600 * 512, 0x61)
      const answer = await bench.run(cdbOf(command, { lba: 5, blocks: 600, fua, dpo: 1 }), { out })
      assert.equal(answer.status, Status.good)
      assert.deepEqual(store.takeCalls(), [`write 2560+307200${fua === 1 ? ' fua' : ''}`])
    }
  })

  test(`${command.name}: more than page B0h says, a boundary, or part of the data writes nothing`, async () => {
    const { bench, store, disk } = await atomicDisk()
    assert.equal(disk.maxAtomic, 600)
    const run = (values: Record<string, number>, blocks = values['blocks']!) =>
      bench.run(cdbOf(command, values), { out: Buffer.alloc(blocks * 512) })
    const long = await run({ blocks: 601 })
    assert.deepEqual([long.sense, long.field?.byte], [INVALID_FIELD_IN_CDB, command.length - 4])
    assert.equal((await run({ blocks: 1, boundary: 1 })).sense, INVALID_FIELD_IN_CDB)
    assert.equal((await run({ blocks: 1, protect: 1 })).sense, INVALID_FIELD_IN_CDB)
    assert.equal((await run({ blocks: 9, lba: disk.blocks - 8 })).sense, LBA_OUT_OF_RANGE)
    assert.equal((await run({ blocks: 9 }, 8)).sense, INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT)
    assert.deepEqual(store.takeCalls(), [])
    assert.equal((await run({ blocks: 0 })).status, Status.good)
  })
}

test('a store that may tear a write has no atomic ones', async () => {
  const { bench } = await openDisk()
  for (const command of ROWS) {
    const { sense } = await bench.run(cdbOf(command, { blocks: 1 }), { out: Buffer.alloc(512) })
    assert.equal(sense, INVALID_COMMAND_OPERATION_CODE)
  }
})
