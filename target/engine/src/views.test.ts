// SPDX-License-Identifier: Apache-2.0
// Views: which group a nexus is in and what it may only read, by map and by driver, and who hears of changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, Status, TEST_UNIT_READY, WRITE_10, WRITE_SAME_10 } from '@lunkit/spec'
import type { Nexus } from '@lunkit/target-api'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

function two() {
  const all = bench()
  const device = new StandInDevice()
  return { ...all, second: all.engine.addUnit(device, identity), secondDevice: device }
}

const code = ({ port }: Initiator): string => {
  const { sense } = port.answers.at(-1)!
  return sense === null ? 'none' : `${sense.key}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`
}

/** Pending conditions at a LUN, until there are none. */
function hears(initiator: Initiator, lun = 0): string[] {
  const heard: string[] = []
  for (;;) {
    initiator.send(TEST_UNIT_READY, {}, { lun })
    if (code(initiator) === 'none') return heard
    heard.push(code(initiator))
    assert.ok(heard.length < 10)
  }
}

function writes(initiator: Initiator, lun = 0): string {
  initiator.send(WRITE_10, { blocks: 1 }, { lun })
  return code(initiator)
}

// Requirement: SBC-4, Write protection: a write to a write protected logical unit ends with WRITE PROTECTED.
test('a LUN that is mapped for reading refuses writes through that map alone', () => {
  const { port, target, unit, device } = two()
  target.addGroup('readers', ['reader*'])
  target.map(3, unit, 'readers', true)
  const reader = new Initiator(port, 'reader1')
  const writer = new Initiator(port, 'writer')
  assert.equal(writes(reader, 3), '7/27/0')
  assert.equal(writes(writer), 'none')
  reader.send(WRITE_SAME_10, { blocks: 1 }, { lun: 3 })
  assert.equal(code(reader), '7/27/0')
  reader.send(READ_10, { blocks: 1 }, { lun: 3 })
  assert.equal(port.answers.at(-1)!.status, Status.good)
  assert.equal(device.tags.length, 2, 'one write and one read have reached the device')
  assert.deepEqual(
    reader.nexus.units().map(one => one.readonly),
    [true],
  )
})

// Requirement: SPC-4, MODE SENSE: MODE PARAMETERS CHANGED tells that the write protection of a unit is another one.
test('a map that turns read-only, and back, is told to those who see by it, and once', () => {
  const { port, target, unit } = two()
  target.addGroup('readers', ['reader*'])
  target.map(0, unit, 'readers')
  const reader = new Initiator(port, 'reader1')
  const writer = new Initiator(port, 'writer')
  target.setReadonly(0, true, 'readers')
  assert.deepEqual(hears(reader), ['6/2a/1'])
  assert.deepEqual(hears(writer), [])
  assert.deepEqual([writes(reader), writes(writer)], ['7/27/0', 'none'])
  target.setReadonly(0, true, 'readers')
  assert.deepEqual(hears(reader), [])
  target.setReadonly(0, false, 'readers')
  assert.deepEqual([hears(reader), writes(reader)], [['6/2a/1'], 'none'])
  assert.throws(() => target.setReadonly(1, true, 'readers'), { code: 'LUN_MISSING' })
})

test('a driver says which group a nexus is in, and what it may only read', () => {
  const { engine, port, target, second } = two()
  target.map(1, second)
  target.addGroup('few', [])
  target.map(5, second, 'few')
  const one = new Initiator(port, 'one')
  const other = new Initiator(port, 'other')
  const at = (nexus: Nexus): string =>
    nexus
      .units()
      .map(({ lun, readonly }) => `${lun}${readonly ? 'r' : ''}`)
      .join(' ')
  assert.equal(engine.changeView(one.nexus, { readonly: [1] }), true)
  assert.deepEqual([at(one.nexus), hears(one), hears(one, 1)], ['0 1r', [], ['6/2a/1']])
  assert.equal(engine.changeView(one.nexus, { readonly: true }), true)
  assert.deepEqual([at(one.nexus), hears(one), hears(one, 1)], ['0r 1r', ['6/2a/1'], []])
  assert.equal(engine.changeView(one.nexus, { readonly: true }), false)
  assert.equal(engine.changeView(one.nexus, { group: 'few' }), true)
  assert.equal(at(one.nexus), '5')
  assert.deepEqual(hears(one, 5), ['6/29/0', '6/3f/e'])
  assert.equal(engine.changeView(one.nexus, { group: 'none of these' }), true)
  assert.equal(at(one.nexus), '')
  assert.equal(engine.changeView(one.nexus, {}), true)
  assert.equal(at(one.nexus), '0 1')
  assert.deepEqual([hears(other), hears(other, 1)], [[], []])
})

test('a group gets other members, and goes', () => {
  const { port, target, second } = two()
  target.addGroup('few', ['one'])
  target.map(5, second, 'few')
  const one = new Initiator(port, 'one')
  const other = new Initiator(port, 'other')
  target.setGroup('few', ['other', '!one'])
  assert.deepEqual([one.nexus.luns(), other.nexus.luns()], [[0], [5]])
  assert.deepEqual(hears(one), ['6/29/0', '6/3f/e'])
  target.setGroup('few', ['!one'])
  assert.deepEqual(hears(one), [])
  target.removeGroup('few')
  assert.deepEqual(other.nexus.luns(), [0])
  assert.throws(() => target.setGroup('few', []), { code: 'GROUP_MISSING' })
  assert.throws(() => target.removeGroup('few'), { code: 'GROUP_MISSING' })
})

test('what a nexus would see can be asked before there is one', () => {
  const { target, second } = two()
  target.map(9, second, null, true)
  target.addGroup('few', ['few*'])
  target.map(5, second, 'few')
  target.map(2, second, 'few')
  const seen = (name: string, view?: Parameters<typeof target.lunsOf>[1]) =>
    target.lunsOf(name, view)?.map(({ lun, readonly }) => `${lun}${readonly ? 'r' : ''}`)
  assert.deepEqual(seen('other'), ['0', '9r'])
  assert.deepEqual(seen('few1'), ['2', '5'])
  assert.deepEqual(seen('few1', { group: null, readonly: [0] }), ['0r', '9r'])
  assert.deepEqual(seen('other', { group: 'few', readonly: true }), ['2r', '5r'])
  assert.equal(seen('other', { group: 'absent' }), undefined)
  assert.deepEqual([target.groupOf('few1'), target.groupOf('other')], ['few', null])
})
