// SPDX-License-Identifier: Apache-2.0
// A store that never answers: every function is answered in time, the late answer harms nobody, the rest goes on.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { READ_10, Status, SYNCHRONIZE_CACHE_10, TEST_UNIT_READY, WRITE_10 } from '@lunkit/spec'
import { ManagementFunction as Fn, ManagementResponse, TaskState } from '@lunkit/target-api'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

const LIMIT = 3000

function stuck(limits = {}) {
  mock.timers.enable({ apis: ['setTimeout'] })
  const all = bench({ managementMs: LIMIT, ...limits })
  all.device.holds = true
  all.target.map(1, all.engine.addUnit(new StandInDevice(), identity))
  const initiator = new Initiator(all.port)
  const other = new Initiator(all.port, 'other', { firstTag: 100 })
  return { ...all, initiator, other }
}

const timed = (name: string, run: () => void | Promise<void>): void => {
  test(name, async () => {
    try {
      await run()
    } finally {
      mock.timers.reset()
    }
  })
}

const functions = [
  Fn.abortTask,
  Fn.abortTaskSet,
  Fn.clearTaskSet,
  Fn.logicalUnitReset,
  Fn.targetWarmReset,
  Fn.targetColdReset,
  Fn.nexusReset,
]

// Requirement: SAM-5, Task management functions: what does not end is let go, and the function is answered.
for (const [name, fn] of Object.entries(Fn)) {
  if (!functions.includes(fn as never)) continue

  timed(`${name} is answered within its time, and the late answer is dropped`, () => {
    const { device, port, initiator, events } = stuck()
    const tag = initiator.send(WRITE_10, { blocks: 2 })
    const request = initiator.manage(fn, { tag })
    mock.timers.tick(LIMIT - 1)
    assert.deepEqual([port.managed, port.abandoned], [[], []])
    mock.timers.tick(1)
    assert.deepEqual([port.managed, port.abandoned], [[request], [tag]])
    assert.equal(request.response, ManagementResponse.complete)
    assert.equal(initiator.nexus.running, 0)
    assert.equal(events.filter(({ type }) => type === 'command-failed').length, 1)
    // The session goes on, at this unit and at others; only the blocks of the stuck write are taken.
    device.holds = false
    for (let i = 0; i < 3; i++) initiator.send(TEST_UNIT_READY)
    for (let i = 0; i < 3; i++) initiator.send(TEST_UNIT_READY, {}, { lun: 1 })
    initiator.send(WRITE_10, { lba: 2, blocks: 1 })
    assert.deepEqual(
      port.answers.slice(-2).map(({ status }) => status),
      [Status.good, Status.good],
    )
    const behind = initiator.send(WRITE_10, { lba: 1, blocks: 1 })
    assert.notEqual(port.answers.at(-1)!.tag, behind)
    const answers = port.answers.length
    device.end(tag)
    assert.deepEqual([port.answers.length, port.answers.at(-1)!.tag], [answers + 1, behind])
    assert.deepEqual(port.abandoned, [tag])
    // An answer that comes twice is told, and nothing else.
    assert.equal(initiator.nexus.running, 0)
  })
}

timed('a late answer gives back the memory and the task, not before', () => {
  const { device, port, initiator } = stuck({ memory: 2048 })
  const tag = initiator.send(WRITE_10, { blocks: 3 })
  const task = device.held[0]!
  const { segments } = task
  initiator.manage(Fn.abortTaskSet)
  mock.timers.tick(LIMIT)
  assert.deepEqual([task.state, segments.length], [TaskState.lost, 1])
  initiator.send(READ_10, { lba: 100, blocks: 3 })
  assert.equal(device.held.length, 1)
  device.end(tag)
  assert.equal(task.state !== TaskState.lost, true)
  assert.equal(device.held.length, 1)
  device.end()
  assert.equal(port.answers.length, 1)
})

timed('a driver that has not let go when the store answers', () => {
  const { device, port, initiator } = stuck()
  port.sends = false
  initiator.send(WRITE_10, { blocks: 1 })
  const task = device.held[0]!
  initiator.manage(Fn.logicalUnitReset)
  mock.timers.tick(LIMIT)
  assert.equal(port.managed.length, 1)
  device.end()
  assert.equal(task.state, TaskState.respond)
  port.sent()
  assert.equal(task.state, TaskState.free)
  assert.equal(initiator.nexus.running, 0)
})

timed('what was only read or flushed keeps nobody waiting', () => {
  const { device, initiator } = stuck()
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(SYNCHRONIZE_CACHE_10)
  initiator.manage(Fn.abortTaskSet)
  mock.timers.tick(LIMIT)
  initiator.send(WRITE_10, { blocks: 1 })
  assert.deepEqual(device.tags, [1, 2, 3])
})

timed('closing a nexus takes no longer; closing the engine waits for the store', async () => {
  const { device, engine, initiator } = stuck()
  initiator.send(WRITE_10, { blocks: 1 })
  const closed = engine.closeNexus(initiator.nexus)
  mock.timers.tick(LIMIT)
  await closed
  let over = false
  const all = engine.close().then(() => {
    over = true
  })
  mock.timers.tick(10 * LIMIT)
  for (let i = 0; i < 5; i++) await Promise.resolve()
  assert.equal(over, false)
  device.end()
  await all
  assert.equal(device.calls.at(-1), 'close')
})

timed('no timer is left when all has ended by itself', () => {
  const { device, port, initiator, events } = stuck()
  initiator.send(WRITE_10, { blocks: 1 })
  initiator.manage(Fn.abortTaskSet)
  device.end()
  mock.timers.tick(2 * LIMIT)
  assert.deepEqual([port.managed.length, port.abandoned, events], [1, [1], []])
})
