// SPDX-License-Identifier: Apache-2.0
// A disk that becomes another size while it is used: what it says, and who is told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CAPACITY_16, CAPACITY_DATA_HAS_CHANGED, READ_CAPACITY_16 } from '@lunkit/spec'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from './disk.test-kit.ts'

// Requirement: SBC-4, READ CAPACITY (16) command: after a change of capacity, a unit attention for every nexus, once.
test('a disk takes another size, tells every nexus once, and reports it', async () => {
  const { bench, disk } = await openDisk()
  assert.equal(disk.resized(3 * 1024 * 1024 + 100), true)
  assert.equal(disk.blocks, 6144)
  assert.equal(disk.resized(3 * 1024 * 1024), false)
  assert.deepEqual(
    bench.nexusUnits.map(({ attentions }) => attentions.splice(0)),
    [[CAPACITY_DATA_HAS_CHANGED], [CAPACITY_DATA_HAS_CHANGED]],
  )
  const { data } = await bench.run(cdbOf(READ_CAPACITY_16, { allocation: 32 }))
  assert.equal(CAPACITY_16.read(data).lastLba, 6143)
  assert.throws(() => disk.resized(511), { code: 'STORE_EMPTY' })
  assert.equal(disk.blocks, 6144)
})
