// SPDX-License-Identifier: Apache-2.0
// Discs that go while commands are under way: those end with the old one, none reaches the new one unwarned, and other units go on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MMC_READ_10,
  MMC_START_STOP_UNIT,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  readSense,
  Status,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as cdrom } from '@lunkit/target-devices/cdrom'
import { type LocalNexus, openLocal } from '@lunkit/target-driver-local'
import { type EngineOptions, TargetEngine } from '@lunkit/target-engine'
import { cdbOf } from '../kit/device-bench.ts'
import { StandInStore } from '../kit/stand-in-store.ts'

const SECTOR = 2048
const disc = (sectors: number, first = 0): StandInStore => {
  const store = new StandInStore({ size: sectors * SECTOR, canWrite: false })
  store.bytes[0] = first
  return store
}

async function bench(limits: EngineOptions['limits'] = {}) {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}), limits })
  const target = engine.addTarget({ name: 'target' })
  const stores = [disc(100, 1), disc(100, 2)] as const
  const units = []
  for (const [lun, store] of stores.entries()) {
    const names = { vendor: 'LUNKIT', product: 'CD', revision: '1', serial: `${lun}` }
    const unit = engine.addUnit(await cdrom.open(store, {}), { ...names, naa: Buffer.alloc(8, 0x30 + lun) })
    target.map(lun, unit)
    units.push(unit)
  }
  const connect = async (name: string): Promise<LocalNexus> => {
    const nexus = openLocal(engine, 'target', name)
    for (const lun of stores.keys()) while ((await ended(nexus, lun, TEST_UNIT_READY)) !== 'good');
    return nexus
  }
  return { engine, target, stores, units, connect }
}

/** `key/asc/ascq` of a command, or `good`. */
async function ended(
  nexus: LocalNexus,
  lun: number,
  command: Parameters<typeof cdbOf>[0],
  values: Record<string, number> = {},
): Promise<string> {
  const { status, sense } = await nexus.execute({ lun, cdb: cdbOf(command, values), expectedIn: 1 << 20 })
  if (status === Status.good) return 'good'
  const { key, asc, ascq } = readSense(sense!)!
  return [key, asc, ascq].map(one => one.toString(16)).join('/')
}

const turns = async (count = 5): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

test('a read that waited for memory while the tray was opened ends NOT READY, and the next disc comes after it', async () => {
  const { engine, stores, units, connect } = await bench({
    memory: 40 * SECTOR,
    memoryPerSessionAtUnit: 40 * SECTOR,
  })
  const one = await connect('one')
  // What waits for memory closes the window of its own session.
  const two = await connect('two')
  stores[0].held = true
  const first = ended(one, 0, MMC_READ_10, { blocks: 40 })
  const waits = ended(one, 0, MMC_READ_10, { blocks: 40 })
  await turns()
  const second = disc(50, 9)
  const inserted = engine.insertMedium(units[0]!, second)
  await turns()
  assert.equal(await ended(two, 0, TEST_UNIT_READY), '2/3a/2')
  assert.equal(stores[0].closed, false)
  stores[0].release()
  assert.equal(await first, 'good')
  assert.equal(await waits, '2/3a/2')
  await inserted
  assert.equal(stores[0].closed, true)
  // Not one byte of the new disc before this.
  assert.deepEqual(second.takeCalls(), [])
  assert.equal(await ended(one, 0, MMC_READ_10, { blocks: 1 }), '6/28/0')
  assert.equal(await ended(one, 0, MMC_READ_10, { blocks: 1 }), 'good')
  await engine.close()
  assert.equal(second.closed, true)
})

// Requirement: MMC-6, START STOP UNIT command: the tray opens when the commands before it have ended.
test("an initiator's eject waits for reads before it, and those behind it find the tray open", async () => {
  const { engine, stores, connect } = await bench()
  const one = await connect('one')
  stores[0].held = true
  const before = ended(one, 0, MMC_READ_10, { blocks: 4 })
  const eject = ended(one, 0, MMC_START_STOP_UNIT, { loej: 1 })
  const behind = ended(one, 0, MMC_READ_10, { blocks: 4 })
  await turns()
  stores[0].release()
  assert.deepEqual(await Promise.all([before, eject, behind]), ['good', 'good', '2/3a/2'])
  await engine.close()
})

test('a disc whose storage hangs stays in the open tray, and the other drive is changed meanwhile', async () => {
  const { engine, stores, units, connect } = await bench({ managementMs: 50 })
  const one = await connect('one')
  stores[0].held = true
  const stuck = ended(one, 0, MMC_READ_10, { blocks: 4 })
  await turns()
  const change = engine.ejectMedium(units[0]!, { limitMs: 30 })
  await engine.insertMedium(units[1]!, disc(20))
  assert.equal(await ended(one, 1, TEST_UNIT_READY), '6/28/0')
  assert.equal(await ended(one, 1, MMC_READ_10, { lba: 19, blocks: 1 }), 'good')
  await assert.rejects(change, { code: 'UNIT_BUSY' })
  assert.equal(await ended(one, 0, TEST_UNIT_READY), '2/3a/2')
  stores[0].release()
  assert.equal(await stuck, 'good')
  // It was never taken out, so it is loaded again.
  assert.equal(await ended(one, 0, MMC_START_STOP_UNIT, { loej: 1, start: 1 }), 'good')
  assert.equal(await ended(one, 0, MMC_READ_10, { blocks: 4 }), 'good')
  await engine.ejectMedium(units[0]!)
  assert.equal(stores[0].closed, true)
  await engine.close()
})

test('the lock of an initiator that is gone does not keep an operator out', async () => {
  const { engine, units, connect } = await bench()
  const one = await connect('one')
  const two = await connect('two')
  assert.equal(await ended(one, 0, PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: 1 }), 'good')
  await assert.rejects(engine.ejectMedium(units[0]!), { code: 'REMOVAL_PREVENTED' })
  assert.equal(await ended(two, 0, MMC_START_STOP_UNIT, { loej: 1 }), '5/53/2')
  await one.close()
  await engine.ejectMedium(units[0]!)
  assert.equal(await ended(two, 0, TEST_UNIT_READY), '2/3a/2')
  await engine.close()
})
