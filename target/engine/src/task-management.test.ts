// SPDX-License-Identifier: Apache-2.0
// Task management: which tasks are aborted, how each wait ends, and that the answer comes after the last of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  I_T_NEXUS_LOSS_OCCURRED,
  MODE_PARAMETERS_CHANGED,
  READ_10,
  Status,
  TaskAttribute,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { ManagementFunction as Fn, ManagementResponse, succeed } from '@lunkit/target-api'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

const { ordered } = TaskAttribute

function held(limits = {}) {
  const all = bench(limits)
  all.device.holds = true
  const initiator = new Initiator(all.port)
  const other = new Initiator(all.port, 'other', { firstTag: 100 })
  return { ...all, initiator, other }
}

const tur = (initiator: Initiator): string => {
  initiator.send(TEST_UNIT_READY)
  const { sense } = initiator.port.answers.at(-1)!
  return sense === null ? 'none' : `${sense.key}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`
}

// Requirement: SAM-5, ABORT TASK: the answer comes when the task has ended and can change nothing any more.
test('a running task is hurried, and the answer waits for its end', () => {
  const { device, port, initiator } = held()
  initiator.send(READ_10, { blocks: 1 })
  const request = initiator.manage(Fn.abortTask, { tag: 1 })
  assert.deepEqual(
    device.aborted.map(({ tag }) => tag),
    [1],
  )
  assert.equal(request.waiting, 1)
  assert.deepEqual(port.managed, [])
  device.end()
  assert.deepEqual([port.answers, port.abandoned], [[], [1]])
  assert.deepEqual(port.managed, [request])
  assert.equal(request.response, ManagementResponse.complete)
})

test('the answer also waits for the driver to let go', () => {
  const { device, port, initiator } = held()
  port.sends = false
  initiator.send(READ_10, { blocks: 1 })
  initiator.manage(Fn.abortTask, { tag: 1 })
  device.end()
  assert.equal(port.managed.length, 0)
  port.sent()
  assert.equal(port.managed.length, 1)
})

test('tasks that wait for order, memory or data are let go at once', () => {
  const { device, port, initiator } = held({ memory: 1024 })
  port.brings = false
  initiator.send(WRITE_10, { blocks: 2 })
  initiator.send(WRITE_10, { blocks: 1 })
  initiator.send(TEST_UNIT_READY, {}, { attribute: ordered })
  const late = port.fetching[0]!
  const request = initiator.manage(Fn.abortTaskSet)
  assert.deepEqual(port.abandoned.sort(), [1, 2, 3])
  assert.deepEqual(device.tags, [])
  assert.deepEqual(port.managed, [request])
  assert.equal(initiator.nexus.running, 0)
  assert.equal(initiator.nexus.credit, 128)
  // What arrives too late for it has no effect.
  initiator.engine.dataArrived(late)
  assert.deepEqual(device.tags, [])
})

test('a device that ends the task inside abort() is answered once', () => {
  const { device, port, initiator } = held()
  device.abort = task => {
    device.held.length = 0
    succeed(task)
  }
  initiator.send(READ_10, { blocks: 1 })
  initiator.manage(Fn.abortTask, { tag: 1 })
  assert.deepEqual([port.abandoned, port.managed.length, port.answers], [[1], 1, []])
})

test('an exception in abort() or reset() is told and stops nothing', () => {
  const { device, port, initiator, events } = held()
  device.abort = device.reset = () => {
    throw new Error('Broken device')
  }
  initiator.send(READ_10, { blocks: 1 })
  initiator.manage(Fn.logicalUnitReset)
  device.end()
  assert.equal(port.managed.length, 1)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['warning', 'warning'],
  )
})

// Requirement: SAM-5, Task management functions: a task that is not there counts as aborted; a wrong LUN and an unknown
// function have service responses of their own.
test('unknown tags, LUNs and functions have their own answers', () => {
  const { port, initiator } = held()
  const answer = (fn: number, options = {}): number => initiator.manage(fn, options).response
  assert.equal(answer(Fn.abortTask, { tag: 77 }), ManagementResponse.taskDoesNotExist)
  assert.equal(answer(Fn.abortTask, { lun: 9, tag: 1 }), ManagementResponse.lunDoesNotExist)
  assert.equal(answer(Fn.logicalUnitReset, { lun: -1 }), ManagementResponse.lunDoesNotExist)
  assert.equal(answer(Fn.clearAca), ManagementResponse.complete)
  for (const fn of [0, 8, 13, 255]) assert.equal(answer(fn), ManagementResponse.notSupported)
  assert.equal(answer(Fn.abortTaskSet), ManagementResponse.complete)
  assert.equal(port.managed.length, 9)
})

