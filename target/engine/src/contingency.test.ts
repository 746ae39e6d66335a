// SPDX-License-Identifier: Apache-2.0
// After an error: auto contingent allegiance, QERR, and unit attentions that interlock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INQUIRY,
  MODE_PARAMETERS_CHANGED,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT as PREEMPT,
  READ_10,
  REQUEST_SENSE,
  Status,
  TaskAttribute,
  TEST_UNIT_READY,
  UNRECOVERED_READ_ERROR,
  WRITE_10,
} from '@lunkit/spec'
import { ManagementFunction as Fn, fail, ManagementResponse, on } from '@lunkit/target-api'
import { bench, Initiator, StandInDevice, standInType } from './stand-in.test-kit.ts'

const { aca, ordered } = TaskAttribute
const NACA = { naca: 1 } as const

/** READ of this LBA fails. */
const BAD = 13

function faulty(limits = {}) {
  const run = standInType.bindings[0]!.run
  const type = { ...standInType, bindings: [...standInType.bindings, on(PREEMPT, run as never)] }
  const device = new StandInDevice(type)
  const all = bench(limits, device)
  const { answer } = device
  device.answer = task => {
    if (task.lba === BAD) fail(task, UNRECOVERED_READ_ERROR)
    else answer.call(device, task)
  }
  device.holds = true
  const initiator = new Initiator(all.port)
  const other = new Initiator(all.port, 'other', { firstTag: 100 })
  const status = (tag: number): number | undefined => all.port.answers.find(one => one.tag === tag)?.status
  const bad = (from: Initiator, values = {}): number => from.send(READ_10, { lba: BAD, blocks: 1, ...values })
  return { ...all, device, initiator, other, status, bad }
}

// Requirement: SAM-5, Auto contingent allegiance: the tasks of the set are blocked until the condition is cleared.
test('ACA: established by NACA, holds up the task set, ends by CLEAR ACA of the faulted nexus', () => {
  const { device, port, initiator, other, status, bad, unit } = faulty()
  initiator.send(READ_10, { blocks: 1 })
  other.send(WRITE_10, { lba: 50, blocks: 1 })
  bad(initiator, NACA)
  initiator.send(WRITE_10, { lba: 0, blocks: 1 }, { attribute: ordered })
  device.end(2)
  assert.equal(status(2), Status.checkCondition)
  // What was running ends without an answer, what waited does not start.
  device.end(1)
  device.end(101)
  assert.deepEqual([port.answers.length, device.held.length, unit.set.length], [1, 0, 1])
  const refused = (tag: number, expected: number): void => assert.equal(status(tag), expected, `tag ${tag}`)
  refused(initiator.send(TEST_UNIT_READY), Status.acaActive)
  refused(initiator.send(INQUIRY, { allocation: 36 }), Status.acaActive)
  refused(other.send(TEST_UNIT_READY), Status.busy)
  refused(other.send(TEST_UNIT_READY, NACA), Status.acaActive)
  refused(other.send(TEST_UNIT_READY, {}, { attribute: aca }), Status.busy)
  // The faulted nexus may look into it, one task at a time.
  const look = initiator.send(READ_10, { lba: 7, blocks: 1 }, { attribute: aca })
  refused(initiator.send(READ_10, { lba: 8, blocks: 1 }, { attribute: aca }), Status.acaActive)
  device.end(look)
  assert.equal(status(look), Status.good)
  // A cluster can take the unit away.
  device.holds = false
  refused(other.send(PREEMPT, { parameterLength: 0 }), Status.good)
  assert.equal(other.manage(Fn.clearAca).response, ManagementResponse.complete)
  assert.equal(status(1), undefined)
  initiator.manage(Fn.clearAca)
  assert.deepEqual([status(1), status(101), status(3)], Array(3).fill(Status.good))
  refused(initiator.send(TEST_UNIT_READY), Status.good)
  refused(initiator.send(TEST_UNIT_READY, {}, { attribute: aca }), Status.checkCondition)
  assert.deepEqual([initiator.nexus.running, other.nexus.running, port.abandoned], [0, 0, []])
})

test('ACA: TMF_ONLY takes no ACA task', () => {
  const { device, initiator, status, bad } = faulty()
  device.holds = false
  device.policies.tmfOnly = true
  bad(initiator, NACA)
  assert.equal(status(initiator.send(TEST_UNIT_READY, {}, { attribute: aca })), Status.acaActive)
})

test('ACA: with a task set for each nexus the others go on', () => {
  const { device, initiator, other, status, bad } = faulty()
  device.holds = false
  device.policies.tst = 1
  bad(initiator, NACA)
  assert.equal(status(initiator.send(TEST_UNIT_READY)), Status.acaActive)
  assert.equal(status(other.send(TEST_UNIT_READY)), Status.good)
  assert.equal(status(other.send(TEST_UNIT_READY, {}, { attribute: aca })), Status.checkCondition)
})

