// SPDX-License-Identifier: Apache-2.0
// One request to a guarded store: its part for the tags, its part for the data, and the check between them.
import { type BackingStore, BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'
import { CHECK_FAILED, COMPARE_FAILED, Field } from './checks.ts'
import type { CommandTags, Protection } from './protection.ts'
import type { Held, RangeLock } from './range-lock.ts'
import { TAGS_AT } from './tag-store.ts'
import { findDifference, findWrong, invert, makeGuards, makeTags, TAG_LENGTH, type WrongTag } from './tags.ts'

export interface Stores {
  readonly data: BackingStore
  readonly tags: BackingStore
  readonly protection: Protection
  readonly lock: RangeLock
  /** Takes the request back for the next one. */
  done(request: GuardedRequest): void
}

/** `blank`: the tags alone. */
export type Call = 'read' | 'write' | 'discard' | 'anchor' | 'writeZeroes' | 'blank'

/** Zeros, which are the escape value on the store, where it cannot write them by itself. */
const BLANK = Buffer.alloc(64 * 1024)
const ALL_CHECKS = Field.guard | Field.application | Field.reference
const NO_TAGS = Buffer.alloc(0)

export class GuardedRequest implements Held {
  start = 0
  end = 0
  writes = false
  readonly #stores: Stores
  /** Only there to carry the request for the tags; it never meets the engine. */
  readonly #tagIo: StoreIo
  #io: StoreIo = null as unknown as StoreIo
  #call: Call = 'read'
  #onFinish: (task: Task) => void = nothing
  /** The caller's slices: a store may do with those in `io` as it likes. */
  #segments: readonly Buffer[] = []
  #offset = 0
  #tags: Buffer = NO_TAGS
  /** Bytes of tags that have been blanked. */
  #done = 0
  #busy = false

  constructor(stores: Stores) {
    this.#stores = stores
    const carrier = new Task(
      new BufferPool(0),
      () => {},
      (_task, cause) => this.#threw(cause),
    )
    this.#tagIo = carrier.io
  }

  begin(io: StoreIo, call: Call): void {
    const { protection, lock } = this.#stores
    this.#io = io
    this.#call = call
    this.writes = call !== 'read'
    this.start = io.offset / protection.blockSize
    this.end = (io.offset + io.length) / protection.blockSize
    this.#onFinish = io.onFinish
    this.#segments = io.segments.slice()
    this.#offset = io.offset
    io.onFinish = this.#dataDone
    this.#done = 0
    this.#busy = true
    // So that `abort` sees that the data's store does not have it.
    io.storeData = this
    lock.enter(this)
  }

  go(): void {
    try {
      if (this.#call === 'read') this.#readTags()
      else if (this.#makesTags()) this.#writeTags()
      else this.#blank()
    } catch (cause) {
      this.#threw(cause)
    }
  }

  get #command(): CommandTags | null {
    return this.#io.task.protection as CommandTags | null
  }

  #readTags(): void {
    const io = this.#prepare(this.#dataTurn)
    this.#tags = Buffer.allocUnsafe((this.end - this.start) * TAG_LENGTH)
    io.offset = TAGS_AT + this.start * TAG_LENGTH
    io.length = this.#tags.length
    io.segments.push(this.#tags)
    this.#stores.tags.read(io)
  }

  #makesTags(): boolean {
    if (this.#call === 'write') return true
    return this.#call === 'writeZeroes' && this.#command?.tagsZeros === true
  }

  #writeTags(): void {
    const { protection, tags } = this.#stores
    const command = this.#command
    const first = this.start - this.#io.task.lba
    const made = Buffer.alloc((this.end - this.start) * TAG_LENGTH)
    if (command === null || command.sent === null) {
      const given = command !== null && command.reference >= 0
      const reference = given ? (command.reference + first) >>> 0 : protection.referenceOf(this.start)
      const { writtenApplication } = protection
      if (this.#call === 'write')
        makeTags(made, this.#segments, protection.blockSize, writtenApplication, reference)
      // The guard of zeros is zero, as that of nothing.
      else makeTags(made, [], 0, writtenApplication, reference)
    } else {
      command.sent.copy(first, made)
      if (command.makesGuards) makeGuards(made, this.#segments, protection.blockSize)
    }
    invert(made)
    const io = this.#prepare(this.#dataTurn)
    io.offset = TAGS_AT + this.start * TAG_LENGTH
    io.length = made.length
    io.forceUnitAccess = this.#io.forceUnitAccess
    io.segments.push(made)
    tags.write(io)
  }

  /** The escape value for all blocks: their old tags must not meet what the store makes of their data. */
  #blank(): void {
    const { tags } = this.#stores
    const length = (this.end - this.start) * TAG_LENGTH
    const whole = tags.writesZeroes === 'native' && tags.writeZeroes !== undefined
    const io = this.#prepare(whole ? this.#dataTurn : this.#blanked)
    io.offset = TAGS_AT + this.start * TAG_LENGTH + this.#done
    io.forceUnitAccess = this.#io.forceUnitAccess
    io.length = whole ? length : Math.min(length - this.#done, BLANK.length)
    this.#done += io.length
    if (whole) tags.writeZeroes!(io)
    else {
      io.segments.push(BLANK.subarray(0, io.length))
      tags.write(io)
    }
  }

  readonly #blanked = (): void => {
    const more = this.#done < (this.end - this.start) * TAG_LENGTH
    if (this.#tagIo.error !== StoreError.none || !more) this.#dataTurn()
    // Not inside this call: the store may finish in its own, and the stack would grow.
    else setImmediate(this.#blankMore)
  }

  readonly #blankMore = (): void => {
    try {
      this.#blank()
    } catch (cause) {
      this.#threw(cause)
    }
  }

  #prepare(onFinish: () => void): StoreIo {
    const io = this.#tagIo
    io.error = StoreError.none
    io.failedAt = -1
    io.reason = ''
    io.segments.length = 0
    io.forceUnitAccess = false
    io.onFinish = onFinish
    return io
  }

  /** The tags are done: the data's turn, in the caller's own request. */
  readonly #dataTurn = (): void => {
    const io = this.#io
    const { error, reason } = this.#tagIo
    if (error !== StoreError.none) {
      io.error = error
      io.failedAt = this.#offset
      io.reason = `tags: ${reason}`
      this.#dataDone()
    } else {
      io.error = StoreError.none
      io.storeData = null
      if (this.#call === 'blank') this.#dataDone()
      else this.#stores.data[this.#call]!(io)
    }
  }

  readonly #dataDone = (): void => {
    const io = this.#io
    try {
      if (io.error === StoreError.none && this.#call === 'read') this.#check()
    } catch (cause) {
      this.#threw(cause)
      return
    }
    this.#over()
    io.finish(io.error)
  }

  #check(): void {
    const io = this.#io
    const { protection } = this.#stores
    const command = this.#command
    const tags = this.#tags
    invert(tags)
    const first = this.start - io.task.lba
    const given = command !== null && command.reference >= 0
    const checks = command?.checks ?? (protection.dpicz ? 0 : protection.plainChecks(ALL_CHECKS))
    const wrong = findWrong(tags, this.#segments, protection.blockSize, protection.type, {
      checks,
      reference: given ? (command.reference + first) >>> 0 : protection.referenceOf(this.start),
      application: command?.application ?? 0,
      applicationMask: command?.applicationMask ?? 0,
    })
    if (wrong !== null) this.#fail(wrong, CHECK_FAILED)
    if (wrong !== null || command === null) return
    command.kept?.set(tags)
    if (command.compared === null) return
    const wanted = Buffer.allocUnsafe(tags.length)
    command.compared.copy(first, wanted)
    const different = findDifference(tags, wanted, command.compares)
    if (different !== null) this.#fail(different, COMPARE_FAILED)
  }

  #fail({ block, field, found, wanted }: WrongTag, codes: typeof CHECK_FAILED): void {
    const io = this.#io
    io.error = StoreError.protection
    io.failedAt = this.#offset + block * this.#stores.protection.blockSize
    io.task.senseCode = codes[field]!
    if (codes === CHECK_FAILED)
      io.reason = `block ${this.start + block} has ${hex(found)} where ${hex(wanted)} belongs`
  }

  /** A store threw: the request ends here, and who began it learns of it as from a store of its own. */
  #threw(cause: unknown): void {
    if (!this.#busy) throw cause
    const { task } = this.#io
    this.#over()
    task.fault(cause)
  }

  /** Lets others at the range, and this request be used again. */
  #over(): void {
    this.#busy = false
    this.#io.onFinish = this.#onFinish
    this.#segments = []
    this.#tags = NO_TAGS
    this.#stores.lock.leave(this)
    this.#stores.done(this)
  }
}

const hex = (value: number): string => `${value.toString(16)}h`

function nothing(): void {}
