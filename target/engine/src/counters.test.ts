// SPDX-License-Identifier: Apache-2.0
// What the road counts for a unit: commands and blocks by kind, errors, and times by samples.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, START_STOP_UNIT, TEST_UNIT_READY, WRITE_10 } from '@lunkit/spec'
import { Access, accessOf, ManagementFunction } from '@lunkit/target-api'
import { bench, Initiator } from './stand-in.test-kit.ts'

test('good reads and writes count with their blocks, others do not', () => {
  const { unit, port } = bench()
  const initiator = new Initiator(port)
  initiator.send(READ_10, { blocks: 3 })
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(WRITE_10, { blocks: 2 })
  initiator.send(TEST_UNIT_READY)
  const { counters } = unit
  assert.deepEqual([counters.reads, counters.blocksRead], [2, 4])
  assert.deepEqual([counters.writes, counters.blocksWritten], [1, 2])
  assert.equal(counters.accesses, 3)
})

test('a command that is refused moves nothing', () => {
  const { unit, port } = bench()
  const initiator = new Initiator(port)
  initiator.send(READ_10, { lba: 0xffff_ffff, blocks: 3 })
  const { counters } = unit
  assert.deepEqual([counters.reads, counters.blocksRead, counters.readErrors], [0, 0, 0])
})

test('times are taken of some commands and stand for all', () => {
  const { unit, port } = bench()
  const initiator = new Initiator(port)
  for (let i = 0; i < 100; i++) {
    initiator.send(READ_10, { blocks: 1 })
    initiator.send(WRITE_10, { blocks: 1 })
  }
  assert.ok(unit.counters.readTime > 0)
  assert.ok(unit.counters.writeTime > 0)
})

test('what a row is to the counters', () => {
  assert.equal(accessOf(READ_10), Access.read)
  assert.equal(accessOf(WRITE_10), Access.write)
  assert.equal(accessOf(TEST_UNIT_READY), Access.none)
  assert.equal(accessOf(START_STOP_UNIT), Access.none)
})

test('running commands: those that wait, end, are refused and are aborted', () => {
  const { unit, device, port } = bench()
  const initiator = new Initiator(port)
  const { counters } = unit
  device.holds = true
  const first = initiator.send(READ_10, { blocks: 1 })
  const second = initiator.send(READ_10, { blocks: 1 })
  initiator.send(READ_10, { lba: 0xffff_ffff, blocks: 1 })
  assert.equal(counters.running, 2)
  // One, two, and the one that was refused while two ran.
  assert.equal(counters.weighted, 1 + 2 + 3)
  initiator.manage(ManagementFunction.abortTask, { tag: second })
  device.end(first)
  device.end(second)
  assert.deepEqual([counters.running, counters.reads], [0, 1])
})
