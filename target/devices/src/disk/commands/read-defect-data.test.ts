// SPDX-License-Identifier: Apache-2.0
// READ DEFECT DATA and SEEK: empty lists in every format, and an LBA that is looked at.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_SEEK_10,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  READ_DEFECT_DATA_10,
  READ_DEFECT_DATA_12,
  SEEK_6,
  Status,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

test('both defect lists are known and empty, in any format that SBC names', async () => {
  const { bench } = await openDisk()
  for (const [command, length] of [
    [READ_DEFECT_DATA_10, 4],
    [READ_DEFECT_DATA_12, 8],
  ] as const) {
    for (let format = 0; format < 8; format++) {
      const cdb = cdbOf(command, { plist: 1, glist: 1, defectListFormat: format, allocation: 64 })
      const { status, sense, data, field } = await bench.run(cdb)
      if (format > 5) {
        assert.equal(sense, INVALID_FIELD_IN_CDB)
        assert.deepEqual(field, { byte: length === 4 ? 2 : 1, bit: 2, inCdb: true })
      } else {
        assert.equal(status, Status.good)
        assert.deepEqual([...data], [0, 0x18 | format, ...Array(length - 2).fill(0)])
      }
    }
    const none = await bench.run(cdbOf(command, { allocation: 3 }))
    assert.deepEqual([...none.data], [0, 0, 0])
  }
})

test('SEEK looks whether the LBA is there', async () => {
  const { bench, disk, store } = await openDisk()
  for (const command of [SEEK_6, BLOCK_SEEK_10]) {
    assert.equal((await bench.run(cdbOf(command, { lba: disk.blocks - 1 }))).status, Status.good)
    assert.equal((await bench.run(cdbOf(command, { lba: disk.blocks }))).sense, LBA_OUT_OF_RANGE)
  }
  assert.deepEqual(store.takeCalls(), [])
})
