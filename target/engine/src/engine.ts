// SPDX-License-Identifier: Apache-2.0
// The engine: owns targets, units and nexuses, and is the door by which drivers and devices come in.
import type { SenseCode } from '@lunkit/spec'
import {
  type BackingStore,
  type ControlAnswer,
  type Controls,
  type Device,
  type DeviceType,
  type Engine,
  type Identity,
  type InitiatorPort,
  type Management,
  type Nexus,
  type NexusView,
  type Observer,
  OperatorError,
  type Target,
  type TargetPort,
  type Task,
  TaskState,
  type UnitRecords,
} from '@lunkit/target-api'
import { abortMatching } from './abort.ts'
import { Core, type Limits } from './core.ts'
import { Dispatch } from './dispatch.ts'
import { whenDrained } from './drain.ts'
import { endLost, returned } from './finish.ts'
import { EngineInnerCommands } from './inner.ts'
import {
  controlsOf,
  controlUnit,
  type RemoveOptions,
  type ResizeOptions,
  rescanUnit,
  resizeUnit,
  retireUnit,
} from './live-changes.ts'
import { Unit, unitOf } from './logical-unit.ts'
import { TargetDevice } from './lun-map.ts'
import { ejectMedium, insertMedium, type MediumOptions } from './medium-changes.ts'
import { type ItlNexus, ItNexus } from './nexus.ts'
import { receive } from './receive.ts'
import { refuse } from './refuse.ts'
import { abortPreempted } from './reservations/abort-preempted.ts'
import type { AbortPreempted } from './reservations/unit-reservations.ts'
import { faultLater, walk, walkAfter } from './road.ts'
import { manage } from './task-management.ts'

export interface EngineOptions {
  readonly observe: Observer
  /** Answers commands for LUNs that an initiator does not see. The engine closes it. */
  readonly absent: Device
  /** Bytes for command buffers, and tasks in flight. */
  readonly limits?: {
    /** In total: 64 MiB if not given, which keeps a process with large writes under 200 MB. Third-party copies get a quarter of it besides. */
    readonly memory?: number
    /** 32 MiB if not given. */
    readonly memoryPerSession?: number
    /** 32 MiB if not given: a stuck unit leaves its sessions memory for their others. */
    readonly memoryPerUnit?: number
    /** Of one session at one unit: about half of `memoryPerUnit` if not given, so that it cannot take all from the others. */
    readonly memoryPerSessionAtUnit?: number
    /** 128 for each unit that a session sees, up to 512, if not given. */
    readonly tasksPerSession?: number
    /** Tasks of all sessions in the task set of one unit; more get TASK SET FULL or BUSY. 4096 if not given. */
    readonly queuePerUnit?: number
    /** Tasks of one session there: 512 if not given, so that no session fills a unit's set alone. */
    readonly queuePerSession?: number
    /** Longest time that task management waits for a store, in ms: 5000 if not given. */
    readonly managementMs?: number
  }
}

const MIB = 1024 * 1024
/** Room for the parameter lists of copies, so that the longest transfer does not have to wait for their end. */
const LISTS = 64 * 1024
/** What the absent unit is called, should its device ask. */
const NOBODY: Identity = Object.freeze({
  vendor: 'LUNKIT',
  product: 'NO UNIT',
  revision: '1',
  serial: '',
  naa: new Uint8Array(8),
})

/** A SCSI target subsystem. Several of them live in one process without knowing each other. */
export class TargetEngine implements Engine {
  readonly observe: Observer
  readonly #core: Core
  readonly #targets: TargetDevice[] = []
  readonly #units: Unit[] = []
  readonly #ports: TargetPort[] = []
  readonly #absent: Unit
  readonly #inner: EngineInnerCommands
  /** Units of one device type share one: it is most of what a unit would take. */
  readonly #dispatches = new WeakMap<DeviceType, Dispatch>()
  readonly #warn = (reason: string): void => this.#core.report({ type: 'warning', reason })
  readonly #preempt: AbortPreempted = (one, nexuses, over) => abortPreempted(this.#core, one, nexuses, over)

