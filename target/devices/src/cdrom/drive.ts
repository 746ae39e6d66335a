// SPDX-License-Identifier: Apache-2.0
// One opened CD drive: a tray, the disc in it and those beside it, and the state that commands share.
import {
  FEATURE_CHANGE,
  MEDIUM_NOT_PRESENT_TRAY_CLOSED,
  MEDIUM_NOT_PRESENT_TRAY_OPEN,
  MediaEvent,
  ModeCode,
  NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED,
  SEND_DIAGNOSTIC,
  type SenseCode,
  VersionDescriptor,
} from '@lunkit/spec'
import {
  type BackingStore,
  type Device,
  type DeviceType,
  defaultPolicies,
  type LogicalUnit,
  type MediumDrive,
  type Nexus,
  type Occupation,
  StoreError,
  type StoreEvent,
  succeed,
  type Task,
} from '@lunkit/target-api'
import { Buffers } from '../primary/buffers.ts'
import { InformationalExceptions } from '../primary/informational-exceptions.ts'
import type { LogBases } from '../primary/log-page.ts'
import { ModePages } from '../primary/mode-pages.ts'
import { takePolicies } from '../primary/mode-policies.ts'
import { loadModes } from '../primary/mode-record.ts'
import type { PrimaryDevice } from '../primary/primary-device.ts'
import { MAX_TRANSFER } from '../primary/read-blocks.ts'
import { SelfTestResult, SelfTests } from '../primary/self-test.ts'
import { UnitNotes } from '../primary/unit-notes.ts'
import { type Disc, discOf, SECTOR } from './disc.ts'
import { Events } from './events.ts'
import { driveLogPages } from './log-pages.ts'
import { driveModePages } from './mode-pages.ts'
import { driveVpdPages } from './vpd.ts'

export class Drive implements Device, PrimaryDevice, MediumDrive {
  readonly type: DeviceType
  readonly blockSize = SECTOR
  blocks = 0
  readonly removable = true
  readonly names = { product: 'VIRTUAL-CDROM' }
  readonly hasProtection = false
  readonly writable = false
  readonly maxTransfer = MAX_TRANSFER
  readonly versions = [
    VersionDescriptor.sam5,
    VersionDescriptor.spc4,
    VersionDescriptor.mmc6,
    VersionDescriptor.iscsi,
  ]
  readonly vpdPages = driveVpdPages
  readonly modePages: ModePages
  /** It starts the disc by itself when it is needed: there is no condition that anybody could notice. */
  readonly power = null
  readonly exceptions = new InformationalExceptions()
  readonly notes = new UnitNotes()
  readonly logPages = driveLogPages
  readonly logBases: LogBases = new Map()
  cycles = 0
  readonly selfTests: SelfTests
  readonly buffers = new Buffers()
  readonly policies = defaultPolicies()
  readonly media = new Events()
  readonly operations = new Events()
  unit: LogicalUnit = null as unknown as LogicalUnit
  notReady: SenseCode | null = null
  occupied: Occupation | null = null
  /** The disc that commands reach: in the tray, and the tray is closed. */
  disc: Disc | null = null
  trayOpen = false
  /** An operator has the tray. */
  held = false
  #tray: Disc | null
  /** Discs beside the drive, the next one first. */
  readonly #queue: Disc[] = []
  readonly #opened = performance.now()

  /** Throws OperatorError if the store is no disc. */
  constructor(type: DeviceType, store: BackingStore | null) {
    this.type = type
    this.#tray = store === null ? null : this.#take(store)
    this.#settle()
    this.selfTests = new SelfTests(this)
    this.modePages = new ModePages(driveModePages, this)
    this.#takeModes()
  }

  get drive(): MediumDrive {
    return this
  }

  get loaded(): boolean {
    return this.disc !== null
  }

  get store(): BackingStore | undefined {
    return this.disc?.store
  }

  attach(unit: LogicalUnit): void {
    this.unit = unit
    this.exceptions.attach(unit)
    loadModes(this.modePages, unit)
    this.#takeModes()
    this.notes.attach(unit)
  }

  abort(task: Task) {
    if (task.binding.command === SEND_DIAGNOSTIC) return this.selfTests.abort(SelfTestResult.abortedOtherwise)
    // The tray may have been opened meanwhile; the disc is still in it.
    this.#tray?.store.abort?.(task.io)
  }

  /** Mode pages to their saved values; the tray stays as it is. */
  reset(): void {
    this.modePages.reset()
    this.#takeModes()
    this.exceptions.clear()
    this.selfTests.abort(SelfTestResult.abortedOtherwise)
    this.buffers.clear()
  }

