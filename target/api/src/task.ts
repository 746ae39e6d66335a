// SPDX-License-Identifier: Apache-2.0
// The task: one SCSI command from arrival to answer, pooled, with fixed fields.

import { LONGEST_SENSE_DATA, type SenseCode, type SenseExtra } from '@lunkit/spec'
import { type BufferPool, LARGEST, type PooledBuffer } from './buffer-pool.ts'
import type { Binding } from './device.ts'
import type { InnerCall } from './inner-commands.ts'
import type { Lease } from './lease.ts'
import type { Nexus, NexusUnit } from './nexus.ts'
import { empty } from './reused-list.ts'
import { StoreIo } from './store-io.ts'

/** Where a task is; the name says what happens next. The waits and `execute` end by a call from outside. */
export const TaskState = Object.freeze({
  free: 0,
  decode: 1,
  waitOrder: 2,
  waitMemory: 3,
  waitData: 4,
  execute: 5,
  respond: 6,
  admit: 7,
  fetch: 8,
  run: 9,
  finish: 10,
  /** Held up by an auto contingent allegiance. */
  waitAca: 11,
  /** Its initiator has been answered for, its device has not ended it. */
  lost: 12,
} as const)
export type TaskState = (typeof TaskState)[keyof typeof TaskState]

export const LONGEST_CDB = 32
export const LONGEST_SENSE = LONGEST_SENSE_DATA

/**
 * One SCSI command. OWNER: the driver until `submit()`, then the engine; the driver for the data between
 * `fetchData()` and `dataArrived()`; the device while the state is execute; the driver again between
 * `sendResponse()` or `abandon()` and `responseSent()`. Only the owner writes.
 */
export class Task {
  // Filled by the driver before submit().
  nexus: Nexus = null as unknown as Nexus
  /** Decoded logical unit number, or -1 if its addressing is not supported. */
  lun = 0
  /** The initiator's task tag. */
  tag = 0
  /** spec TaskAttribute. */
  attribute = 0
  readonly cdb: Buffer = Buffer.alloc(LONGEST_CDB)
  /** Bytes the initiator will take, and will give (iSCSI: expected data transfer length). */
  expectedIn = 0
  expectedOut = 0

  // Filled by the engine.
  state: TaskState = TaskState.free
  aborted = false
  /** Aborted for another nexus's sake, and its initiator is told: TASK ABORTED. */
  told = false
  /** The time for its end is over: the driver lets go of it before the device does. */
  lost = false
  /** Where an auto contingent allegiance holds it up. */
  suspendedIn: TaskState = TaskState.free
  /** The I_T_L nexus: LUN as this initiator sees it. */
  nexusUnit: NexusUnit = null as unknown as NexusUnit
  binding: Binding = null as unknown as Binding
  lba = 0
  blocks = 0
  /** Data-out bytes that the command needs; the driver brings min(outLength, expectedOut). */
  outLength = 0
  /** Data-in bytes that the command has; the driver sends min(inLength, expectedIn) and counts the residual. */
  inLength = 0
  /** When it was decoded, by performance.now(); -1 where its time is not taken, 0 where the unit's counters leave it out. */
  began = 0
  /** Bytes charged to the memory budget. */
  charged = 0
  /** Set for a command that a device sends itself. */
  inner: InnerCall | null = null
  /** How it stands in the unit's task set: the engine's own numbers, 0 outside. */
  order = 0
  /** End of the blocks that it has to itself or shares, by LBA; they begin at `lba`. */
  rangeEnd = 0
  /** Counts those that went ahead of the others. */
  entered = 0
  /** Its neighbours in the task set, what it waits for there, and the first and last of those that wait for it. */
  older: Task | null = null
  younger: Task | null = null
  blocker: Task | null = null
  firstWaiter: Task | null = null
  lastWaiter: Task | null = null

  // Data: received slices (out), or filled buffers (in). Never joined.
  readonly segments: Buffer[] = []
  /** Data-out bytes in `segments`. */
  received = 0
  /** The pool's buffers behind `segments`, for data-in that came from `reserve()`; else empty. */
  readonly pooled: PooledBuffer[] = []
  /** What holds the memory of received slices, until the task is done with; of a driver that lends it. */
  readonly leases: Lease[] = []