  constructor({ observe, absent, limits = {} }: EngineOptions) {
    this.observe = observe
    const perUnit = limits.memoryPerUnit ?? 32 * MIB
    const all: Limits = {
      total: limits.memory ?? 64 * MIB,
      perSession: limits.memoryPerSession ?? 32 * MIB,
      perUnit,
      perSessionAtUnit: limits.memoryPerSessionAtUnit ?? perUnit / 2 + LISTS,
      tasksPerUnit: limits.tasksPerSession ?? 128,
      tasksPerSession: limits.tasksPerSession ?? 512,
      queuePerUnit: limits.queuePerUnit ?? 4096,
      queuePerSession: limits.queuePerSession ?? 512,
      managementMs: limits.managementMs ?? 5000,
    }
    const done = (task: Task): void => this.#done(task)
    const fault = (task: Task, cause: unknown): void => faultLater(this.#core, task, cause)
    this.#core = new Core(all, observe, done, fault)
    this.#core.wake = () => walk(this.#core)
    this.#inner = new EngineInnerCommands(this.#core)
    this.#absent = this.#newUnit(absent, NOBODY, false, null)
  }

  get ports(): readonly TargetPort[] {
    return this.#ports
  }

  get targets(): readonly Target[] {
    return this.#targets
  }

  findTarget(name: string): Target | null {
    return this.#targets.find(target => target.name === name) ?? null
  }

  /** Throws OperatorError if the name is taken, or one of both is nothing that a transport can tell. */
  addTarget({ name, alias = '' }: { name: string; alias?: string }): TargetDevice {
    if (this.findTarget(name) !== null) {
      throw new OperatorError('TARGET_EXISTS', `There is already a target ${name}`, {
        hint: 'give this one another name',
      })
    }
    checkSpoken('name', name)
    checkSpoken('alias', alias)
    const target = new TargetDevice(name, alias, this.#ports)
    this.#targets.push(target)
    return target
  }

  /**
   * Makes a unit of an opened device, which the engine then owns; without `records` it saves nothing. Throws
   * OperatorError if the plug-in is faulty.
   */
  addUnit(device: Device, identity: Identity, records: UnitRecords | null = null): Unit {
    const unit = this.#newUnit(device, identity, true, records)
    this.#units.push(unit)
    return unit
  }

  /** Makes the unit's medium `bytes` long. Rejects with OperatorError, and then nothing has changed. */
  resizeUnit(unit: Unit, bytes: number, options: ResizeOptions = {}): Promise<void> {
    return resizeUnit(this.#core, unit, bytes, options)
  }

  /** Looks how long the unit's storage is now; true if that is news. Rejects with OperatorError. */
  rescanUnit(unit: Unit): Promise<boolean> {
    return rescanUnit(unit)
  }

  /** What the unit's device and store can be told to do while it is used, by name. */
  controlsOf(unit: Unit): Controls {
    return controlsOf(unit)
  }

  /** Has them do it, and tells initiators of a changed medium. Rejects with OperatorError. */
  controlUnit(unit: Unit, name: string, words: readonly string[]): Promise<ControlAnswer> {
    return controlUnit(unit, name, words)
  }

  /** Puts a medium into a drive; see `insertMedium`. Rejects with OperatorError. */
  insertMedium(unit: Unit, medium: BackingStore, options: MediumOptions = {}): Promise<void> {
    return insertMedium(this.#core, unit, medium, options)
  }

  /** Opens a drive's tray and takes its medium out. Rejects with OperatorError. */
  ejectMedium(unit: Unit, options: MediumOptions = {}): Promise<void> {
    return ejectMedium(this.#core, unit, options)
  }

  /**
   * Lets go of a unit that is behind no LUN any more: commands under way end or are aborted, its device is closed.
   * Rejects with OperatorError if a LUN leads to it, or if its storage does not answer in time.
   */
  async removeUnit(unit: Unit, options: RemoveOptions = {}): Promise<void> {
    const target = this.#targets.find(one => one.units().has(unit))
    if (target !== undefined) {
      throw new OperatorError('UNIT_MAPPED', `A LUN of target ${target.name} leads to the unit`, {
        hint: 'unmap it first',
      })
    }
    await retireUnit(this.#core, unit, options, () => {
      const at = this.#units.indexOf(unit)
      if (at >= 0) this.#units.splice(at, 1)
    })
  }

  #newUnit(device: Device, identity: Identity, present: boolean, records: UnitRecords | null): Unit {
    const { type } = device
    if (type.apiVersion !== 1) {
      throw new OperatorError('PLUGIN_VERSION', `Device type '${type.name}' is made for another lunkit`, {
        hint: `it has apiVersion ${type.apiVersion}, this lunkit takes 1`,
      })
    }
    const { managementMs } = this.#core.limits
    const unit = new Unit(
      device,
      identity,
      present ? this.#dispatchOf(type) : new Dispatch(type, false),
      records,
      this.#inner,
      this.#warn,
      this.#preempt,
      managementMs,
      this.#core,
    )
    device.attach(unit)
    return unit
  }

  #dispatchOf(type: DeviceType): Dispatch {
    const known = this.#dispatches.get(type) ?? new Dispatch(type, true)
    this.#dispatches.set(type, known)
    return known
  }

  openPort(port: TargetPort): void {
    this.#ports.push(port)
    this.#ports.sort((a, b) => a.relativeId - b.relativeId)
  }

  closePort(port: TargetPort): void {
    const at = this.#ports.indexOf(port)
    if (at >= 0) this.#ports.splice(at, 1)
  }

  openNexus(port: TargetPort, target: Target, initiator: InitiatorPort, view: NexusView = {}): Nexus {
    const device = target as TargetDevice
    const { tasksPerUnit, tasksPerSession } = this.#core.limits
    const nexus = new ItNexus(port, device, initiator, this.#absent, tasksPerUnit, tasksPerSession, view)
    device.open(nexus)
    return nexus
  }

  changeView(nexus: Nexus, view: NexusView): boolean {
    const one = nexus as ItNexus
    return one.target.changeView(one, view)
  }

  raiseAttention(nexus: Nexus, lun: number, code: SenseCode): void {
    const one = nexus as ItNexus
    const itl = one.at(lun)
    if (itl !== one.absent) itl.attentions.add(code)
  }

  closeNexus(nexus: Nexus, attention: SenseCode | null = null): Promise<void> {
    const core = this.#core
    const lost = nexus as ItNexus
    lost.closed = true
    lost.target.close(lost)
    for (const { device } of this.#units) core.guardDevice('nexusLost', device, () => device.nexusLost(lost))
    return new Promise(resolve => {
      walkAfter(core, () => {
        const tasks = abortMatching(core, [...this.#units, this.#absent], task => task.nexus === lost)
        if (attention !== null) for (const task of tasks) lost.target.remember(lost, lunOf(task), attention)
        whenDrained(core, tasks, resolve)
      })
    })
  }

  /** Waits for every task, the lost ones too, for as long as their stores take. */
  #abortAll(): Promise<void> {
    const core = this.#core
    return new Promise(resolve => {
      walkAfter(core, () => {
        const tasks = abortMatching(core, [...this.#units, this.#absent], () => true)
        whenDrained(core, [...tasks, ...core.lost], resolve, true)
      })
    })
  }

  takeTask(nexus: Nexus): Task {
    return this.#core.takeTask(nexus as ItNexus)
  }

  submit(task: Task): void {
    receive(this.#core, task)
    walk(this.#core)
  }

  dataArrived(task: Task): void {
    if (!this.#endWait(task, 'dataArrived()')) return
    this.#core.proceed(task, TaskState.run)
    walk(this.#core)
  }

  dataFailed(task: Task, code: SenseCode): void {
    if (!this.#endWait(task, 'dataFailed()')) return
    refuse(task, code)
    this.#core.proceed(task, TaskState.finish)
    walk(this.#core)
  }

  #endWait(task: Task, call: string): boolean {
    if (task.state !== TaskState.waitData) {
      this.#core.reportMisuse(call, task)
      return false
    }
    unitOf(task).enabled.remove(task)
    return true
  }

  #done(task: Task): void {
    if (task.lost) {
      endLost(this.#core, task)
      walk(this.#core)
      return
    }
    if (task.state !== TaskState.execute) {
      this.#core.reportMisuse('done()', task)
      return
    }
    unitOf(task).enabled.remove(task)
    this.#core.proceed(task, TaskState.finish)
    walk(this.#core)
  }

  responseSent(task: Task): void {
    if (task.state !== TaskState.respond) {
      this.#core.reportMisuse('responseSent()', task)
      return
    }
    returned(this.#core, task)
    walk(this.#core)
  }

  manage(request: Management): void {
    walkAfter(this.#core, () => manage(this.#core, request))
  }

  /**
   * Ends what is left of the nexuses, waits until no task can touch a store, and closes all devices. Ports are to be
   * stopped before. Rejects with the first device's error when all of them have been tried.
   */
  async close(): Promise<void> {
    for (const { portGroups } of this.#targets) portGroups?.close()
    const nexuses = this.#targets.flatMap(target => [...target.nexuses])
    await Promise.all(nexuses.map(nexus => this.closeNexus(nexus)))
    // Tasks of nexuses that were closed before may still be with their stores.
    await this.#abortAll()
    const results = await Promise.allSettled([...this.#units, this.#absent].map(unit => unit.close()))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }
}

const lunOf = ({ nexusUnit }: Task): number => (nexusUnit as ItlNexus).lun

/** Longest name or alias that any transport tells, in bytes (RFC 7143, 6.1). */
const SPOKEN_BYTES = 255

function checkSpoken(what: string, text: string): void {
  if (!/\p{Cc}/u.test(text) && text.isWellFormed() && Buffer.byteLength(text) <= SPOKEN_BYTES) return
  throw new OperatorError(
    'TARGET_NAME',
    `The ${what} of target ${JSON.stringify(text.slice(0, 64))} cannot be told`,
    {
      hint: `give text of up to ${SPOKEN_BYTES} bytes without control characters`,
    },
  )
}
