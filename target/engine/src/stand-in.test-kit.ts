// SPDX-License-Identifier: Apache-2.0
// A scripted device and a scripted port for the engine's tests: what they were asked is kept, what they answer is told.
import {
  type Command,
  type FieldRows,
  INQUIRY,
  LOGICAL_UNIT_NOT_SUPPORTED,
  MODE_SELECT_6,
  READ_6,
  READ_10,
  READ_16,
  READ_32,
  READ_CAPACITY_16,
  REPORT_LUNS,
  REQUEST_SENSE,
  readSense,
  type SenseCode,
  type SenseReport,
  Status,
  SYNCHRONIZE_CACHE_10,
  TaskAttribute,
  TEST_UNIT_READY,
  type Values,
  VERIFY_10,
  WRITE_10,
  WRITE_SAME_10,
} from '@lunkit/spec'
import {
  type Device,
  type DeviceType,
  defaultPolicies,
  fail,
  type Identity,
  type LogicalUnit,
  Management,
  type Nexus,
  type Occupation,
  on,
  reply,
  type TargetEvent,
  type TargetPort,
  type Task,
} from '@lunkit/target-api'
import { type EngineOptions, TargetEngine } from './engine.ts'
import type { ItNexus } from './nexus.ts'

export class StandInDevice implements Device {
  readonly type: DeviceType
  blockSize = 512
  blocks = 1000
  writable = true
  maxTransfer = 64 * 512
  notReady: SenseCode | null = null
  occupied: Occupation | null = null
  readonly policies = defaultPolicies()
  unit: LogicalUnit = null as unknown as LogicalUnit
  /** Keeps its tasks until `end()`; else it answers at once. */
  holds = false
  /** Does this instead of answering. */
  instead: ((task: Task) => void) | null = null
  readonly held: Task[] = []
  /** In order of their start: opcode and tag, kept as `28:7`. */
  readonly started: string[] = []
  readonly aborted: Task[] = []
  readonly calls: string[] = []
  constructor(type: DeviceType = standInType) {
    this.type = type
  }

  run(task: Task): void {
    this.started.push(`${task.cdb[0]!.toString(16)}:${task.tag}`)
    if (this.instead !== null) this.instead(task)
    else if (this.holds) this.held.push(task)
    else this.answer(task)
  }

  answer(task: Task) {
    const { opcode } = task.binding.command
    if (opcode === READ_10.opcode) {
      const length = task.blocks * this.blockSize
      task.reserve(length)
      for (const segment of task.segments) segment.fill(0x5a)
      task.inLength = length
    } else if (opcode === REQUEST_SENSE.opcode) {
      const code = task.nexusUnit.takeAttention()
      return reply(task, Uint8Array.of(code?.asc ?? 0, code?.ascq ?? 0))
    }
    task.status = Status.good
    task.done()
  }

  /** Ends the held task with this tag, or the oldest. */
  end(tag?: number): void {
    const at = tag === undefined ? 0 : this.held.findIndex(task => task.tag === tag)
    if (at < 0 || at >= this.held.length) throw new Error(`Task ${tag} is not with the device`)
    this.answer(this.held.splice(at, 1)[0]!)
  }

  get tags(): number[] {
    return this.started.map(entry => Number(entry.split(':')[1]))
  }

  attach(unit: LogicalUnit): void {
    this.unit = unit
    this.calls.push('attach')
  }
  abort(task: Task): void {
    this.aborted.push(task)
  }
  reset(): void {
    this.calls.push('reset')
  }
  nexusLost(nexus: Nexus): void {
    this.calls.push(`nexusLost ${nexus.initiator.name}`)
  }
  async close(): Promise<void> {
    this.calls.push('close')
  }
}

const run = (task: Task, device: StandInDevice): void => device.run(task)

export const standInType: DeviceType = {
  apiVersion: 1,
  name: 'stand-in',
  peripheralType: 0,
  parameters: {},
  bindings: [
    on(TEST_UNIT_READY, run),
    on(INQUIRY, run),
    on(REPORT_LUNS, run),
    on(REQUEST_SENSE, run),
    on(READ_6, run),
    on(READ_10, run, { refuses: ['rarc'] }),
    on(READ_16, run),
    on(READ_32, run),
    on(WRITE_10, run),
    on(WRITE_SAME_10, run, { dataOut: () => 512 }),
    on(VERIFY_10, run, { dataOut: task => ((task.cdb[1]! & 2) === 0 ? 0 : task.blocks * 512) }),
    on(MODE_SELECT_6, run),
    on(READ_CAPACITY_16, run),
    on(SYNCHRONIZE_CACHE_10, run),
  ],
  open: async () => new StandInDevice(),
}

const absentType: DeviceType = {
  apiVersion: 1,
  name: 'absent',
  peripheralType: 0x1f,
  parameters: {},
  bindings: [on(INQUIRY, run)],
  otherwise: task => fail(task, LOGICAL_UNIT_NOT_SUPPORTED),
  open: async () => new StandInDevice(absentType),
}

