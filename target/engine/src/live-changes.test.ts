// SPDX-License-Identifier: Apache-2.0
// Changes of a unit that is in use: size, names, another device, its end; and who hears of each, once, in which order.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import {
  CAPACITY_DATA_HAS_CHANGED,
  LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
  READ_10,
  Status,
  TaskAttribute,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { type BackingStore, OperatorError } from '@lunkit/target-api'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

/** A device of a store that can be any size, by its own calls. */
class Elastic extends StandInDevice {
  calls2: string[] = []
  fails = false
  readonly store = {
    size: 1000 * 512,
    resize: async (size: number) => {
      this.calls2.push(`store ${size / 512}`)
      if (this.fails) throw new OperatorError('FULL', 'no room')
      ;(this.store as { size: number }).size = size
    },
    rescan: async () => {
      ;(this.store as { size: number }).size = 1200 * 512
    },
  } as unknown as BackingStore

  resized(bytes: number): boolean {
    const blocks = Math.floor(bytes / 512)
    if (blocks === this.blocks) return false
    this.calls2.push(`device ${blocks}`)
    this.blocks = blocks
    this.unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
    return true
  }
}

function elastic(managementMs = 5000) {
  const { engine, target, port, events } = bench({ managementMs })
  const device = new Elastic()
  const unit = engine.addUnit(device, identity)
  target.map(1, unit)
  const one = new Initiator(port, 'one')
  const two = new Initiator(port, 'two', { firstTag: 100 })
  return { engine, target, port, device, unit, one, two, events }
}

const probe = (initiator: Initiator, lun = 1): string => {
  initiator.send(TEST_UNIT_READY, {}, { lun })
  return lastCode(initiator)
}
const lastCode = ({ port }: Initiator): string => {
  const { sense } = port.answers.at(-1)!
  return sense === null ? 'none' : `${sense.key}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`
}
/** All that a nexus is told at a unit, until nothing is left. */
const hears = (initiator: Initiator, lun = 1): string[] => {
  const heard: string[] = []
  for (let code = probe(initiator, lun); code !== 'none'; code = probe(initiator, lun)) heard.push(code)
  return heard
}

test('a unit grows: its store first, then its nexuses hear of it once, and no other unit does', async () => {
  const { engine, device, unit, one, two } = elastic()
  one.send(READ_10, { lba: 1000, blocks: 1 }, { lun: 1 })
  assert.equal(lastCode(one), '5/21/0')
  await engine.resizeUnit(unit, 1500 * 512)
  assert.deepEqual(device.calls2, ['store 1500', 'device 1500'])
  assert.deepEqual([hears(one), hears(two), hears(one, 0)], [['6/2a/9'], ['6/2a/9'], []])
  one.send(READ_10, { lba: 1499, blocks: 1 }, { lun: 1 })
  assert.equal(lastCode(one), 'none')
  // The size that it has is no news.
  await engine.resizeUnit(unit, 1500 * 512)
  assert.deepEqual([hears(one), hears(two)], [[], []])
})

test('a unit shrinks only if that is said, and after the commands beyond its new end', async () => {
  const { engine, device, unit, one, two } = elastic()
  await assert.rejects(engine.resizeUnit(unit, 512), { code: 'SHRINK' })
  device.holds = true
  one.send(WRITE_10, { lba: 999, blocks: 1 }, { lun: 1 })
  const shrunk = engine.resizeUnit(unit, 500 * 512, { shrink: true })
  assert.deepEqual(device.calls2, ['device 500'])
  two.send(READ_10, { lba: 999, blocks: 1 }, { lun: 1 })
  assert.equal(lastCode(two), '6/2a/9')
  two.send(READ_10, { lba: 999, blocks: 1 }, { lun: 1 })
  assert.equal(lastCode(two), '5/21/0')
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(device.calls2, ['device 500'])
  // One that came later does not keep it waiting.
  two.send(READ_10, { lba: 0, blocks: 1 }, { lun: 1 })
  device.end(1)
  await shrunk
  assert.deepEqual(device.calls2, ['device 500', 'store 500'])
  device.holds = false
  device.end()
  assert.deepEqual([hears(one), hears(two)], [['6/2a/9'], []])
})

test('a shrink that cannot be done leaves the size as it was', async () => {
  const { engine, device, unit, one } = elastic()
  device.fails = true
  await assert.rejects(engine.resizeUnit(unit, 500 * 512, { shrink: true }), { code: 'FULL' })
  assert.equal(device.blocks, 1000)
  await assert.rejects(engine.resizeUnit(unit, 2000 * 512), { code: 'FULL' })
  assert.equal(device.blocks, 1000)
  device.fails = false
  device.holds = true
  one.send(READ_10, { lba: 0, blocks: 1 }, { lun: 1 })
  one.send(READ_10, { lba: 0, blocks: 1 }, { lun: 1 })
  await assert.rejects(engine.resizeUnit(unit, 500 * 512, { shrink: true, limitMs: 1 }), {
    code: 'UNIT_BUSY',
  })
  assert.deepEqual([device.blocks, unit.device.store!.size], [1000, 1000 * 512])
})