  // Answer. Status other than CHECK CONDITION has no sense.
  status = 0
  senseCode: SenseCode | null = null
  /** Offset of the failing bit in CDB or parameter list, or -1 (T10 field pointer). */
  fieldByte = -1
  fieldBit = -1
  fieldInCdb = false
  /** INFORMATION of the sense data, or -1. */
  information = -1
  /** COMMAND-SPECIFIC INFORMATION of the sense data, or -1. */
  commandSpecific = -1
  /** PROGRESS INDICATION of the sense data, or -1. */
  progress = -1
  /** What else the sense data say (filemark, end of medium, incorrect length …); it comes before the fields above. */
  senseExtra: SenseExtra | null = null
  /** Sense bytes, written by the engine just before sendResponse(), unless a device has them from somebody else (`relay`). */
  readonly sense: Buffer = Buffer.alloc(LONGEST_SENSE)
  senseLength = 0

  // Room for the neighbours, so that nobody needs a Map beside the task.
  driverData: unknown = null
  deviceData: unknown = null
  /** What the device keeps of the protection information of the command's blocks, beside `deviceData`. */
  protection: unknown = null
  next: Task | null = null
  previous: Task | null = null
  readonly io: StoreIo = new StoreIo(this)
  /** Where the device's answer goes: set by the engine. */
  readonly #done: (task: Task) => void
  readonly #fault: (task: Task, cause: unknown) => void
  readonly #pool: BufferPool

  constructor(
    pool: BufferPool,
    done: (task: Task) => void,
    fault: (task: Task, cause: unknown) => void = rethrow,
  ) {
    this.#pool = pool
    this.#done = done
    this.#fault = fault
  }

  /** The device's one answer: status and data are set. Use `succeed`, `reply` or `fail`. */
  done(): void {
    this.#done(this)
  }

  /** What handled the store's answer threw: the engine ends the task, unless it has ended already. */
  fault(cause: unknown): void {
    this.#fault(this, cause)
  }

  /** Makes `segments` pooled buffers of `length` bytes in all, to be filled completely before done(). */
  reserve(length: number): void {
    for (let left = length; left > 0; ) {
      const part = Math.min(left, LARGEST)
      const buffer = this.#pool.take(part)
      this.pooled.push(buffer)
      this.segments.push(buffer.first(part))
      left -= part
    }
  }

  /** Gives back what `reserve` took and drops all slices. Memory of received ones stays as it is until `reset`. */
  releaseData(): void {
    for (let i = 0; i < this.pooled.length; i++) this.#pool.give(this.pooled[i]!)
    empty(this.pooled)
    empty(this.segments)
    this.received = 0
  }

  /** Somebody may still be at the data: neither its buffers nor its memory are used again. */
  forfeitData(): void {
    empty(this.pooled)
    for (let i = 0; i < this.leases.length; i++) this.leases[i]!.abandon()
    empty(this.leases)
    this.releaseData()
  }

  /** Back to the state of a new task; called by the engine only. */
  reset(): void {
    this.releaseData()
    for (let i = 0; i < this.leases.length; i++) this.leases[i]!.giveBack()
    empty(this.leases)
    this.nexus = null as unknown as Nexus
    this.state = TaskState.free
    this.aborted = false
    this.told = false
    this.lost = false
    this.nexusUnit = null as unknown as NexusUnit
    this.binding = null as unknown as Binding
    this.attribute = 0
    this.lba = 0
    this.blocks = 0
    this.expectedIn = 0
    this.expectedOut = 0
    this.outLength = 0
    this.inLength = 0
    this.began = 0
    this.charged = 0
    this.inner = null
    this.order = 0
    this.status = 0
    this.senseCode = null
    this.fieldByte = -1
    this.fieldBit = -1
    this.fieldInCdb = false
    this.information = -1
    this.commandSpecific = -1
    this.progress = -1
    this.senseExtra = null
    this.senseLength = 0
    this.driverData = null
    this.deviceData = null
    this.protection = null
    empty(this.io.segments)
    this.io.failedAt = -1
    this.io.reason = ''
    this.io.sense = null
    this.io.senseExtra = null
    this.io.storeData = null
  }
}

function rethrow(_task: Task, cause: unknown): never {
  throw cause
}
