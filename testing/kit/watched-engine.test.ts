// SPDX-License-Identifier: Apache-2.0
// The watch sees what it is there to see: each way in which a driver can break the contract.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WRITE_10 } from '@lunkit/spec'
import type { Nexus, TargetPort, Task } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { TargetEngine } from '@lunkit/target-engine'
import { StandInStore } from './stand-in-store.ts'
import { WatchedEngine } from './watched-engine.ts'

/** Sends one WRITE of a block through a driver that behaves but for `wrong`. */
async function watch(wrong: (engine: WatchedEngine) => Partial<TargetPort>): Promise<WatchedEngine> {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  const values = { block: 512, physical: 512, wce: true, readonly: false, removable: false, rotation: 1 }
  const device = await disk.open(new StandInStore({ size: 1024 * 1024 }), values)
  const identity = { vendor: 'L', product: 'P', revision: '1', serial: '1', naa: new Uint8Array(8) }
  const target = engine.addTarget({ name: 'target' })
  target.map(0, engine.addUnit(device, identity))
  const watched = new WatchedEngine(engine)
  const port: TargetPort = {
    relativeId: 1,
    protocol: 15,
    portName: name => name,
    fetchData(task) {
      task.segments.push(Buffer.alloc(512))
      task.received += 512
      watched.dataArrived(task)
    },
    sendResponse: task => watched.responseSent(task),
    abandon: task => watched.responseSent(task),
    managementDone() {},
    creditRestored() {},
    stop: async () => {},
    ...wrong(watched),
  }
  const nexus = watched.openNexus(port, target, { name: 'i', port: '1', transportId: new Uint8Array(24) })
  // The first command is answered with the power on condition, the second takes the whole road.
  for (let i = 0; i < 2; i++) submit(watched, nexus)
  return watched
}

function submit(engine: WatchedEngine, nexus: Nexus): void {
  const task = engine.takeTask(nexus)
  task.cdb.set(WRITE_10.cdb.write({ opcode: WRITE_10.opcode, blocks: 1 }))
  task.attribute = 1
  task.expectedOut = 512
  engine.submit(task)
}

test('a good driver has nothing held against it', async () => {
  const watched = await watch(() => ({}))
  watched.check()
  assert.deepEqual([watched.submitted, watched.fetches, watched.abandoned], [2, 1, 0])
})

const wrongs: readonly [string, RegExp, (engine: WatchedEngine) => Partial<TargetPort>][] = [
  ['keeps a task', /have not come back/, () => ({ sendResponse() {} })],
  [
    'returns a task twice',
    /responseSent\(\) without/,
    engine => ({
      sendResponse(task: Task) {
        engine.responseSent(task)
        engine.responseSent(task)
      },
    }),
  ],
  [
    'brings too little data',
    /0 bytes instead of 512/,
    engine => ({ fetchData: (task: Task) => engine.dataArrived(task) }),
  ],
  [
    'counts data that it did not bring',
    /not what `segments` hold/,
    engine => ({
      fetchData(task: Task) {
        task.received = 512
        engine.dataArrived(task)
      },
    }),
  ],
  [
    'announces data that nobody asked for',
    /dataArrived\(\) without fetchData\(\)/,
    engine => ({
      sendResponse(task: Task) {
        engine.dataArrived(task)
        engine.responseSent(task)
      },
    }),
  ],
]
for (const [what, message, wrong] of wrongs) {
  test(`a driver that ${what} is found out`, async () => {
    const watched = await watch(wrong)
    assert.throws(() => watched.check(), message)
  })
}
