// SPDX-License-Identifier: Apache-2.0
// The local driver holds to the contract of a driver, and keeps its own promises.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, Status, TEST_UNIT_READY } from '@lunkit/spec'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { TargetEngine } from '@lunkit/target-engine'
import { driverSuite } from '../../../../testing/kit/driver-suite.ts'
import { StandInStore } from '../../../../testing/kit/stand-in-store.ts'
import { type LocalNexus, openLocal } from './index.ts'

driverSuite('local', async (engine, target) => {
  const open: LocalNexus[] = []
  return {
    async connect(initiator) {
      const nexus = openLocal(engine, target, initiator)
      open.push(nexus)
      return nexus
    },
    async stop() {
      await Promise.all(open.map(nexus => nexus.stop()))
    },
  }
})

async function bench(tasksPerSession = 128) {
  const engine = new TargetEngine({
    observe: () => {},
    absent: await absent.open(null, {}),
    limits: { tasksPerSession },
  })
  const store = new StandInStore({ size: 1024 * 1024 })
  const values = { block: 512, physical: 512, wce: true, readonly: false, removable: false, rotation: 1 }
  const identity = { vendor: 'L', product: 'P', revision: '1', serial: '1', naa: new Uint8Array(8) }
  engine.addTarget({ name: 'target' }).map(0, engine.addUnit(await disk.open(store, values), identity))
  const nexus = openLocal(engine, 'target', 'initiator')
  const ready = { lun: 0, cdb: TEST_UNIT_READY.cdb.write({ opcode: TEST_UNIT_READY.opcode }) }
  while ((await nexus.execute(ready)).status !== Status.good);
  const read = { lun: 0, cdb: READ_10.cdb.write({ opcode: READ_10.opcode, blocks: 1 }), expectedIn: 512 }
  return { engine, store, nexus, ready, read }
}

test('what cannot be sent is refused before it is sent', async () => {
  const { engine, nexus, ready } = await bench()
  assert.throws(() => openLocal(engine, 'nowhere', 'initiator'), { code: 'TARGET_MISSING' })
  await assert.rejects(nexus.execute({ lun: 0, cdb: new Uint8Array(33) }), RangeError)
  const reason = new Error('Changed my mind')
  await assert.rejects(nexus.execute({ ...ready, signal: AbortSignal.abort(reason) }), reason)
  await nexus.close()
  await assert.rejects(nexus.execute(ready), { code: 'COMMAND_ABANDONED' })
  await nexus.close()
  await engine.close()
})

test('commands beyond the credit wait, and an abort takes them out', async () => {
  const { engine, store, nexus, read } = await bench(2)
  store.held = true
  const reason = new Error('Changed my mind')
  const abort = new AbortController()
  const first = [nexus.execute(read), nexus.execute(read)]
  const third = nexus.execute({ ...read, signal: abort.signal })
  const fourth = nexus.execute(read)
  assert.equal(store.underWay, 2)
  abort.abort(reason)
  await assert.rejects(third, reason)
  store.release()
  for (const answer of [...first, fourth]) assert.equal((await answer).status, Status.good)
  await nexus.close()
  await engine.close()
})

test('a signal that serves many commands keeps no listener of theirs', async t => {
  const { engine, nexus, ready } = await bench()
  const { signal } = new AbortController()
  const added = t.mock.method(signal, 'addEventListener')
  const removed = t.mock.method(signal, 'removeEventListener')
  for (let i = 0; i < 5; i++) await nexus.execute({ ...ready, signal })
  assert.equal(added.mock.callCount(), 5)
  for (const [index, { arguments: given }] of removed.mock.calls.entries()) {
    assert.deepEqual(given.slice(0, 2), added.mock.calls[index]!.arguments.slice(0, 2))
  }
  assert.equal(removed.mock.callCount(), 5)
  await nexus.close()
  await engine.close()
})