export interface Answer {
  readonly tag: number
  readonly status: number
  readonly sense: SenseReport | null
  readonly inLength: number
  readonly received: number
}

export class StandInPort implements TargetPort {
  readonly relativeId: number
  readonly protocol = 15
  readonly engine: TargetEngine
  /** Calls `responseSent()` at once; else `sent()` does. */
  sends = true
  /** Brings data at once; else `bring()` does. */
  brings = true
  readonly answers: Answer[] = []
  readonly abandoned: number[] = []
  readonly fetching: Task[] = []
  readonly unsent: Task[] = []
  readonly managed: Management[] = []
  restored = 0
  constructor(engine: TargetEngine, relativeId = 1) {
    this.engine = engine
    this.relativeId = relativeId
  }
  portName(target: string): string {
    return target
  }
  fetchData(task: Task): void {
    this.fetching.push(task)
    if (this.brings) this.bring(task)
  }
  bring(task: Task): void {
    this.fetching.splice(this.fetching.indexOf(task), 1)
    const missing = Math.min(task.outLength, task.expectedOut) - task.received
    task.segments.push(Buffer.alloc(missing, 0x77))
    task.received += missing
    this.engine.dataArrived(task)
  }
  sendResponse(task: Task): void {
    const { tag, status, inLength, received } = task
    const sense =
      status === Status.checkCondition ? readSense(task.sense.subarray(0, task.senseLength)) : null
    this.answers.push({ tag, status, sense, inLength, received })
    this.#letGo(task)
  }
  abandon(task: Task): void {
    this.abandoned.push(task.tag)
    this.#letGo(task)
  }
  #letGo(task: Task): void {
    const at = this.fetching.indexOf(task)
    if (at >= 0) this.fetching.splice(at, 1)
    if (this.sends) this.engine.responseSent(task)
    else this.unsent.push(task)
  }
  sent(): void {
    this.engine.responseSent(this.unsent.shift()!)
  }
  managementDone(request: Management): void {
    this.managed.push(request)
  }
  creditRestored(): void {
    this.restored++
  }
  async stop(): Promise<void> {}
}

export const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'TEST',
  revision: '1',
  serial: '1',
  naa: new Uint8Array(8),
}

/** An engine with one target of one unit at LUN 0, and a port. */
export function bench(limits: NonNullable<EngineOptions['limits']> = {}, device = new StandInDevice()) {
  const events: TargetEvent[] = []
  const engine = new TargetEngine({
    observe: event => events.push(event),
    absent: new StandInDevice(absentType),
    limits,
  })
  const unit = engine.addUnit(device, identity)
  const target = engine.addTarget({ name: 'target' })
  target.map(0, unit)
  return { engine, device, unit, target, events, port: new StandInPort(engine) }
}

/** One initiator: sends commands with counting tags. The power on condition is taken unless `fresh`. */
export class Initiator {
  readonly engine: TargetEngine
  readonly port: StandInPort
  readonly nexus: Nexus
  #tag = 0
  constructor(port: StandInPort, name = 'initiator', { fresh = false, firstTag = 0 } = {}) {
    this.engine = port.engine
    this.port = port
    const transportId = new Uint8Array(24)
    this.nexus = port.engine.openNexus(port, port.engine.targets[0]!, { name, port: '1', transportId })
    this.#tag = firstTag
    if (fresh) return
    for (const itl of (this.nexus as ItNexus).units()) while (itl.takeAttention() !== null);
  }

  /** Returns the tag. */
  send<R extends FieldRows>(
    command: Command<R>,
    values: Partial<Values<R>> = {},
    { lun = 0, attribute = TaskAttribute.simple as number, expectedIn = 1e6, expectedOut = 1e6 } = {},
  ): number {
    const { opcode, serviceAction } = command
    const more = serviceAction < 0 ? {} : { serviceAction }
    const length = opcode === 0x7f ? { additionalLength: command.length - 8 } : {}
    const cdb = command.cdb.write({ opcode, ...more, ...length, ...values } as never)
    return this.sendCdb(cdb, { lun, attribute, expectedIn, expectedOut })
  }

  sendCdb(
    cdb: Uint8Array,
    { lun = 0, attribute = TaskAttribute.simple as number, expectedIn = 1e6, expectedOut = 1e6 } = {},
  ): number {
    const task = this.engine.takeTask(this.nexus)
    task.cdb.fill(0)
    task.cdb.set(cdb)
    task.lun = lun
    task.tag = ++this.#tag
    task.attribute = attribute
    task.expectedIn = expectedIn
    task.expectedOut = expectedOut
    this.engine.submit(task)
    return task.tag
  }

  manage(fn: number, { lun = 0, tag = 0 } = {}): Management {
    const request = new Management(this.nexus, fn, lun, tag)
    this.engine.manage(request)
    return request
  }
}
