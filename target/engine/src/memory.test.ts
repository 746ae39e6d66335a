// SPDX-License-Identifier: Apache-2.0
// Memory ceilings: who waits, who goes, and when a window closes and opens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, TEST_UNIT_READY, WRITE_10, WRITE_SAME_10 } from '@lunkit/spec'
import { ManagementFunction } from '@lunkit/target-api'
import fc from 'fast-check'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

/** Ceilings in blocks of 512 bytes. */
const blocks = (
  memory: number,
  memoryPerSession = memory,
  memoryPerUnit = memory,
  atUnit = memoryPerUnit,
) => {
  const all = bench({
    memory: memory * 512,
    memoryPerSession: memoryPerSession * 512,
    memoryPerUnit: memoryPerUnit * 512,
    memoryPerSessionAtUnit: atUnit * 512,
    tasksPerSession: 7,
  })
  all.device.holds = true
  return { ...all, initiator: new Initiator(all.port) }
}

test('a task above the ceiling waits until the answer before it has left', () => {
  const { device, port, initiator } = blocks(4)
  port.sends = false
  initiator.send(READ_10, { blocks: 3 })
  initiator.send(READ_10, { blocks: 2 })
  assert.deepEqual(device.tags, [1])
  assert.equal(initiator.nexus.credit, 0)
  device.end()
  assert.deepEqual(device.tags, [1])
  assert.equal(port.restored, 0)
  port.sent()
  assert.deepEqual(device.tags, [1, 2])
  assert.equal(initiator.nexus.credit, 7)
  assert.equal(port.restored, 1)
})

test('write data is not fetched before there is room for it', () => {
  const { device, port, initiator } = blocks(4)
  port.brings = false
  initiator.send(WRITE_10, { blocks: 4 })
  initiator.send(WRITE_10, { blocks: 1 })
  assert.equal(port.fetching.length, 1)
  port.bring(port.fetching[0]!)
  assert.equal(port.fetching.length, 0)
  device.end()
  assert.deepEqual(
    port.fetching.map(({ tag }) => tag),
    [2],
  )
})

test('what the initiator does not take or give is not charged', () => {
  const { device, initiator } = blocks(4)
  initiator.send(READ_10, { blocks: 64 }, { expectedIn: 1000 })
  initiator.send(WRITE_10, { blocks: 64 }, { expectedOut: 1024 })
  initiator.send(TEST_UNIT_READY)
  assert.deepEqual(device.tags, [1, 2, 3])
})

test('a task larger than the ceiling goes alone', () => {
  const { device, initiator } = blocks(4)
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(READ_10, { blocks: 9 })
  initiator.send(READ_10, { blocks: 1 })
  assert.deepEqual(device.tags, [1])
  device.end()
  assert.deepEqual(device.tags, [1, 2])
  device.end()
  assert.deepEqual(device.tags, [1, 2, 3])
})

test("one session's ceiling does not hold up another session", () => {
  const { device, port, initiator } = blocks(100, 4)
  const other = new Initiator(port, 'other', { firstTag: 100 })
  initiator.send(READ_10, { blocks: 4 })
  initiator.send(READ_10, { blocks: 1 })
  other.send(READ_10, { blocks: 4 })
  assert.deepEqual(device.tags, [1, 101])
  assert.equal(initiator.nexus.credit, 0)
  assert.equal(other.nexus.credit, 7)
})

test('a stuck unit does not take the memory of the others', () => {
  const { device, target, engine, port } = blocks(100, 100, 4)
  const free = new StandInDevice()
  target.map(1, engine.addUnit(free, identity))
  const initiator = new Initiator(port, 'other')
  initiator.send(READ_10, { blocks: 4 })
  initiator.send(READ_10, { blocks: 4 })
  initiator.send(READ_10, { blocks: 4 }, { lun: 1 })
  assert.deepEqual(device.tags, [1])
  assert.deepEqual(free.tags, [3])
  assert.equal(initiator.nexus.credit, 7)
})

