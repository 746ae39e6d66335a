// SPDX-License-Identifier: Apache-2.0
// A disk that becomes another size while it is used: what it says, and who is told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CAPACITY_16, CAPACITY_DATA_HAS_CHANGED, DEVICE_INTERNAL_RESET, READ_CAPACITY_16 } from '@lunkit/spec'
import type { StoreWatcher } from '@lunkit/target-api'
import { Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { StandInStore } from '../../../../testing/kit/stand-in-store.ts'
import { openDisk } from './disk.test-kit.ts'
import { device } from './index.ts'

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

interface Told {
  size: number
  watch(told: StoreWatcher): void
}

test('what a store tells unasked, every nexus hears of', async () => {
  const store = new StandInStore({ size: 1 << 20 }) as StandInStore & Told
  let tell: StoreWatcher = () => {}
  store.watch = told => {
    tell = told
  }
  const bench = await Bench.open(device, store)
  const heard = () => bench.nexusUnits.map(({ attentions }) => attentions.splice(0))
  tell('resized')
  assert.deepEqual(heard(), [[], []], 'it has the size that it had')
  store.size = 2 << 20
  tell('resized')
  assert.equal(bench.device.blocks, 4096)
  assert.deepEqual(heard(), [[CAPACITY_DATA_HAS_CHANGED], [CAPACITY_DATA_HAS_CHANGED]])
  tell('away', 'its server is gone')
  assert.deepEqual(bench.warnings.splice(0), ['its server is gone'])
  tell('returned')
  assert.deepEqual(heard(), [[DEVICE_INTERNAL_RESET], [DEVICE_INTERNAL_RESET]])
  store.size = 100
  tell('resized')
  assert.equal(bench.device.blocks, 4096)
  assert.match(bench.warnings[0] ?? '', /no block left/)
})