// Requirement: SAM-5, ABORT TASK: a tag belongs to its I_T_L nexus.
test('another initiator with the same tag is not touched', () => {
  const { device, port, initiator } = held()
  const twin = new Initiator(port, 'twin')
  initiator.send(TEST_UNIT_READY)
  twin.send(TEST_UNIT_READY)
  twin.manage(Fn.abortTask, { tag: 1 })
  assert.deepEqual(
    device.aborted.map(({ nexus }) => nexus.initiator.name),
    ['twin'],
  )
  twin.manage(Fn.abortTaskSet)
  device.end()
  assert.equal(port.answers.length, 1)
  device.end()
  assert.deepEqual([port.answers.length, port.abandoned, port.managed.length], [1, [1], 2])
})

// Requirement: SAM-5, CLEAR TASK SET: tasks of all nexuses end, and those nexuses that lost some are told.
test('CLEAR TASK SET clears all, and tells those who lost something', () => {
  const { device, port, initiator, other } = held()
  const idle = new Initiator(port, 'idle')
  initiator.send(TEST_UNIT_READY)
  other.send(TEST_UNIT_READY)
  initiator.manage(Fn.clearTaskSet)
  device.end()
  assert.equal(port.managed.length, 0)
  device.end()
  assert.equal(port.managed.length, 1)
  assert.deepEqual(port.abandoned, [1, 101])
  device.holds = false
  assert.deepEqual([tur(initiator), tur(idle), tur(other), tur(other)], ['none', 'none', '6/2f/0', 'none'])
})

// Requirement: SAM-5, LOGICAL UNIT RESET: all tasks end, the unit is reset and every nexus gets a unit attention.
test('LOGICAL UNIT RESET aborts all, resets the device and tells every nexus', () => {
  const { device, port, initiator, other, unit } = held()
  for (const itl of unit.nexuses) itl.preventsRemoval = true
  assert.equal(unit.removalPrevented, true)
  initiator.send(READ_10, { blocks: 1 })
  other.send(TEST_UNIT_READY, {}, { attribute: ordered })
  initiator.manage(Fn.logicalUnitReset)
  assert.equal(unit.removalPrevented, false)
  assert.deepEqual(port.abandoned, [101])
  device.end()
  assert.equal(port.managed.length, 1)
  assert.deepEqual(device.calls, ['attach', 'reset'])
  device.holds = false
  assert.deepEqual([tur(initiator), tur(initiator)], ['6/29/3', 'none'])
  assert.deepEqual([tur(other), tur(other)], ['6/29/3', 'none'])
})

// Requirement: RFC 7143, Function: TARGET WARM RESET and TARGET COLD RESET reach every unit of the target.
test('a target reset reaches all units of the target', () => {
  const { device, port, initiator, other, engine, target } = held()
  const second = new StandInDevice()
  second.holds = true
  target.addGroup('elsewhere', ['other'])
  target.map(0, engine.addUnit(second, identity), 'elsewhere')
  // The new unit reports what came with it, then holds.
  while (second.held.length === 0) other.send(TEST_UNIT_READY)
  initiator.send(TEST_UNIT_READY)
  initiator.manage(Fn.targetWarmReset)
  assert.deepEqual([device.aborted.length, second.aborted.length], [1, 1])
  device.end()
  assert.equal(port.managed.length, 0)
  succeed(second.aborted[0]!)
  assert.equal(port.managed.length, 1)
  device.holds = second.holds = false
  assert.deepEqual([tur(initiator), tur(other)], ['6/29/3', '6/29/3'])
  initiator.manage(Fn.targetColdReset)
  assert.deepEqual([tur(initiator), tur(other)], ['6/29/1', '6/29/1'])
})

