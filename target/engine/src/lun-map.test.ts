// SPDX-License-Identifier: Apache-2.0
// LUN maps: default LUNs, groups of initiators, and who is told when a view changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INQUIRY, REPORT_LUNS, Status, TEST_UNIT_READY } from '@lunkit/spec'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

function two() {
  const all = bench()
  const device = new StandInDevice()
  return { ...all, second: all.engine.addUnit(device, identity), secondDevice: device }
}

const lastCode = ({ port }: Initiator): string => {
  const { sense } = port.answers.at(-1)!
  return sense === null ? 'none' : `${sense.key}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`
}

// Requirement: SPC-4, INQUIRY command: a LUN without a unit is told as such by its peripheral qualifier.
test('a LUN leads to its unit, others to the absent one', () => {
  const { port, target, second, device, secondDevice } = two()
  target.map(300, second)
  const initiator = new Initiator(port)
  assert.deepEqual(initiator.nexus.luns(), [0, 300])
  initiator.send(TEST_UNIT_READY, {}, { lun: 0 })
  initiator.send(TEST_UNIT_READY, {}, { lun: 300 })
  assert.deepEqual([device.tags, secondDevice.tags], [[1], [2]])
  for (const lun of [1, 299, 301, 16383, -1]) {
    initiator.send(TEST_UNIT_READY, {}, { lun })
    assert.equal(lastCode(initiator), '5/25/0')
    initiator.send(INQUIRY, { allocation: 36 }, { lun })
    assert.equal(port.answers.at(-1)!.status, Status.good)
  }
})

test('a write to an absent unit brings no data along', () => {
  const { port } = two()
  const initiator = new Initiator(port)
  initiator.sendCdb(Uint8Array.of(0x2a, 0, 0, 0, 0, 0, 0, 0, 1), { lun: 5 })
  assert.equal(lastCode(initiator), '5/25/0')
  assert.equal(port.answers.at(-1)!.received, 0)
})

test('wrong and taken LUNs, unknown groups and names are errors with a code', () => {
  const { target, unit, engine } = two()
  for (const lun of [-1, 1.5, 16384, Number.NaN]) {
    assert.throws(() => target.map(lun, unit), { code: 'LUN_INVALID' })
  }
  assert.throws(() => target.map(0, unit), { code: 'LUN_EXISTS' })
  assert.throws(() => target.unmap(1), { code: 'LUN_MISSING' })
  assert.throws(() => target.map(0, unit, 'nobody'), { code: 'GROUP_MISSING' })
  target.addGroup('some', [])
  assert.throws(() => target.addGroup('some', []), { code: 'GROUP_EXISTS' })
  assert.throws(() => engine.addTarget({ name: 'target' }), { code: 'TARGET_EXISTS' })
  for (const text of ['a\nb', 'a\0b', '\ud800', 'x'.repeat(256), '\u00e4'.repeat(128)]) {
    assert.throws(() => engine.addTarget({ name: text }), { code: 'TARGET_NAME' }, text)
    assert.throws(() => engine.addTarget({ name: 'other', alias: text }), { code: 'TARGET_NAME' }, text)
  }
  assert.equal(engine.addTarget({ name: 'other', alias: 'x'.repeat(255) }).alias.length, 255)
})

// Requirement: SPC-4, REPORT LUNS command: an initiator is told the LUNs that it may use, and no others.
test('a group sees its own LUNs and no others', () => {
  const { port, target, second } = two()
  target.addGroup('hosts', ['iqn.2026-11.example:h?st*'])
  target.map(7, second, 'hosts')
  target.addGroup('later', ['*'])
  assert.deepEqual(new Initiator(port, 'iqn.2026-11.example:host12').nexus.luns(), [7])
  assert.deepEqual(new Initiator(port, 'IQN.2026-11.EXAMPLE:HOST').nexus.luns(), [7])
  assert.deepEqual(new Initiator(port, 'iqn.2026-11.example:guest').nexus.luns(), [])
  // A dot is a dot.
  assert.deepEqual(new Initiator(port, 'iqn.2026-11xexample:host').nexus.luns(), [])
})

// Requirement: SPC-4, REPORT LUNS command: REPORTED LUNS DATA HAS CHANGED reaches exactly those whose list changed.
test('a changed view is told to those whose view changed, once a unit', () => {
  const { port, target, second } = two()
  target.addGroup('others', ['other'])
  const one = new Initiator(port, 'one')
  const other = new Initiator(port, 'other')
  target.map(1, second)
  assert.deepEqual(one.nexus.luns(), [0, 1])
  assert.deepEqual(other.nexus.luns(), [])
  one.send(TEST_UNIT_READY)
  assert.equal(lastCode(one), '6/3f/e')
  one.send(TEST_UNIT_READY)
  assert.equal(lastCode(one), 'none')
  // To this initiator the new unit has just been switched on.
  one.send(TEST_UNIT_READY, {}, { lun: 1 })
  assert.equal(lastCode(one), '6/29/0')
  target.map(0, second, 'others')
  one.send(TEST_UNIT_READY)
  assert.equal(lastCode(one), 'none')
  target.unmap(1)
  one.send(TEST_UNIT_READY, {}, { lun: 1 })
  assert.equal(lastCode(one), '5/25/0')
  one.send(TEST_UNIT_READY)
  assert.equal(lastCode(one), '6/3f/e')
})

// Requirement: SPC-4, REPORT LUNS command: REPORT LUNS clears REPORTED LUNS DATA HAS CHANGED for its nexus at every
// unit.
test('REPORT LUNS clears the condition at every unit', () => {
  const { port, target, second } = two()
  const one = new Initiator(port, 'one')
  target.map(1, second)
  one.send(REPORT_LUNS, { allocation: 64 })
  one.send(TEST_UNIT_READY)
  assert.equal(lastCode(one), 'none')
  one.send(TEST_UNIT_READY, {}, { lun: 1 })
  assert.equal(lastCode(one), '6/29/0')
  one.send(TEST_UNIT_READY, {}, { lun: 1 })
  assert.equal(lastCode(one), 'none')
})

test('commands under way at a LUN that is taken away end as usual', async () => {
  const { port, target, device, engine } = two()
  const one = new Initiator(port, 'one')
  device.holds = true
  one.send(TEST_UNIT_READY)
  one.send(TEST_UNIT_READY)
  target.unmap(0)
  device.end()
  assert.equal(port.answers.at(-1)!.status, Status.good)
  const closed = engine.closeNexus(one.nexus)
  assert.equal(device.aborted.length, 1)
  device.end()
  await closed
  assert.deepEqual(port.abandoned, [2])
})
