// SPDX-License-Identifier: Apache-2.0
// Unit attentions: each reported once, the most urgent first, to the nexuses concerned and by the right commands.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BUS_DEVICE_RESET_FUNCTION_OCCURRED,
  CAPACITY_DATA_HAS_CHANGED,
  I_T_NEXUS_LOSS_OCCURRED,
  INQUIRY,
  MODE_PARAMETERS_CHANGED,
  POWER_ON_OCCURRED,
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
  READ_10,
  REPORT_LUNS,
  REQUEST_SENSE,
  type SenseCode,
  Status,
  sense,
  TaskAttribute,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { bench, Initiator } from './stand-in.test-kit.ts'
import { UnitAttentions } from './unit-attention.ts'

/** Additional sense of each TEST UNIT READY until one is GOOD, as `29/0`. */
function drain(initiator: Initiator, lun = 0): string[] {
  const seen: string[] = []
  for (;;) {
    initiator.send(TEST_UNIT_READY, {}, { lun })
    const { status, sense: report } = initiator.port.answers.at(-1)!
    if (status === Status.good) return seen
    assert.equal(report!.key, 6)
    seen.push(`${report!.asc.toString(16)}/${report!.ascq.toString(16)}`)
  }
}

// Requirement: SAM-5, Unit attention condition: the first command of a new nexus meets POWER ON once.
test('first contact is a power on, once', () => {
  const { port } = bench()
  assert.deepEqual(drain(new Initiator(port, 'one', { fresh: true })), ['29/0'])
  assert.deepEqual(drain(new Initiator(port, 'two', { fresh: true })), ['29/0'])
})

// Requirement: SAM-5, I_T nexus loss: a port that comes back is told that the nexus was lost.
test('an initiator port that comes back has lost its nexus', async () => {
  const { port, engine } = bench()
  const first = new Initiator(port, 'one', { fresh: true })
  await engine.closeNexus(first.nexus)
  assert.deepEqual(drain(new Initiator(port, 'one', { fresh: true })), ['29/7'])
})

// Requirement: SAM-5, Unit attention condition: a change is told to every nexus but the one that made it.
test('every nexus that sees the unit is told, but for the one that did it', () => {
  const { port, unit } = bench()
  const one = new Initiator(port, 'one')
  const two = new Initiator(port, 'two')
  unit.attention(MODE_PARAMETERS_CHANGED, one.nexus)
  unit.attention(MODE_PARAMETERS_CHANGED, one.nexus)
  unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
  assert.deepEqual(drain(one), ['2a/9'])
  assert.deepEqual(drain(two), ['2a/1', '2a/9'])
})

// Requirement: SAM-5, Unit attention condition: INQUIRY and REPORT LUNS run and leave it; REQUEST SENSE returns and
// clears it.
test('INQUIRY and REPORT LUNS pass it, REQUEST SENSE takes it', () => {
  const { port, unit, device } = bench()
  const initiator = new Initiator(port)
  unit.attention(MODE_PARAMETERS_CHANGED, null)
  initiator.send(INQUIRY, { allocation: 36 })
  initiator.send(REPORT_LUNS, { allocation: 16 })
  assert.deepEqual(
    port.answers.map(({ status }) => status),
    [0, 0],
  )
  device.instead = task => {
    assert.equal(task.nexusUnit.takeAttention(), MODE_PARAMETERS_CHANGED)
    device.answer(task)
  }
  initiator.send(REQUEST_SENSE, { allocation: 18 })
  device.instead = null
  assert.deepEqual(drain(initiator), [])
})

// Requirement: SAM-5, Unit attention condition: it is reported before errors of the command itself.
test('it comes before any fault of the command itself', () => {
  const { port, unit } = bench()
  const initiator = new Initiator(port)
  const codes = (cdb: number[]): number[] => {
    unit.attention(MODE_PARAMETERS_CHANGED, null)
    port.answers.length = 0
    initiator.sendCdb(Uint8Array.from(cdb))
    initiator.sendCdb(Uint8Array.from(cdb))
    return port.answers.map(({ sense: report }) => report!.asc)
  }
  assert.deepEqual(codes([0xff]), [0x2a, 0x20])
  assert.deepEqual(codes([0x28, 0x04]), [0x2a, 0x24])
  assert.deepEqual(codes([0x28, 0, 255, 255, 255, 255, 0, 0, 1]), [0x2a, 0x21])
  // INQUIRY leaves it pending whatever becomes of it.
  assert.deepEqual(codes([0x12, 0x80, 0, 0, 36, 0]), [0x24, 0x24])
  assert.deepEqual(drain(initiator), ['2a/1'])
})

// Requirement: SAM-5, Unit attention condition: it is reported when the command becomes enabled.
test('it is reported when the turn of the command comes', () => {
  const { port, unit, device } = bench()
  const initiator = new Initiator(port)
  device.holds = true
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(TEST_UNIT_READY, {}, { attribute: TaskAttribute.ordered })
  unit.attention(MODE_PARAMETERS_CHANGED, null)
  assert.equal(port.answers.length, 0)
  device.end()
  assert.deepEqual(
    port.answers.map(({ tag, status }) => [tag, status]),
    [
      [1, Status.good],
      [2, Status.checkCondition],
    ],
  )
})

// Requirement: SAM-5, Unit attention condition queueing: reset conditions stand before all others; others keep their
// order.
test('resets stand before all others, and within a level the first comes first', () => {
  const attentions = new UnitAttentions()
  const codes: SenseCode[] = [
    MODE_PARAMETERS_CHANGED,
    I_T_NEXUS_LOSS_OCCURRED,
    CAPACITY_DATA_HAS_CHANGED,
    BUS_DEVICE_RESET_FUNCTION_OCCURRED,
    MODE_PARAMETERS_CHANGED,
    POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
    POWER_ON_OCCURRED,
  ]
  for (const code of codes) attentions.add(code)
  assert.equal(attentions.length, 6)
  const order = [6, 5, 3, 1, 0, 2].map(index => codes[index])
  assert.deepEqual(
    order.map(() => attentions.take()),
    order,
  )
  assert.equal(attentions.take(), null)
  assert.equal(attentions.length, 0)
})

test('a device that makes up conditions without end fills no memory', () => {
  const attentions = new UnitAttentions()
  for (let i = 0; i < 1000; i++) attentions.add(sense(6, 0x80, i & 0xff, 'MADE UP'))
  assert.equal(attentions.length, 32)
})
