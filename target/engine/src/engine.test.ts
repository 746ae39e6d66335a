// SPDX-License-Identifier: Apache-2.0
// The life of nexuses and of the engine: what closing waits for, and that engines do not know each other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, Status, TaskAttribute, TEST_UNIT_READY, WRITE_10 } from '@lunkit/spec'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

/** Whether a promise has settled by now. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => {
    done = true
  })
  await new Promise(resolve => setImmediate(resolve))
  return done
}

test('a closed nexus ends in abandon(), when no task can touch a store any more', async () => {
  const { engine, device, port, unit } = bench()
  device.holds = true
  port.brings = false
  const initiator = new Initiator(port)
  const other = new Initiator(port, 'other', { firstTag: 100 })
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(WRITE_10, { blocks: 1 })
  initiator.send(TEST_UNIT_READY, {}, { attribute: TaskAttribute.ordered })
  other.send(TEST_UNIT_READY)
  for (const itl of unit.nexuses) itl.preventsRemoval = true
  const closed = engine.closeNexus(initiator.nexus)
  assert.deepEqual(port.abandoned, [3, 2])
  assert.deepEqual(device.calls, ['attach', 'nexusLost initiator'])
  assert.equal(unit.nexuses.size, 1)
  assert.equal(await settled(closed), false)
  device.end(1)
  assert.equal(await settled(closed), true)
  assert.deepEqual(port.abandoned, [3, 2, 1])
  // The other one's task had waited behind the ordered one.
  device.end(101)
  assert.deepEqual(
    port.answers.map(({ tag }) => tag),
    [101],
  )
})

test('what a driver submits to a closed nexus comes back abandoned', async () => {
  const { engine, device, port } = bench()
  const initiator = new Initiator(port)
  await engine.closeNexus(initiator.nexus)
  initiator.send(TEST_UNIT_READY)
  assert.deepEqual([port.abandoned, device.tags, port.answers], [[1], [], []])
})

test('an answer that is on its way out when the nexus closes is let go by the driver', async () => {
  const { engine, port } = bench()
  port.sends = false
  const initiator = new Initiator(port)
  initiator.send(TEST_UNIT_READY)
  await engine.closeNexus(initiator.nexus)
  assert.deepEqual(port.abandoned, [])
  port.sent()
  assert.equal(initiator.nexus.running, 0)
})

test('closing the engine waits for stores and then closes every device', async () => {
  const { engine, device, port, target } = bench()
  const second = new StandInDevice()
  target.map(1, engine.addUnit(second, identity))
  device.holds = true
  const initiator = new Initiator(port)
  initiator.send(READ_10, { blocks: 1 })
  const closed = engine.close()
  assert.equal(await settled(closed), false)
  assert.ok(!device.calls.includes('close') && !second.calls.includes('close'))
  device.end()
  await closed
  assert.deepEqual([device.calls.at(-1), second.calls.at(-1)], ['close', 'close'])
})

test('closing the engine waits for tasks of a nexus that was closed before', async () => {
  const { engine, device, port } = bench()
  device.holds = true
  const initiator = new Initiator(port)
  initiator.send(READ_10, { blocks: 1 })
  void engine.closeNexus(initiator.nexus)
  const closed = engine.close()
  assert.equal(await settled(closed), false)
  device.end()
  await closed
})

test('one device that cannot be closed does not keep the others open', async () => {
  const { engine, device } = bench()
  const second = new StandInDevice()
  engine.addUnit(second, identity)
  device.close = () => Promise.reject(new Error('Disk full'))
  await assert.rejects(engine.close(), /Disk full/)
  assert.equal(second.calls.at(-1), 'close')
})

test('an observer that throws breaks nothing, and its exception is not lost', t => {
  const { device, port, events } = bench()
  const later = t.mock.method(globalThis, 'queueMicrotask', () => {})
  device.instead = () => {
    throw new Error('Broken device')
  }
  events.push = () => {
    throw new Error('Broken observer')
  }
  new Initiator(port).send(TEST_UNIT_READY)
  assert.equal(port.answers.at(-1)!.status, Status.checkCondition)
  assert.throws(later.mock.calls[0]!.arguments[0] as () => void, /Broken observer/)
})

test('two engines in one process keep apart', () => {
  const one = bench()
  const two = bench()
  const initiator = new Initiator(one.port)
  new Initiator(two.port)
  one.device.holds = true
  initiator.send(TEST_UNIT_READY, {}, { attribute: TaskAttribute.ordered })
  new Initiator(two.port, 'other').send(TEST_UNIT_READY)
  assert.deepEqual([one.port.answers.length, two.port.answers.length], [0, 1])
  assert.equal(one.engine.findTarget('target')?.name, 'target')
  assert.notEqual(one.engine.findTarget('target'), two.engine.findTarget('target'))
  assert.equal(one.engine.findTarget('none'), null)
})
