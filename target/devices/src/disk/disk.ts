// SPDX-License-Identifier: Apache-2.0
// One opened disk: the store's bytes as blocks, and the state that commands share.
import {
  CACHING,
  CAPACITY_DATA_HAS_CHANGED,
  CONTROL,
  DEVICE_INTERNAL_RESET,
  LONG_BLOCK_DESCRIPTOR,
  MEDIUM_NOT_PRESENT,
  ModeCode,
  SEND_DIAGNOSTIC,
  type SenseCode,
  SHORT_BLOCK_DESCRIPTOR,
  VersionDescriptor,
} from '@lunkit/spec'
import {
  type BackingStore,
  type Device,
  type DeviceType,
  defaultPolicies,
  failStore,
  type LogicalUnit,
  type Nexus,
  type Occupation,
  OperatorError,
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
import { PowerConditions } from '../primary/power-conditions.ts'
import type { PrimaryDevice } from '../primary/primary-device.ts'
import { MAX_TRANSFER } from '../primary/read-blocks.ts'
import { SelfTestResult, SelfTests } from '../primary/self-test.ts'
import { UnitNotes } from '../primary/unit-notes.ts'
import { BackgroundFlush } from './background-flush.ts'
import { CopyResults } from './copy/copy-results.ts'
import { TokenOperations } from './copy/token-operations.ts'
import { TokenTable } from './copy/tokens.ts'
import { MAX_PROTECTED_TRANSFER } from './limits.ts'
import { diskLogPages } from './log-pages.ts'
import { MediumOperation } from './medium-operation.ts'
import { diskModePages } from './mode-pages.ts'
import type { Protection } from './protection/protection.ts'
import { ProvisioningThresholds } from './provisioning-thresholds.ts'
import { diskVpdPages } from './vpd.ts'
import { Turns, Walk } from './walk.ts'

/** What a short block descriptor says where the number of blocks does not fit. */
const BEYOND = 0xffff_ffff

const VERSIONS = [
  VersionDescriptor.sam5,
  VersionDescriptor.spc4,
  VersionDescriptor.sbc3,
  VersionDescriptor.sbc4,
  VersionDescriptor.iscsi,
] as const

/** What a disk is opened with, checked. Sizes in bytes. */
export interface DiskOptions {
  readonly block: number
  readonly physical: number
  readonly readonly: boolean
  readonly removable: boolean
  /** Write cache on at first; counts only where the store has a volatile cache. */
  readonly writeCache: boolean
  /** Turns a minute, 1 for none, 0 for not said. */
  readonly rotation: number
}

/** Whether the store takes blocks back. */
export const canUnmap = (store: BackingStore): boolean =>
  store.discards !== 'none' && store.discard !== undefined

/** Whether blocks that it takes back read as zeros, so that what they held is gone. */
export const readsZeros = (store: BackingStore): boolean =>
  canUnmap(store) && store.discardedReadsZero === true

/** Whether it tells, too, that they are unmapped, as they are to be behind a BLOCK ERASE. */
export const canErase = (store: BackingStore): boolean => readsZeros(store) && store.map !== undefined

/** Whether they are gone for whoever holds the medium, too: as good as a key that was thrown away. */
export const canDestroy = (store: BackingStore): boolean =>
  readsZeros(store) && store.discardDestroys === true

export class Disk implements Device, PrimaryDevice {
  readonly type: DeviceType
  readonly store: BackingStore
  readonly blockSize: number
  blocks: number
  readonly physicalBlock: number
  readonly removable: boolean
  readonly rotation: number
  readonly maxTransfer: number
  readonly versions = VERSIONS
  readonly vpdPages = diskVpdPages
  readonly modePages: ModePages
  readonly power: PowerConditions | null
  readonly exceptions = new InformationalExceptions()
  readonly notes = new UnitNotes()
  readonly thresholds: ProvisioningThresholds
  readonly logPages = diskLogPages
  readonly logBases: LogBases = new Map()
  cycles = 0
  readonly selfTests: SelfTests
  readonly buffers = new Buffers()
  readonly #opened = performance.now()
  readonly turns = new Turns()
  /** Third-party copies that this unit manages. */
  readonly copies = new CopyResults()
  /** Blocks of the longest atomic write; 0 where the store promises none. */
  readonly maxAtomic: number
  readonly tokens = new TokenTable(() => this.unit)
  readonly tokenOperations = new TokenOperations()
  /** Blocks can be given back to the store: UNMAP, and logical block provisioning in general. */
  readonly thin: boolean
  /** Unmapped blocks read as zeros (LBPRZ). */
  readonly unmappedReadsZero: boolean
  /** Room can be kept for unmapped blocks (ANC_SUP). */
  readonly anchors: boolean
  /** Bytes that an UNMAP has to span for room to be given back; a multiple of the physical block. */
  readonly unmapGranularity: number
  readonly initialWriteCache: boolean
  /** Protection information: of all but few disks null. */
  readonly protection: Protection | null
  readonly #readonly: boolean
  readonly #background: BackgroundFlush
  unit: LogicalUnit = null as unknown as LogicalUnit
  notReady: SenseCode | null = null
  occupied: Occupation | null = null
  /** Every write has to be durable before its answer: the write cache is off, or there is none. */
  writeThrough = true
  readonly policies = defaultPolicies()
  writable = false

  /** `protection`: what `store` guards its blocks with, or null for a disk that has no tags. */
  constructor(
    type: DeviceType,
    store: BackingStore,
    options: DiskOptions,
    protection: Protection | null = null,
  ) {
    this.protection = protection
    this.type = type
    this.store = store
    this.blockSize = options.block
    this.blocks = store.size / options.block
    this.physicalBlock = options.physical
    this.removable = options.removable
    this.rotation = options.rotation
    this.thin = canUnmap(store)
    this.unmappedReadsZero = readsZeros(store)
    this.anchors = this.unmappedReadsZero && store.anchor !== undefined
    this.unmapGranularity = Math.max(store.discardGranularity ?? store.preferredBlock, options.physical)
    this.maxTransfer = protection === null ? MAX_TRANSFER : MAX_PROTECTED_TRANSFER
    this.maxAtomic = Math.floor(Math.min(store.atomicWrite ?? 0, this.maxTransfer) / options.block)
    this.initialWriteCache = store.volatileCache && options.writeCache
    this.#readonly = options.readonly || !store.canWrite
    this.#background = new BackgroundFlush(store)
    // A drive whose medium can be taken out starts and stops it by itself.
    this.power = options.removable
      ? null
      : new PowerConditions(
          () => this.notReady !== null,
          () => this.flushInBackground(),
        )
    this.thresholds = new ProvisioningThresholds(this)
    this.selfTests = new SelfTests(this)
    this.modePages = new ModePages(diskModePages, this)
    this.#takeModes()
  }

  get hasProtection(): boolean {
    return this.protection !== null
  }

  attach(unit: LogicalUnit): void {
    this.unit = unit
    this.power?.attach(unit)
    this.exceptions.attach(unit)
    this.thresholds.attach(unit)
    loadModes(this.modePages, unit)
    this.#takeModes()
    this.notes.attach(unit)
    this.store.watch?.((event, reason) => this.#told(event, reason))
  }

  abort(task: Task) {
    if (this.copies.cancel(task) || this.tokenOperations.cancelOf(task)) return
    if (this.occupied instanceof MediumOperation && this.occupied.abandon(task)) return
    if (task.binding.command === SEND_DIAGNOSTIC) return this.selfTests.abort(SelfTestResult.abortedOtherwise)
    // Only what the store has can be hurried there; the rest sees `aborted` when its turn comes.
    const waits = task.deviceData instanceof Walk && task.deviceData.paused
    if (!waits) this.store.abort?.(task.io)
  }

  /** Mode pages to their saved values, a stopped unit started; a medium that was ejected stays out. */
  reset(): void {
    this.copies.reset()
    this.tokenOperations.reset()
    this.modePages.reset()
    this.exceptions.clear()
    this.selfTests.abort(SelfTestResult.abortedOtherwise)
    this.buffers.clear()
    if (this.#switchOff()) this.flushInBackground()
    this.power?.activate()
    if (this.notReady !== MEDIUM_NOT_PRESENT) this.notReady = null
  }

  nexusLost(nexus: Nexus): void {
    this.copies.nexusLost(nexus)
    this.tokenOperations.nexusLost(nexus)
    this.buffers.nexusLost(nexus)
    this.store.nexusLost?.(nexus)
  }

  /** Rejects with OperatorError if writes that were called good could not be made durable. */
  async close(): Promise<void> {
    this.power?.stop()
    this.exceptions.stop()
    this.thresholds.stop()
    await this.thresholds.idle()
    if (this.occupied instanceof MediumOperation) await this.occupied.stop()
    await this.selfTests.stop()
    if (this.store.canWrite) this.#background.start()
    await this.#background.idle()
    const lost = this.#background.takeError() !== StoreError.none
    const { identity } = this.store
    await this.store.close()
    if (!lost) return
    throw new OperatorError('STORE_FLUSH', `Disk: ${identity || 'its store'} did not keep the last writes`, {
      hint: 'check the storage, and what was written since the last flush that went well',
    })
  }

  /** What is behind the last whole block is nobody's. Throws OperatorError if nothing would be left. */
  resized(bytes: number): boolean {
    const blocks = Math.floor(bytes / this.blockSize)
    if (blocks < 1) {
      throw new OperatorError(
        'STORE_EMPTY',
        `Disk: ${this.store.identity || 'its store'} has no block left`,
        {
          hint: `it needs ${this.blockSize} bytes at least`,
        },
      )
    }
    if (blocks === this.blocks) return false
    this.blocks = blocks
    this.modePages.refresh()
    this.unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
    return true
  }

  /** What its store tells unasked is news for all initiators. */
  #told(event: StoreEvent, reason = ''): void {
    if (reason !== '') this.unit.warn(reason)
    if (event === 'returned') this.unit.attention(DEVICE_INTERNAL_RESET, null)
    try {
      if (event === 'resized') this.resized(this.store.size)
    } catch (error) {
      this.unit.warn(String(error))
    }
  }

  /** Milliseconds since it was opened. */
  age(): number {
    return performance.now() - this.#opened
  }

  minutesOn(): number {
    return Math.floor(this.age() / 60_000)
  }

  /** WP and DPOFUA (SBC-4, mode parameter header for direct access block devices). */
  modeParameter(readonly: boolean): number {
    return (this.writable && !readonly ? 0 : 0x80) | 0x10
  }

  blockDescriptor(long: boolean): Uint8Array {
    const blocks = this.notReady === MEDIUM_NOT_PRESENT ? 0 : this.blocks
    const blockLength = this.blockSize
    if (long) return LONG_BLOCK_DESCRIPTOR.write({ blocks, blockLength })
    return SHORT_BLOCK_DESCRIPTOR.write({ blocks: Math.min(blocks, BEYOND), blockLength })
  }

  /** Neither the number of blocks nor their size can be set: zero and the present values are taken. */
  checkBlockDescriptor(bytes: Uint8Array, long: boolean): number {
    const { blocks, blockLength } = (long ? LONG_BLOCK_DESCRIPTOR : SHORT_BLOCK_DESCRIPTOR).field
    const count = blocks.get(bytes, 0)
    if (count !== 0 && count !== blocks.get(this.blockDescriptor(long), 0)) return blocks.byte
    return blockLength.get(bytes, 0) === this.blockSize ? -1 : blockLength.byte
  }

  modesSelected(task: Task): void {
    if (!this.#switchOff()) succeed(task)
    // The engine let it begin when all writes before it had ended: what they left in the cache is flushed.
    else this.flush(task, flushed)
  }

  flush(task: Task, next: (task: Task) => void) {
    const { io } = task
    io.error = this.#background.takeError()
    if (io.error !== StoreError.none || !this.store.canWrite) return next(task)
    io.onFinish = next
    this.store.flush(io)
  }

  flushInBackground(): void {
    if (this.store.canWrite) this.#background.start()
  }

  /** Takes the modes over; whether they switched the cache off, so that what it holds has to become durable. */
  #switchOff(): boolean {
    const cached = !this.writeThrough
    this.#takeModes()
    return cached && this.writeThrough
  }

  #takeModes(): void {
    const caching = this.modePages.get(ModeCode.caching)
    const control = this.modePages.get(ModeCode.control)
    this.writeThrough = CACHING.field.wce.get(caching, 0) === 0
    takePolicies(this.policies, control)
    this.power?.configure(this.modePages.get(ModeCode.powerCondition))
    this.exceptions.configure(this.modePages.get(ModeCode.exceptions))
    this.thresholds.configure(this.modePages)
    this.writable = !this.#readonly && CONTROL.field.swp.get(control, 0) === 0
    this.protection?.takeModes(control)
  }
}

function flushed(task: Task): void {
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error === StoreError.none) succeed(task)
  else failStore(task, disk.blockSize, true)
}