for (const end of ['reset', 'nexus reset', 'nexus loss', 'ACA task fails', 'unmap'] as const) {
  test(`ACA ends by: ${end}`, () => {
    const { device, engine, target, initiator, other, status, bad } = faulty()
    const running = other.send(READ_10, { blocks: 1 })
    device.holds = false
    bad(initiator, NACA)
    device.end(running)
    assert.equal(status(running), undefined)
    if (end === 'reset') initiator.manage(Fn.logicalUnitReset)
    else if (end === 'nexus reset') initiator.manage(Fn.nexusReset)
    else if (end === 'nexus loss') void engine.closeNexus(initiator.nexus)
    else if (end === 'unmap') target.unmap(0)
    else initiator.send(READ_10, { lba: BAD, blocks: 1 }, { attribute: aca })
    assert.equal(status(running), end === 'reset' ? undefined : Status.good)
    const next = status(other.send(TEST_UNIT_READY))
    assert.equal([Status.good, Status.checkCondition].includes(next as never), true)
    assert.equal(other.nexus.running, 0)
  })
}

test('ACA: an ACA task that fails with NACA establishes it anew', () => {
  const { device, initiator, other, status, bad } = faulty()
  device.holds = false
  bad(initiator, NACA)
  initiator.send(READ_10, { lba: BAD, blocks: 1, ...NACA }, { attribute: aca })
  assert.equal(status(other.send(TEST_UNIT_READY)), Status.busy)
})

test('ACA: task management reaches the tasks that it holds up', () => {
  const { device, port, initiator, other, bad } = faulty()
  const running = other.send(READ_10, { blocks: 1 })
  device.holds = false
  bad(initiator, NACA)
  device.end(running)
  assert.equal(other.manage(Fn.queryTask, { tag: running }).response, ManagementResponse.succeeded)
  other.manage(Fn.abortTask, { tag: running })
  assert.deepEqual([port.abandoned, port.managed.length], [[running], 2])
  initiator.manage(Fn.clearAca)
  assert.deepEqual([other.nexus.running, port.managed.length], [0, 3])
})

// Requirement: SPC-4, Control mode page: QERR says which other tasks a CHECK CONDITION aborts.
for (const [qerr, tst, gone] of [
  [0, 0, []],
  [1, 0, [2, 101]],
  [3, 0, [2]],
  [1, 1, [2]],
  [3, 1, [2]],
] as const) {
  test(`QERR ${qerr}, TST ${tst}: aborts ${gone.join(' and ') || 'nothing'}`, () => {
    const { device, port, initiator, other, bad } = faulty()
    Object.assign(device.policies, { qerr, tst })
    bad(initiator)
    initiator.send(READ_10, { blocks: 1 })
    other.send(READ_10, { blocks: 1 })
    device.end(1)
    while (device.held.length > 0) device.end()
    assert.deepEqual(port.abandoned, gone)
    assert.equal(port.answers.length, 3 - gone.length)
    device.holds = false
    const told = other.send(TEST_UNIT_READY)
    const answer = port.answers.find(({ tag }) => tag === told)!
    assert.equal(answer.sense?.asc ?? 0, gone.length === 2 ? 0x2f : 0)
  })
}

// Requirement: SPC-4, Control mode page: UA_INTLCK_CTRL 10b keeps a reported condition, 11b establishes others.
test('UA_INTLCK_CTRL: a unit attention stays until REQUEST SENSE', () => {
  const { device, port, initiator, unit } = faulty()
  device.holds = false
  const asc = (): number => {
    initiator.send(TEST_UNIT_READY)
    return port.answers.at(-1)!.sense?.asc ?? 0
  }
  for (const uaIntlckCtrl of [0, 2]) {
    device.policies.uaIntlckCtrl = uaIntlckCtrl
    unit.attention(MODE_PARAMETERS_CHANGED, null)
    assert.deepEqual([asc(), asc()], [0x2a, uaIntlckCtrl === 0 ? 0 : 0x2a])
  }
  initiator.send(REQUEST_SENSE, { allocation: 18 })
  assert.equal(asc(), 0)
})

test('UA_INTLCK_CTRL 11b: BUSY and TASK SET FULL leave a unit attention', () => {
  const { device, port, initiator, other } = faulty({ queuePerUnit: 1 })
  device.policies.uaIntlckCtrl = 3
  initiator.send(READ_10, { blocks: 1 })
  initiator.send(READ_10, { blocks: 1 })
  other.send(READ_10, { blocks: 1 })
  assert.deepEqual(
    port.answers.map(({ status }) => status),
    [Status.taskSetFull, Status.busy],
  )
  device.holds = false
  for (const [one, ascq] of [
    [initiator, 8],
    [other, 7],
  ] as const) {
    one.send(TEST_UNIT_READY)
    const { sense } = port.answers.at(-1)!
    assert.deepEqual([sense?.key, sense?.asc, sense?.ascq], [6, 0x2c, ascq])
  }
})
