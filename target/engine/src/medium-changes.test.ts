// SPDX-License-Identifier: Apache-2.0
// What an operator does with a drive's tray: after commands that began with the medium, not against an initiator's lock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, TEST_UNIT_READY } from '@lunkit/spec'
import { type BackingStore, type MediumDrive, OperatorError } from '@lunkit/target-api'
import { bench, Initiator, identity, StandInDevice } from './stand-in.test-kit.ts'

const medium = (name: string, log: string[]): BackingStore =>
  ({ size: 512, close: async () => void log.push(`close ${name}`) }) as unknown as BackingStore

/** A device with a tray that writes down what is done with it. */
class Tray extends StandInDevice {
  readonly log: string[] = []
  inside: BackingStore | null = medium('first', this.log)
  open = false
  readonly drive: MediumDrive = this.#drive()

  #drive(): MediumDrive {
    const tray = this
    const says = (what: string) => () => void tray.log.push(what)
    return {
      get loaded() {
        return !tray.open && tray.inside !== null
      },
      requestRemoval: says('request'),
      hold() {
        tray.open = true
        tray.log.push('hold')
      },
      release: says('release'),
      async takeOut() {
        const { inside } = tray
        tray.inside = null
        tray.log.push('take out')
        return inside
      },
      check(store) {
        if (store.size === 0) throw new OperatorError('STORE_EMPTY', 'nothing in it')
      },
      insert(store) {
        tray.inside = store
        tray.open = false
        tray.log.push('insert')
      },
      stack: says('stack'),
    }
  }
}

function withTray() {
  const { engine, target, port } = bench()
  const device = new Tray()
  const unit = engine.addUnit(device, identity)
  target.map(1, unit)
  const one = new Initiator(port, 'one')
  // The unit attention of a first contact.
  one.send(TEST_UNIT_READY, {}, { lun: 1 })
  const { log } = device
  return { engine, device, unit, one, log, second: medium('second', log) }
}

test('the medium is taken out when commands that began with it have ended, and the next one goes in', async () => {
  const { engine, device, unit, one, log, second } = withTray()
  device.holds = true
  one.send(READ_10, { lba: 0, blocks: 1 }, { lun: 1 })
  assert.equal(device.held.length, 1)
  const changed = engine.insertMedium(unit, second)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(log, ['hold'])
  device.end()
  await changed
  assert.deepEqual(log, ['hold', 'take out', 'close first', 'insert', 'release'])
  await engine.ejectMedium(unit)
  assert.deepEqual(log.slice(5), ['hold', 'take out', 'close second', 'release'])
  await engine.ejectMedium(unit)
  assert.deepEqual(log.slice(9), ['hold', 'take out', 'release'])
})

test('commands that do not end leave the medium in the open tray', async () => {
  const { engine, device, unit, one, log, second } = withTray()
  device.holds = true
  one.send(READ_10, { lba: 0, blocks: 1 }, { lun: 1 })
  await assert.rejects(engine.insertMedium(unit, second, { limitMs: 20 }), { code: 'UNIT_BUSY' })
  assert.deepEqual(log, ['hold', 'release'])
  assert.notEqual(device.inside, null)
  device.end()
})

// Requirement: SPC-4, PREVENT ALLOW MEDIUM REMOVAL command: while it is prevented, an operator does not get the medium either.
test('an initiator that prevents the removal is asked for the medium, or it is taken by force', async () => {
  const { engine, unit, log, second } = withTray()
  for (const itl of unit.nexuses) itl.preventsRemoval = true
  await assert.rejects(engine.ejectMedium(unit), { code: 'REMOVAL_PREVENTED' })
  await assert.rejects(engine.insertMedium(unit, second), { code: 'REMOVAL_PREVENTED' })
  assert.deepEqual(log, ['request', 'request'])
  await engine.insertMedium(unit, second, { force: true })
  assert.deepEqual(log.slice(2), ['hold', 'take out', 'close first', 'insert', 'release'])
})

test('what is no medium, and what is no drive, is refused before anything moves', async () => {
  const { engine, unit, log } = withTray()
  const empty = { ...medium('empty', log), size: 0 }
  await assert.rejects(engine.insertMedium(unit, empty), { code: 'STORE_EMPTY' })
  assert.deepEqual(log, [])
  const disk = engine.addUnit(new StandInDevice(), { ...identity, serial: 'another' })
  await assert.rejects(engine.ejectMedium(disk), { code: 'NO_DRIVE' })
})
