// SPDX-License-Identifier: Apache-2.0
// A store with tags beside it: whatever is read is checked against them, whatever is written gets them.
import type { ProtectionType } from '@lunkit/spec'
import {
  type Ability,
  type BackingStore,
  type Controls,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreUsage,
  type StoreWatcher,
  type Task,
} from '@lunkit/target-api'
import { type Call, GuardedRequest, type Stores } from './guarded-request.ts'
import type { Protection } from './protection.ts'
import { RangeLock } from './range-lock.ts'
import { ask, tagBytes, tagHeader } from './tag-store.ts'
import { TAG_LENGTH } from './tags.ts'

/**
 * Offers no `copy`: copied blocks go through the process, where they are checked. The tags are written first: what a
 * crash tears apart is then a block that does not fit its tags, never a new one that is not looked at.
 */
export class GuardedStore implements BackingStore {
  readonly protection: Protection
  readonly #data: BackingStore
  readonly #tags: BackingStore
  readonly #stores: Stores
  readonly #free: GuardedRequest[] = []
  readonly discard?: (io: StoreIo) => void
  readonly anchor?: (io: StoreIo) => void
  readonly writeZeroes?: (io: StoreIo) => void
  readonly map?: (io: StoreIo) => void
  readonly usage?: () => Promise<StoreUsage | null>
  readonly resize?: (size: number) => Promise<void>
  readonly rescan?: () => Promise<void>
  readonly watch?: (told: StoreWatcher) => void

  constructor(data: BackingStore, tags: BackingStore, protection: Protection) {
    this.#data = data
    this.#tags = tags
    this.protection = protection
    const done = (request: GuardedRequest): void => void this.#free.push(request)
    this.#stores = { data, tags, protection, lock: new RangeLock(), done }
    if (data.discard !== undefined) this.discard = io => this.#begin(io, 'discard')
    if (data.anchor !== undefined) this.anchor = io => this.#begin(io, 'anchor')
    if (data.writeZeroes !== undefined) this.writeZeroes = io => this.#begin(io, 'writeZeroes')
    if (data.map !== undefined) this.map = io => data.map!(io)
    if (data.usage !== undefined) this.usage = () => data.usage!()
    if (data.resize !== undefined) this.resize = size => this.#resize(size)
    if (data.rescan !== undefined) this.rescan = () => this.#rescan()
    if (data.watch !== undefined) this.watch = told => this.#watch(told)
  }

  get size(): number {
    return this.#data.size
  }
  get preferredBlock(): number {
    return this.#data.preferredBlock
  }
  get canWrite(): boolean {
    return this.#data.canWrite && this.#tags.canWrite
  }
  get volatileCache(): boolean {
    return this.#data.volatileCache || this.#tags.volatileCache
  }
  get discards(): Ability {
    return this.#data.discards
  }
  get writesZeroes(): Ability {
    return this.#data.writesZeroes
  }
  get identity(): string {
    return this.#data.identity
  }
  get note(): string {
    return this.#data.note ?? ''
  }
  get discardGranularity(): number {
    return this.#data.discardGranularity ?? this.#data.preferredBlock
  }
  get discardedReadsZero(): boolean {
    return this.#data.discardedReadsZero ?? false
  }
  /** None that puts other blocks below the tags. */
  get controls(): Controls {
    const all = Object.entries(this.#data.controls ?? {})
    return Object.fromEntries(all.filter(([, { changes }]) => changes === 'nothing'))
  }
  get discardDestroys(): boolean {
    return this.#data.discardDestroys === true && this.#tags.discardDestroys === true
  }

  /** Only where neither store loses anything in between, as in memory. */
  get atomicWrite(): number {
    const ofTags = ((this.#tags.atomicWrite ?? 0) / TAG_LENGTH) * this.protection.blockSize
    return Math.min(this.#data.atomicWrite ?? 0, ofTags)
  }

  read(io: StoreIo): void {
    this.#begin(io, 'read')
  }

  write(io: StoreIo): void {
    this.#begin(io, 'write')
  }

  /** Both stores: a write is durable with its tags. */
  flush(io: StoreIo): void {
    const { onFinish } = io
    io.onFinish = (task: Task) => {
      io.onFinish = onFinish
      if (io.error === StoreError.none) this.#data.flush(io)
      else onFinish(task)
    }
    this.#tags.flush(io)
  }

  /** From the first range on the medium is formatted with `type`; blanks the tags of the range. */
  format(io: StoreIo, type: ProtectionType): void {
    if (io.offset > 0) this.#guard(io, 'blank')
    else this.#formatFrom(io, type).catch(() => io.finish(StoreError.internal))
  }

  async #formatFrom(io: StoreIo, type: ProtectionType): Promise<void> {
    const { error } = await ask(this.#tags, 'write', 0, tagHeader(type, this.protection.blockSize))
    if (error === StoreError.none) {
      this.protection.type = type
      this.#guard(io, 'blank')
    } else io.finish(error)
  }

  abort(io: StoreIo): void {
    if (!(io.storeData instanceof GuardedRequest)) this.#data.abort?.(io)
  }

  async close(): Promise<void> {
    try {
      await this.#data.close()
    } finally {
      await this.#tags.close()
    }
  }

  #begin(io: StoreIo, call: Call): void {
    if (this.protection.formatted || call === 'blank') this.#guard(io, call)
    else this.#data[call]!(io)
  }

  #guard(io: StoreIo, call: Call): void {
    ;(this.#free.pop() ?? new GuardedRequest(this.#stores)).begin(io, call)
  }

  async #resize(size: number): Promise<void> {
    // Room for the tags first; what is cut off goes last, so that a failure half-way loses none.
    if (size > this.size) await this.#fit(size)
    await this.#data.resize!(size)
    await this.#fit(this.size)
  }

  async #rescan(): Promise<void> {
    await this.#data.rescan!()
    await this.#fit(this.size)
  }

  #watch(told: StoreWatcher): void {
    this.#data.watch!((event, reason) => {
      if (event !== 'resized') told(event, reason)
      // A size that there is no room for tags for is not taken over.
      else
        this.#fit(this.size).then(
          () => told(event, reason),
          () => {},
        )
    })
  }

  async #fit(size: number): Promise<void> {
    const wanted = tagBytes(Math.floor(size / this.protection.blockSize))
    if (this.#tags.size === wanted) return
    if (this.#tags.resize !== undefined) return this.#tags.resize(wanted)
    if (this.#tags.size > wanted) return
    throw new OperatorError('TAGS_SIZE', 'Disk: the store of its tags cannot be made longer', {
      hint: 'keep the tags in a file',
    })
  }
}
