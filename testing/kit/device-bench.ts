// SPDX-License-Identifier: Apache-2.0
// Runs commands on a device without an engine: the checks of a row, one task at a time, each answer counted.
import assert from 'node:assert/strict'
import {
  type Command,
  INVALID_COMMAND_OPERATION_CODE,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  readSense,
  type SenseCode,
  Status,
  strayBit,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import {
  accessOf,
  type BackingStore,
  type Binding,
  BufferPool,
  type Device,
  type DeviceType,
  type Identity,
  type LogicalUnit,
  type Nexus,
  type NexusUnit,
  type ParameterValues,
  type PooledBuffer,
  type PortGroups,
  type ReferralSegment,
  type Reservations,
  type TargetPort,
  Task,
  TaskState,
  UnitCounters,
  type UnitRecords,
} from '@lunkit/target-api'

import { StandInStore } from './stand-in-store.ts'

/** What pooled buffers hold before they are filled: must never be seen by an initiator. */
export const POISON = 0xd5

class PoisonedPool extends BufferPool {
  override take(length: number): PooledBuffer {
    const buffer = super.take(length)
    buffer.whole.fill(POISON)
    return buffer
  }
}

export interface Answer {
  readonly status: number
  readonly sense: SenseCode | null
  /** The bytes that the initiator gets: min(inLength, expectedIn). */
  readonly data: Buffer
  readonly inLength: number
  readonly outLength: number
  /** INFORMATION, or -1. */
  readonly information: number
  /** PROGRESS INDICATION, or -1. */
  readonly progress: number
  /** Field pointer, or null. */
  readonly field: { readonly byte: number; readonly bit: number; readonly inCdb: boolean } | null
}

export interface RunOptions {
  /** Data that the initiator offers; expectedOut is its length. */
  readonly out?: Uint8Array
  /** Bytes that the initiator takes (1 MiB if not given). */
  readonly expectedIn?: number
  /** Which of the bench's two nexuses sends it. */
  readonly nexus?: 0 | 1
  /** Called when the device has the task and has not answered within the call. */
  readonly during?: (task: Task) => void
}

/** Reservations are the engine's, and tested with one: here whatever is asked for goes well and does nothing. */
const NO_RESERVATIONS: Reservations = {
  state: { generation: 0, aptpl: false, type: 0, holder: null, registrations: new Map() },
  canPersist: false,
  perform: (_task, _request, done) => done('good'),
  reserve: () => true,
  release: () => true,
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** As much of an iSCSI port as devices see. */
export const benchPort = (relativeId: number): TargetPort =>
  ({
    relativeId,
    protocol: 5,
    portName: (target: string) => `${target},t,0x${relativeId.toString(16).padStart(4, '0')}`,
  }) as TargetPort

interface BenchNexusUnit extends NexusUnit {
  attentions: SenseCode[]
}

export class Bench {
  readonly device: Device
  readonly nexusUnits: readonly BenchNexusUnit[]
  /** The unit and its target, to be changed as an operator would. */
  readonly unit: { identity: Identity; referrals: readonly ReferralSegment[] }
  readonly target: { ports: readonly TargetPort[]; portGroups: PortGroups | null }
  /** LUNs that the nexuses see. */
  luns: number[] = [0]
  readonly counters = new UnitCounters()
  /** What the operator was told. */
  readonly warnings: string[] = []
  /** Answers by task, to see that none comes twice. */
  readonly #answers = new WeakMap<Task, number>()
  readonly #pool = new PoisonedPool()
  #wake: (() => void) | null = null

  private constructor(device: Device, records: UnitRecords | null) {
    this.device = device
    const luns = (): readonly number[] => this.luns
    const port = benchPort(1)
    const target = {
      name: 'iqn.2026-11.test:bench',
      alias: '',
      ports: [port as TargetPort],
      portGroups: null,
    }
    this.target = target
    const nexuses = [1, 2].map(
      number =>
        ({
          port,
          target,
          initiator: {
            name: `iqn.2026-11.test:initiator-${number}`,
            port: '000000000000',
            transportId: Buffer.alloc(0),
          },
          credit: 1,
          running: 0,
          luns,
          driverData: null,
        }) as unknown as Nexus,
    )
    const nexusUnits: BenchNexusUnit[] = []
    const unit: Mutable<LogicalUnit> = {
      managementLimit: 5000,
      records,
      reservations: NO_RESERVATIONS,
      referrals: [],
      counters: this.counters,
      // One unit alone: there is nobody to send to.
      onChange: null,
      inner: null as unknown as LogicalUnit['inner'],
      identity: {
        vendor: 'LUNKIT',
        product: 'BENCH DISK',
        revision: '1',
        serial: 'serial-0001',
        naa: Uint8Array.of(0x30, 1, 2, 3, 4, 5, 6, 7),
      },
      device,
      attention(code, except) {
        for (const one of nexusUnits) if (one.nexus !== except) one.attentions.push(code)
      },
      warn: reason => this.warnings.push(reason),
      get removalPrevented() {
        return nexusUnits.some(one => one.preventsRemoval)
      },
    }
    for (const nexus of nexuses) {
      nexusUnits.push({
        nexus,
        unit,
        lun: 0,
        readonly: false,
        preventsRemoval: false,
        faulted: false,
        attentions: [],
        takeAttention() {
          return this.attentions.shift() ?? null
        },
      })
    }
    this.nexusUnits = nexusUnits
    this.unit = unit
    device.attach(unit)
  }

  static async open(
    type: DeviceType,
    store: BackingStore | null,
    values: ParameterValues = {},
    records: UnitRecords | null = null,
    beside: BackingStore | null = besideStore(type, store, values),
  ): Promise<Bench> {
    return new Bench(await type.open(store, values, beside), records)
  }

  /** Runs one command to its one answer. */
  async run(cdb: readonly number[] | Uint8Array, options: RunOptions = {}): Promise<Answer> {
    const task = this.submit(cdb, options)
    if (task.state === TaskState.execute) {
      options.during?.(task)
      while (task.state === TaskState.execute) await new Promise<void>(resolve => (this.#wake = resolve))
    }
    // Whoever answers twice does it soon.
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(this.#answers.get(task), 1, 'the task was not answered exactly once')
    const answer = answerOf(task)
    task.releaseData()
    return answer
  }

  /** Starts one command; its state is `respond` when the device has answered. */
  submit(cdb: readonly number[] | Uint8Array, options: RunOptions = {}): Task {
    const task = new Task(this.#pool, one => this.#done(one))
    const nexusUnit = this.nexusUnits[options.nexus ?? 0]!
    task.nexus = nexusUnit.nexus
    task.nexusUnit = nexusUnit
    task.cdb.set(cdb)
    task.expectedIn = options.expectedIn ?? 1024 * 1024
    task.expectedOut = options.out?.length ?? 0
    task.state = TaskState.decode
    if (!this.#check(task)) return task
    this.#bring(task, options.out ?? Buffer.alloc(0))
    task.state = TaskState.execute
    task.binding.run(task, this.device)
    return task
  }

  /** What the engine does before a handler runs. */
  #check(task: Task): boolean {
    const { cdb } = task
    const { type } = this.device
    const attention = (rule: string): boolean => {
      const code = rule === 'reports' ? (task.nexusUnit.takeAttention() ?? null) : null
      return code === null || this.#refuse(task, code)
    }
    const binding = type.bindings.find(one => matches(one, cdb))
    if (binding?.offered?.(task, this.device) === false) return this.#refuse(task, INVALID_FIELD_IN_CDB)
    if (binding === undefined) {
      if (type.otherwise === undefined) return this.#refuse(task, INVALID_COMMAND_OPERATION_CODE)
      task.state = TaskState.execute
      type.otherwise(task, this.device)
      return false
    }
    task.binding = binding
    const allowed = Uint8Array.from(binding.usage)
    allowed[0] = 0xff
    const stray = strayBit(allowed, cdb, 0)
    if (stray !== null) return this.#refuse(task, INVALID_FIELD_IN_CDB, stray)
    if (!attention(binding.command.unitAttention)) return false
    if (!this.#ready(task, binding)) return false
    task.lba = binding.lba?.get(cdb, 0) ?? 0
    task.blocks = binding.blocks?.get(cdb, 0) ?? 0
    if (task.blocks === 0 && binding.zeroIs256 && binding.blocks !== null) task.blocks = 256
    if (task.blocks === 0 && binding.zeroIsRest) task.blocks = Math.max(this.device.blocks - task.lba, 1)
    if (binding.command.writes && !this.device.writable) return this.#refuse(task, WRITE_PROTECTED)
    const least = binding.blocks === null ? 1 : task.blocks
    if (binding.lba !== null && task.lba + least > this.device.blocks)
      return this.#refuse(task, LBA_OUT_OF_RANGE)
    this.counters.began(task, accessOf(binding.command))
    task.outLength = outLength(task, binding, this.device)
    const moved = binding.command.data === 'in' ? task.blocks * this.device.blockSize : task.outLength
    if (binding.blocks !== null && moved > this.device.maxTransfer)
      return this.#refuse(task, INVALID_FIELD_IN_CDB)
    return true
  }

  #ready(task: Task, { command: { readiness } }: Binding): boolean {
    const { occupied, notReady } = this.device
    const passes = readiness === 'always' || (occupied?.failed === true && readiness === 'recovers')
    if (occupied !== null && !passes) {
      task.progress = occupied.progress
      return this.#refuse(task, occupied.code)
    }
    return notReady === null || passes || readiness === 'unready' || this.#refuse(task, notReady)
  }

  #refuse(task: Task, code: SenseCode, place: { byte: number; bit: number } | null = null): false {
    task.status = Status.checkCondition
    task.senseCode = code
    if (place !== null) {
      task.fieldByte = place.byte
      task.fieldBit = place.bit
      task.fieldInCdb = true
    }
    this.#done(task)
    return false
  }

  /** Data-out in slices of odd lengths, as a network brings it. */
  #bring(task: Task, out: Uint8Array): void {
    const length = Math.min(out.length, task.outLength)
    const all = Buffer.from(out.subarray(0, length))
    for (let at = 0, size = 100; at < length; size = size * 3 + 1) {
      const slice = all.subarray(at, Math.min(at + size, length))
      task.segments.push(slice)
      at += slice.length
    }
    task.received = length
  }

  #done(task: Task): void {
    if (task.binding !== null) this.counters.ended(task, accessOf(task.binding.command))
    this.#answers.set(task, (this.#answers.get(task) ?? 0) + 1)
    task.state = TaskState.respond
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

/** The second store that a device of these values wants, with nothing in it. */
function besideStore(type: DeviceType, store: BackingStore | null, values: ParameterValues) {
  const size = store === null ? 0 : (type.besideBytes?.(store, values) ?? 0)
  if (size === 0) return null
  const beside = new StandInStore({ size })
  beside.bytes.fill(0)
  beside.durable.fill(0)
  return beside
}

/** A CDB from its row and values by field name. */
// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
export function cdbOf(command: Command<any>, values: Readonly<Record<string, number>> = {}): Uint8Array {
  const { cdb: row, opcode, serviceAction } = command
  const cdb = row.write({ ...values, opcode })
  if (serviceAction >= 0) row.field['serviceAction']!.set(cdb, 0, serviceAction)
  if (opcode === 0x7f) row.field['additionalLength']!.set(cdb, 0, command.length - 8)
  return cdb
}

function matches({ command }: Binding, cdb: Uint8Array): boolean {
  if (command.opcode !== cdb[0]) return false
  return (
    command.serviceAction < 0 || command.cdb.field['serviceAction']!.get(cdb, 0) === command.serviceAction
  )
}

function outLength(task: Task, binding: Binding, device: Device): number {
  if (binding.command.data !== 'out') return 0
  if (binding.dataOut !== null) return binding.dataOut(task, device)
  if (binding.blocks !== null) return task.blocks * device.blockSize
  return binding.parameterLength?.get(task.cdb, 0) ?? 0
}

function answerOf(task: Task): Answer {
  const sent = Math.min(task.inLength, task.expectedIn)
  const all = task.inLength > 0 ? Buffer.concat(task.segments) : Buffer.alloc(0)
  assert.ok(all.length >= sent, `${sent} bytes are to be sent, and only ${all.length} are there`)
  if (task.status !== Status.checkCondition) assert.equal(task.senseCode, null)
  else {
    assert.notEqual(task.senseCode, null)
    assert.equal(task.inLength, 0)
  }
  const relayed = task.senseLength > 0 ? readSense(task.sense.subarray(0, task.senseLength)) : null
  return {
    status: task.status,
    sense: task.senseCode,
    data: Buffer.from(all.subarray(0, sent)),
    inLength: task.inLength,
    outLength: task.outLength,
    information: (relayed ?? task.senseExtra)?.information ?? task.information,
    progress: task.progress,
    field: task.fieldByte < 0 ? null : { byte: task.fieldByte, bit: task.fieldBit, inCdb: task.fieldInCdb },
  }
}