test('sizes and units that cannot be are errors with a code', async () => {
  const { engine, target, device, unit } = elastic()
  for (const bytes of [0, -512, 513, 1.5, Number.NaN, 2 ** 53]) {
    await assert.rejects(engine.resizeUnit(unit, bytes), { code: 'SIZE' })
  }
  await assert.rejects(engine.resizeUnit(target.unitAt(0)!, 1024), { code: 'RESIZE' })
  assert.equal(await engine.rescanUnit(target.unitAt(0)!), false)
  device.occupied = { code: LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS, progress: 0, failed: false }
  await assert.rejects(engine.resizeUnit(unit, 2000 * 512), { code: 'UNIT_BUSY' })
  await assert.rejects(engine.rescanUnit(unit), { code: 'UNIT_BUSY' })
})

test('a rescan takes the size that the storage has', async () => {
  const { engine, device, unit, one } = elastic()
  assert.equal(await engine.rescanUnit(unit), true)
  assert.equal(device.blocks, 1200)
  assert.deepEqual(hears(one), ['6/2a/9'])
  assert.equal(await engine.rescanUnit(unit), false)
  assert.deepEqual(hears(one), [])
})

test('new names are told once to all, the same names to nobody', () => {
  const { unit, one, two } = elastic()
  unit.rename({ ...identity, product: 'OTHER' })
  assert.deepEqual([hears(one), hears(two), hears(one, 0)], [['6/3f/3'], ['6/3f/3'], []])
  unit.rename({ ...identity, product: 'OTHER', naa: new Uint8Array(8) })
  assert.deepEqual(hears(one), [])
})

test('changed microcode comes before changed names and capacity, whichever was first', async () => {
  const { engine, unit, one } = elastic()
  await engine.resizeUnit(unit, 1500 * 512)
  unit.microcodeChanged('2')
  assert.equal(unit.identity.revision, '2')
  assert.deepEqual(hears(one), ['6/3f/1', '6/2a/9', '6/3f/3'])
  unit.microcodeChanged()
  assert.deepEqual(hears(one), ['6/3f/1'])
})

test('a unit that is removed ends its commands, then its device is closed', async () => {
  const { engine, target, device, unit, one, two } = elastic()
  await assert.rejects(engine.removeUnit(unit), { code: 'UNIT_MAPPED' })
  device.holds = true
  one.send(READ_10, { blocks: 1 }, { lun: 1 })
  one.send(READ_10, { blocks: 1 }, { lun: 1, attribute: TaskAttribute.ordered })
  target.unmap(1)
  const removed = engine.removeUnit(unit)
  one.send(READ_10, { blocks: 1 }, { lun: 1 })
  assert.equal(lastCode(one), '5/25/0')
  assert.deepEqual(device.tags, [1])
  device.end()
  await new Promise(resolve => setImmediate(resolve))
  // The one that waited for its turn has it.
  assert.deepEqual([device.tags, device.calls.includes('close')], [[1, 2], false])
  device.end()
  assert.equal(lastCode(one), 'none')
  await removed
  assert.deepEqual([device.calls.filter(call => call === 'close').length, device.aborted.length], [1, 0])
  assert.deepEqual([hears(one, 0), hears(two, 0)], [['6/3f/e'], ['6/3f/e']])
  await engine.close()
  assert.equal(device.calls.filter(call => call === 'close').length, 1)
})

test('commands that do not end are aborted; a store that never answers is reported and closed when it does', async () => {
  const { engine, target, device, unit, one, port } = elastic(1)
  device.holds = true
  one.send(READ_10, { blocks: 1 }, { lun: 1 })
  target.unmap(1)
  await assert.rejects(engine.removeUnit(unit, { graceMs: 1 }), { code: 'UNIT_BUSY' })
  assert.equal(device.aborted.length, 1)
  assert.deepEqual(
    port.answers.map(({ status }) => status),
    [Status.taskAborted],
  )
  assert.ok(!device.calls.includes('close'))
  device.end()
  await new Promise(resolve => setImmediate(resolve))
  assert.ok(device.calls.includes('close'))
  assert.equal(port.answers.length, 1)
})

test('closing the engine waits for a removed unit that is still busy', async () => {
  const { engine, target, device, unit, one } = elastic(1)
  device.holds = true
  one.send(READ_10, { blocks: 1 }, { lun: 1 })
  target.unmap(1)
  await assert.rejects(engine.removeUnit(unit, { graceMs: 1 }), { code: 'UNIT_BUSY' })
  let closed = false
  const closing = engine.close().then(() => (closed = true))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(closed, false)
  device.end()
  await closing
  assert.equal(device.calls.filter(call => call === 'close').length, 1)
})

test('another unit behind a LUN: a power on and other inquiry data there, a changed list everywhere', () => {
  const { engine, target, unit, one } = elastic()
  const device = new StandInDevice()
  const other = engine.addUnit(device, { ...identity, serial: '2' })
  assert.equal(target.replace(1, other), unit)
  assert.deepEqual(hears(one), ['6/29/0', '6/3f/3', '6/3f/e'])
  assert.deepEqual(hears(one, 0), ['6/3f/e'])
  assert.equal(device.tags.length, 1)
  assert.throws(() => target.replace(2, other), { code: 'LUN_MISSING' })
})

test('a timer of a removal that went well does not linger', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { engine, target, device, unit, one } = elastic()
    device.holds = true
    one.send(READ_10, { blocks: 1 }, { lun: 1 })
    target.unmap(1)
    const removed = engine.removeUnit(unit)
    device.end()
    await removed
    mock.timers.tick(60_000)
    assert.equal(device.aborted.length, 0)
  } finally {
    mock.timers.reset()
  }
})
