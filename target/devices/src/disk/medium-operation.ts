// SPDX-License-Identifier: Apache-2.0
// A format or sanitize operation: passes over the whole medium, in turns, whatever becomes of the command that asked for it.
import type { ProtectionType, SenseCode } from '@lunkit/spec'
import {
  BufferPool,
  fail,
  LARGEST,
  type NexusUnit,
  type Occupation,
  StoreError,
  succeed,
  Task,
} from '@lunkit/target-api'
import type { Disk } from './disk.ts'
import type { GuardedStore } from './protection/guarded-store.ts'
import { BLANK_TAGS } from './protection/protection.ts'
import { Walk, walk } from './walk.ts'

/** Bytes of a request that moves none: short enough to tell the progress and to stop soon. */
const BARE_PIECE = 64 * 1024 * 1024
/** What PROGRESS INDICATION is a fraction of. */
const WHOLE = 65_536

/** One pass: a block that is written all over the medium, or null for what the store does by itself. */
export interface Pass {
  readonly block: Buffer | null
  /** Without a block: the medium is given back to the store, which reads zeros then. Else zeros are asked for. */
  readonly discards: boolean
  /** The pass is over the tags: they are blanked, and the medium is formatted with this from then on. */
  readonly protection?: ProtectionType
}

/** Makes the protection type what FORMAT UNIT asks for; before the other passes, which leave the new tags blank. */
export const tagsPass = (protection: ProtectionType): Pass => ({ block: null, discards: false, protection })

export interface Plan {
  readonly passes: readonly Pass[]
  /** What commands end with meanwhile, and after it failed. */
  readonly underWay: SenseCode
  readonly failure: SenseCode
  /** EXIT FAILURE MODE takes a failure for granted (AUSE). */
  readonly mayExit: boolean
}

/** The medium holds neither what it held nor what it was to hold. */
export interface FailedOperation extends Occupation {
  readonly failed: true
  readonly mayExit: boolean
}

/** Cheapest way to a medium of zeros. */
export function zeroPass({ store, unmappedReadsZero, blockSize }: Disk): Pass {
  if (unmappedReadsZero) return { block: null, discards: true }
  if (store.writesZeroes === 'native' && store.writeZeroes !== undefined)
    return { block: null, discards: false }
  return { block: Buffer.alloc(blockSize), discards: false }
}

/** The unit is occupied by it from `start` on until it has ended well, or for as long as its failure is not mended. */
export class MediumOperation extends Walk implements Occupation {
  readonly code: SenseCode
  readonly failed = false
  readonly #disk: Disk
  readonly #plan: Plan
  readonly #size: number
  /** Carries the store requests; it never meets the engine. */
  readonly #carrier: Task
  readonly #buffer: Buffer | null
  #pass = 0
  #done = 0
  #piece = 0
  #flushed = false
  /** The command that waits for the end, if any. */
  #waiter: Task | null
  #stopped: (() => void) | null = null

  private constructor(disk: Disk, plan: Plan, { nexus }: Task, waiter: Task | null) {
    super()
    this.code = plan.underWay
    this.#disk = disk
    this.#plan = plan
    this.#size = disk.blocks * disk.blockSize
    this.#waiter = waiter
    const writes = plan.passes.some(({ block }) => block !== null)
    this.#buffer = writes ? Buffer.alloc(Math.min(this.#size, LARGEST)) : null
    const nobody = (): void => {}
    this.#carrier = new Task(new BufferPool(0), nobody, () => this.#ended(StoreError.internal))
    // What walks and stores ask of a task: the way to its disk, and whose it is.
    this.#carrier.nexus = nexus
    this.#carrier.nexusUnit = { unit: disk.unit, nexus } as NexusUnit
    // SBC-4: neither format nor sanitize operations leave blocks that are checked.
    if (disk.protection !== null) this.#carrier.protection = BLANK_TAGS
    this.#fill()
  }

  /** `task` asks for it, and ends when it does if it `waits`. */
  static start(disk: Disk, plan: Plan, task: Task, waits: boolean): void {
    const operation = new MediumOperation(disk, plan, task, waits ? task : null)
    disk.occupied = operation
    walk(operation.#carrier, disk, operation)
  }

  get progress(): number {
    const passes = Math.max(this.#plan.passes.length, 1)
    const share = (this.#pass + this.#done / this.#size) / passes
    return Math.min(Math.floor(share * WHOLE), WHOLE - 1)
  }

  /** Lets go of an aborted command that waits: the operation goes on (SBC-4). True if it was its. */
  abandon(task: Task): boolean {
    if (this.#waiter !== task) return false
    this.#waiter = null
    fail(task, this.#plan.failure)
    return true
  }

  /** Ends it before its time, and resolves when nothing of it is with the store. */
  stop(): Promise<void> {
    return new Promise(resolve => {
      this.#stopped = resolve
      this.#carrier.aborted = true
    })
  }

  next({ io }: Task, { store }: Disk): boolean {
    if (this.#flushed) return false
    const pass = this.#plan.passes[this.#pass]
    if (pass === undefined) {
      store.flush(io)
      return true
    }
    const left = this.#size - this.#done
    this.#piece = Math.min(left, pass.block === null ? BARE_PIECE : this.#buffer!.length)
    io.offset = this.#done
    io.length = this.#piece
    io.forceUnitAccess = false
    io.segments.length = 0
    if (pass.block !== null) {
      io.segments.push(this.#buffer!.subarray(0, this.#piece))
      store.write(io)
    } else if (pass.protection !== undefined) (store as GuardedStore).format(io, pass.protection)
    else if (pass.discards) store.discard!(io)
    else store.writeZeroes!(io)
    return true
  }

  took(): boolean {
    if (this.#pass === this.#plan.passes.length) this.#flushed = true
    else {
      this.#done += this.#piece
      if (this.#done < this.#size) return true
      this.#pass++
      this.#done = 0
      this.#fill()
    }
    return true
  }

  end({ io }: Task): void {
    this.#ended(io.error)
  }

  #fill(): void {
    const block = this.#plan.passes[this.#pass]?.block ?? null
    if (block !== null) this.#buffer!.fill(block)
  }

  #ended(error: StoreError): void {
    const { failure, mayExit } = this.#plan
    const waiter = this.#waiter
    this.#waiter = null
    const failed: FailedOperation = { code: failure, progress: -1, failed: true, mayExit }
    this.#disk.occupied = error === StoreError.none ? null : failed
    this.#stopped?.()
    if (waiter === null) return
    if (error === StoreError.none) succeed(waiter)
    else fail(waiter, failure)
  }
}