test('a session that is stuck at a unit leaves other sessions some of its memory, and itself other units', () => {
  const { device, target, engine, port } = blocks(100, 100, 8, 4)
  const free = new StandInDevice()
  target.map(1, engine.addUnit(free, identity))
  const initiator = new Initiator(port, 'stuck')
  const other = new Initiator(port, 'other', { firstTag: 100 })
  initiator.send(READ_10, { blocks: 4 })
  initiator.send(READ_10, { blocks: 4 })
  other.send(READ_10, { blocks: 4 })
  assert.deepEqual(device.tags, [1, 101])
  assert.equal(initiator.nexus.credit, 7)
  initiator.send(READ_10, { blocks: 4 }, { lun: 1 })
  assert.deepEqual(free.tags, [3])
  device.end(101)
  assert.deepEqual(device.tags, [1, 101])
  device.end(1)
  assert.deepEqual(device.tags, [1, 101, 2])
})

test('a command that fills more blocks than it is sent is charged for the piece that it fills them from', () => {
  const { device, initiator } = blocks(16)
  const same = { blocks: 9, lba: 0 }
  initiator.send(WRITE_SAME_10, same, { expectedOut: 512 })
  initiator.send(WRITE_SAME_10, same, { expectedOut: 512 })
  assert.deepEqual(device.tags, [1])
  device.end()
  assert.deepEqual(device.tags, [1, 2])
})

test('nobody overtakes a task that waits for the total', () => {
  const { device, port, initiator } = blocks(4)
  const other = new Initiator(port, 'other', { firstTag: 100 })
  initiator.send(READ_10, { blocks: 3 })
  initiator.send(READ_10, { blocks: 4 })
  other.send(READ_10, { blocks: 1 })
  assert.deepEqual(device.tags, [1])
  device.end()
  assert.deepEqual(device.tags, [1, 2])
  device.end()
  assert.deepEqual(device.tags, [1, 2, 101])
})

test('an aborted task in the queue makes way', () => {
  const { device, port, initiator } = blocks(4)
  initiator.send(READ_10, { blocks: 3 })
  initiator.send(READ_10, { blocks: 4 })
  initiator.send(READ_10, { blocks: 1 })
  initiator.manage(ManagementFunction.abortTask, { tag: 2 })
  assert.deepEqual(port.abandoned, [2])
  assert.deepEqual(device.tags, [1, 3])
  assert.equal(port.restored, 1)
})

test('random loads keep to all three ceilings, end all, and give everything back', () => {
  const load = fc.record({ who: fc.nat(2), lun: fc.nat(1), blocks: fc.integer({ min: 0, max: 12 }) })
  fc.assert(
    fc.property(fc.array(load, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (loads, picks) => {
      const { device, port, target, engine } = blocks(16, 8, 10)
      const second = new StandInDevice()
      second.holds = true
      target.map(1, engine.addUnit(second, identity))
      const initiators = [0, 1, 2].map(n => new Initiator(port, `i${n}`, { firstTag: n * 1000 }))
      const check = (): void => {
        const held = [...device.held, ...second.held]
        keeps(held, 16)
        for (const { nexus } of initiators)
          keeps(
            held.filter(task => task.nexus === nexus),
            8,
          )
        for (const { held: own } of [device, second]) keeps(own, 10)
      }
      for (const { who, lun, blocks: count } of loads) {
        initiators[who]!.send(READ_10, { blocks: count }, { lun })
        check()
      }
      for (const pick of picks) {
        const busy = [device, second].filter(({ held }) => held.length > 0)
        if (busy.length === 0) break
        const one = busy[pick % busy.length]!
        one.end(one.held[pick % one.held.length]!.tag)
        check()
      }
      assert.equal(port.answers.length, loads.length)
      for (const { nexus } of initiators) assert.deepEqual([nexus.running, nexus.credit], [0, 7])
    }),
    { numRuns: 300 },
  )
})

function keeps(held: readonly { charged: number }[], limit: number): void {
  const charged = held.filter(task => task.charged > 0)
  const sum = charged.reduce((total, task) => total + task.charged, 0)
  assert.ok(sum <= limit * 512 || charged.length === 1, `${sum / 512} blocks of ${limit}`)
}