  nexusLost(nexus: Nexus): void {
    this.buffers.nexusLost(nexus)
    this.media.forget(nexus)
    this.operations.forget(nexus)
    for (const { store } of this.#discs()) store.nexusLost?.(nexus)
  }

  /** Rejects with the first error of its discs when all of them are closed. */
  async close(): Promise<void> {
    this.exceptions.stop()
    await this.selfTests.stop()
    const results = await Promise.allSettled(this.#discs().map(({ store }) => store.close()))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  #discs(): Disc[] {
    return [...(this.#tray === null ? [] : [this.#tray]), ...this.#queue]
  }

  /** Makes a disc of a store, which may tell of itself from then on. Throws OperatorError. */
  #take(store: BackingStore): Disc {
    const disc = discOf(store)
    store.watch?.((event, reason) => this.#told(disc, event, reason))
    return disc
  }

  /** A store that was away, or has another size, is another disc to whoever knew it. */
  #told(disc: Disc, event: StoreEvent, reason = ''): void {
    if (reason !== '') this.unit.warn(reason)
    if (event === 'away') return
    try {
      Object.assign(disc, discOf(disc.store))
    } catch (error) {
      // What is behind the new end cannot be read; the rest still can.
      this.unit.warn(String(error))
    }
    if (disc === this.disc) this.#arrived(null)
  }

  /** The image has another size: another disc. Throws OperatorError if it is none any more; what is behind its end cannot be read then. */
  resized(): boolean {
    const { disc } = this
    if (disc === null) return false
    const { sectors } = disc
    Object.assign(disc, discOf(disc.store))
    if (disc.sectors === sectors) return false
    this.#arrived(null)
    return true
  }

  // ---- the tray ----

  openTray(): void {
    if (this.trayOpen) return
    this.selfTests.abort(SelfTestResult.abortedOtherwise)
    const gone = this.disc !== null
    this.trayOpen = true
    this.#settle()
    if (!gone) return
    this.cycles++
    this.media.raise(MediaEvent.mediaRemoval)
    this.operations.raise(FEATURE_CHANGE)
  }

  /** With discs beside the drive, the next of them is taken in, and the one in the tray comes last. `by`: who asked. */
  closeTray(by: Nexus): void {
    if (!this.trayOpen) return
    const next = this.#queue.shift()
    if (next !== undefined) {
      if (this.#tray !== null) this.#queue.push(this.#tray)
      this.#tray = next
    }
    this.trayOpen = false
    // Who loads what was in there before needs no warning.
    this.#arrived(next === undefined ? by : null)
  }

  /** An event alone: Linux takes any unit attention of a drive for another disc, and fails reads of the mounted one. */
  requestRemoval(): void {
    this.media.raise(MediaEvent.ejectRequest)
  }

  hold(): void {
    this.held = true
    this.openTray()
  }

  release(): void {
    this.held = false
  }

  async takeOut(): Promise<BackingStore | null> {
    await this.selfTests.stop()
    const disc = this.#tray
    this.#tray = null
    return disc?.store ?? null
  }

  check(store: BackingStore): void {
    discOf(store)
  }

  insert(store: BackingStore): void {
    this.#tray = this.#take(store)
    this.trayOpen = false
    this.#arrived(null)
  }

  stack(store: BackingStore): void {
    this.#queue.push(this.#take(store))
  }

  #arrived(except: Nexus | null): void {
    this.#settle()
    if (this.disc === null) return
    this.media.raise(MediaEvent.newMedia)
    this.operations.raise(FEATURE_CHANGE)
    this.unit.attention(NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED, except)
  }

  #settle(): void {
    this.disc = this.trayOpen ? null : this.#tray
    this.blocks = this.disc?.sectors ?? 0
    if (this.disc !== null) this.notReady = null
    else this.notReady = this.trayOpen ? MEDIUM_NOT_PRESENT_TRAY_OPEN : MEDIUM_NOT_PRESENT_TRAY_CLOSED
  }

  // ---- what the primary commands ask ----

  minutesOn(): number {
    return Math.floor((performance.now() - this.#opened) / 60_000)
  }

  /** MMC-6, mode parameter header: there is no such parameter. */
  modeParameter(): number {
    return 0
  }

  /** MMC-6, mode parameter list: optical drives have none. */
  blockDescriptor(): null {
    return null
  }

  checkBlockDescriptor(): number {
    return 0
  }

  modesSelected(task: Task): void {
    this.#takeModes()
    succeed(task)
  }

  /** Nothing is ever written. */
  flush(task: Task, next: (task: Task) => void): void {
    task.io.error = StoreError.none
    next(task)
  }

  flushInBackground(): void {}

  #takeModes(): void {
    takePolicies(this.policies, this.modePages.get(ModeCode.control))
    this.exceptions.configure(this.modePages.get(ModeCode.exceptions))
  }
}