// Requirement: SAM-5, QUERY TASK, QUERY TASK SET and QUERY ASYNCHRONOUS EVENT: succeeded if there is what was asked for.
test('queries tell what is there, and change nothing', () => {
  const { device, initiator, other, unit } = held()
  const ask = (fn: number, tag = 0): number => initiator.manage(fn, { tag }).response
  const { complete, succeeded } = ManagementResponse
  assert.deepEqual([ask(Fn.queryTask, 1), ask(Fn.queryTaskSet), ask(Fn.queryAsynchronousEvent)], [0, 0, 0])
  other.send(READ_10, { blocks: 1 })
  assert.equal(ask(Fn.queryTaskSet), complete)
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(READ_10, { blocks: 1 }, { attribute: ordered })
  for (const tag of [1, 2]) assert.equal(ask(Fn.queryTask, tag), succeeded)
  assert.deepEqual([ask(Fn.queryTask, 101), ask(Fn.queryTaskSet)], [complete, succeeded])
  unit.attention(MODE_PARAMETERS_CHANGED, null)
  const one = initiator.manage(Fn.queryAsynchronousEvent)
  assert.deepEqual([one.response, one.information.toString(16)], [succeeded, '162a01'])
  unit.attention(I_T_NEXUS_LOSS_OCCURRED, null)
  assert.equal(initiator.manage(Fn.queryAsynchronousEvent).information.toString(16), '262907')
  assert.deepEqual([device.aborted, device.held.length], [[], 2])
})

// Requirement: SAM-5, I_T NEXUS RESET: tasks of the nexus end at every unit, and I_T NEXUS LOSS OCCURRED is established.
test('I_T NEXUS RESET is the loss of the nexus at all its units', () => {
  const { device, port, initiator, other, unit, target, engine } = held()
  const second = new StandInDevice()
  target.map(1, engine.addUnit(second, identity))
  for (const itl of unit.nexuses) while (itl.takeAttention() !== null);
  for (const itl of unit.nexuses) itl.preventsRemoval = true
  initiator.send(READ_10, { blocks: 1 })
  other.send(READ_10, { blocks: 1 })
  initiator.manage(Fn.nexusReset, { lun: 77 })
  device.end(1)
  assert.equal(port.managed.length, 1)
  assert.deepEqual([port.abandoned, device.held.length, unit.removalPrevented], [[1], 1, true])
  device.holds = false
  for (const one of [device, second]) assert.equal(one.calls.at(-1), 'nexusLost initiator')
  assert.deepEqual([tur(initiator), tur(initiator), tur(other)], ['6/29/7', 'none', 'none'])
})

// Requirement: SPC-4, Control mode page: with TAS one, tasks aborted by another nexus end with TASK ABORTED.
test('TAS: who aborts hears nothing of his tasks, the others get TASK ABORTED and no unit attention', () => {
  const { device, port, initiator, other } = held()
  device.policies.tas = true
  port.brings = false
  initiator.send(READ_10, { blocks: 1 })
  other.send(READ_10, { blocks: 1 })
  other.send(WRITE_10, { lba: 5, blocks: 1 })
  other.send(READ_10, { blocks: 1 }, { attribute: ordered })
  initiator.manage(Fn.clearTaskSet)
  while (device.held.length > 0) device.end()
  assert.deepEqual(port.abandoned, [1])
  assert.deepEqual(
    port.answers.map(({ tag, status, inLength }) => [tag, status, inLength]).sort(),
    [101, 102, 103].map(tag => [tag, Status.taskAborted, 0]),
  )
  assert.equal(port.managed.length, 1)
  device.holds = false
  assert.equal(tur(other), 'none')
  assert.equal(other.nexus.running, 0)
})

// Requirement: SPC-4, Control mode page: with TST one, each nexus has a task set of its own.
test('TST: a task set for each nexus', () => {
  const { device, port, initiator, other } = held()
  device.policies.tst = 1
  initiator.send(READ_10, { blocks: 1 }, { attribute: ordered })
  initiator.send(READ_10, { blocks: 1 })
  other.send(READ_10, { blocks: 1 })
  other.send(WRITE_10, { lba: 5, blocks: 1 }, { attribute: ordered })
  initiator.send(WRITE_10, { lba: 5, blocks: 1 }, { attribute: TaskAttribute.headOfQueue })
  assert.deepEqual(device.tags, [1, 101, 3])
  initiator.manage(Fn.clearTaskSet)
  device.end(101)
  // Their blocks are the same whatever the sets are.
  assert.deepEqual(device.tags, [1, 101, 3])
  device.end(3)
  assert.deepEqual(device.tags, [1, 101, 3, 102])
  assert.deepEqual(port.abandoned, [2, 3])
})
