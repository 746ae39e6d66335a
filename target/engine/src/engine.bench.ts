// SPDX-License-Identifier: Apache-2.0
// Time and garbage of one command on the engine's road, with a device and a driver that do nothing.
// Run by hand: node --expose-gc --min-semi-space-size=128 --max-semi-space-size=128 target/engine/src/engine.bench.ts
import { READ_10, TaskAttribute, WRITE_10 } from '@lunkit/spec'
import { type Device, type DeviceType, type Nexus, on, succeed, type Task } from '@lunkit/target-api'
import { TargetEngine } from './engine.ts'
import { identity, StandInDevice, StandInPort } from './stand-in.test-kit.ts'

// With that much young space nothing is collected within a round, so that the heap's growth is all that was allocated.
const ROUNDS = 9
const COMMANDS = 400_000

const nullType: DeviceType = {
  apiVersion: 1,
  name: 'null',
  peripheralType: 0,
  parameters: {},
  bindings: [
    on(READ_10, (task: Task) => {
      task.reserve(task.blocks * 512)
      task.inLength = task.blocks * 512
      succeed(task)
    }),
    on(WRITE_10, (task: Task) => succeed(task)),
  ],
  open: async () => new StandInDevice(nullType),
}

class NullPort extends StandInPort {
  override fetchData(task: Task): void {
    task.segments.push(data)
    task.received += data.length
    this.engine.dataArrived(task)
  }
  override sendResponse(task: Task): void {
    this.engine.responseSent(task)
  }
}

const data = Buffer.alloc(4096)

function road(device: Device): { engine: TargetEngine; nexus: Nexus } {
  const engine = new TargetEngine({ observe: () => {}, absent: new StandInDevice() })
  const target = engine.addTarget({ name: 'target' })
  target.map(0, engine.addUnit(device, identity))
  const initiator = { name: 'initiator', port: '1', transportId: new Uint8Array(24) }
  const nexus = engine.openNexus(new NullPort(engine), target, initiator)
  return { engine, nexus }
}

function measure(name: string, cdb: Uint8Array, expectedIn: number, expectedOut: number): void {
  const { engine, nexus } = road(new StandInDevice(nullType))
  const run = (): void => {
    for (let i = 0; i < COMMANDS; i++) {
      const task = engine.takeTask(nexus)
      task.cdb.set(cdb)
      task.attribute = TaskAttribute.simple
      task.expectedIn = expectedIn
      task.expectedOut = expectedOut
      engine.submit(task)
    }
  }
  run()
  let time = Number.POSITIVE_INFINITY
  let heap = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    gc!()
    const before = process.memoryUsage().heapUsed
    const start = process.hrtime.bigint()
    run()
    time = Math.min(time, Number(process.hrtime.bigint() - start))
    heap = Math.min(heap, process.memoryUsage().heapUsed - before)
  }
  const ns = (time / COMMANDS).toFixed(0)
  const bytes = (heap / COMMANDS).toFixed(3)
  process.stdout.write(
    `${name.padEnd(24)} ${ns.padStart(6)} ns  ${bytes.padStart(8)} bytes of heap a command\n`,
  )
}

if (globalThis.gc === undefined) throw new Error('Run with node --expose-gc')
measure('READ (10), 4 KiB', READ_10.cdb.write({ opcode: 0x28, lba: 8, blocks: 8 }), 4096, 0)
measure('WRITE (10), 4 KiB, R2T', WRITE_10.cdb.write({ opcode: 0x2a, lba: 8, blocks: 8 }), 0, 4096)
