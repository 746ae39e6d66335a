// SPDX-License-Identifier: Apache-2.0
// GET LBA STATUS (16) and (32): which blocks the store holds, as its own map tells.
import {
  type Field,
  GET_LBA_STATUS_16,
  GET_LBA_STATUS_32,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  LBA_STATUS_DESCRIPTOR,
  LBA_STATUS_HEADER,
  LbaReportType,
  LbaStatusCompletion,
  ProvisioningStatus,
} from '@lunkit/spec'
import { type Binding, fail, failStore, on, reply, StoreError, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { MAX_LBA_STATUS_DESCRIPTORS, MAX_LBA_STATUS_RUNS } from '../limits.ts'
import { Walk, walk } from '../walk.ts'

/** Blocks of one descriptor. */
const MOST = 0xffff_ffff
const head = LBA_STATUS_HEADER.length
const size = LBA_STATUS_DESCRIPTOR.length

const { mapped, deallocated, anchored } = ProvisioningStatus
/** What each report type lets through (SBC-4, GET LBA STATUS command). No block here is known to be bad. */
const REPORTED: ReadonlyMap<number, readonly number[]> = new Map([
  [LbaReportType.all, [mapped, deallocated, anchored]],
  [LbaReportType.additionalStatus, []],
  [LbaReportType.mapped, [mapped]],
  [LbaReportType.deallocated, [deallocated]],
  [LbaReportType.anchored, [anchored]],
  [LbaReportType.unrecovered, []],
])

/** Asks the store for run after run, and joins those that say the same. */
class StatusWalk extends Walk {
  readonly #allocation: number
  readonly #end: number
  /** What ends the scan at `#end`. */
  readonly #atEnd: number
  readonly #reported: readonly number[]
  readonly #answer: Uint8Array
  readonly #most: number
  #count = 0
  #runs = 0
  /** The run under way: from here to `#at`. */
  #from: number
  #at: number
  #status: number = mapped

  constructor(task: Task, end: number, atEnd: number, reported: readonly number[], allocation: number) {
    super()
    this.#end = end
    this.#atEnd = atEnd
    this.#reported = reported
    this.#allocation = allocation
    this.#from = this.#at = task.lba
    // One at least, whatever of it the initiator takes.
    const fitting = Math.max(Math.floor((allocation - head) / size), 1)
    this.#most = Math.min(fitting, MAX_LBA_STATUS_DESCRIPTORS)
    this.#answer = new Uint8Array(head + this.#most * size)
  }

  next({ io }: Task, disk: Disk): boolean {
    if (this.#at === this.#end || this.#runs === MAX_LBA_STATUS_RUNS) return false
    this.#runs++
    io.offset = this.#at * disk.blockSize
    io.length = (this.#end - this.#at) * disk.blockSize
    io.held = true
    io.anchored = false
    if (disk.thin && disk.store.map !== undefined) disk.store.map(io)
    else io.finish(StoreError.none)
    return true
  }

  took({ io }: Task, { blockSize, anchors }: Disk): boolean {
    // A block that is held in part is mapped.
    const whole = (io.held ? Math.ceil : Math.floor)(io.length / blockSize)
    const unmapped = anchors && io.anchored ? anchored : deallocated
    const status = io.held || whole === 0 ? mapped : unmapped
    if (status !== this.#status && !this.#put()) return false
    this.#status = status
    this.#at = Math.min(this.#at + Math.max(whole, 1), this.#end)
    return true
  }

  end(task: Task, disk: Disk) {
    if (task.io.error !== StoreError.none) return failStore(task, disk.blockSize, false)
    const room = this.#put()
    const completion = !room
      ? LbaStatusCompletion.allocation
      : this.#at === this.#end
        ? this.#atEnd
        : LbaStatusCompletion.unsaid
    const length = head + this.#count * size
    LBA_STATUS_HEADER.write({ length: length - 4, completion, rtp: 1 }, this.#answer)
    reply(task, this.#answer.subarray(0, length), this.#allocation)
  }

  /** Describes the run under way, should it be asked for, and begins the next; false if there was no room for it. */
  #put(): boolean {
    if (!this.#reported.includes(this.#status)) this.#from = this.#at
    while (this.#from < this.#at) {
      if (this.#count === this.#most) return false
      const blocks = Math.min(this.#at - this.#from, MOST)
      LBA_STATUS_DESCRIPTOR.write(
        { lba: this.#from, blocks, provisioning: this.#status },
        this.#answer,
        head + this.#count++ * size,
      )
      this.#from += blocks
    }
    return true
  }
}

interface Fields {
  readonly lba: Field<number>
  readonly reportType: Field<number>
  readonly allocation: Field<number>
}

function status(task: Task, disk: Disk, fields: Fields, scanLength: number) {
  if (task.lba >= disk.blocks) return fail(task, LBA_OUT_OF_RANGE, fields.lba)
  const reported = REPORTED.get(fields.reportType.get(task.cdb, 0))
  if (reported === undefined) return fail(task, INVALID_FIELD_IN_CDB, fields.reportType)
  const left = disk.blocks - task.lba
  const scanned = scanLength > 0 && scanLength < left
  const end = scanned ? task.lba + scanLength : disk.blocks
  const atEnd = scanned ? LbaStatusCompletion.scanLength : LbaStatusCompletion.capacity
  walk(task, disk, new StatusWalk(task, end, atEnd, reported, fields.allocation.get(task.cdb, 0)))
}

const fields32 = GET_LBA_STATUS_32.cdb.field

export const lbaStatuses: readonly Binding[] = [
  on(GET_LBA_STATUS_16, (task: Task, disk: Disk) => status(task, disk, GET_LBA_STATUS_16.cdb.field, 0)),
  on(
    GET_LBA_STATUS_32,
    (task: Task, disk: Disk) => status(task, disk, fields32, fields32.scanLength.get(task.cdb, 0)),
    // There are no elements to tell apart.
    { refuses: ['elementId'] },
  ),
]
