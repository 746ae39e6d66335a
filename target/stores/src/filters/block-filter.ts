// SPDX-License-Identifier: Apache-2.0
// The base of filters that look at data in whole blocks: the bytes of any request, made of blocks of the store below.
import { type BackingStore, StoreError, type StoreIo, type StoreWatcher } from '@lunkit/target-api'
import { type BlockCalls, Blockwise } from '../blockwise/blockwise.ts'
import { InnerIo } from '../inner-io.ts'
import { isInside, sumsUp } from '../whole-request.ts'
import { type Call, type Optional, PassingStore } from './passing.ts'

const KEPT = 256

/** What changes blocks without bringing bytes for them. */
export type Change = 'discard' | 'writeZeroes' | 'anchor'

/** Told the answer of the store below; ends the request with `end`, once. */
type Told = (below: BelowIo, error: StoreError) => void

/** One request to the store below for one of whole blocks, which is its `outer`. */
export class BelowIo extends InnerIo {
  next: BelowIo | null = null
  told: Told = () => {}

  /** `start`: bytes of the store below that lie before those of the filter. */
  constructor(outer: StoreIo, start: number) {
    super(outer, () => {
      if (this.failedAt >= 0) this.failedAt = Math.max(this.failedAt - start, 0)
      this.told(this, this.error)
    })
  }
}

/**
 * A filter extends this and says in `readBlocks`, `writeBlocks` and `changeBlocks` what it does with blocks; `ask` brings them to the store below. Those
 * who read a block run together, who changes it is alone with it.
 */
export abstract class BlockFilter extends PassingStore implements BlockCalls {
  declare readonly resize?: (size: number) => Promise<void>
  declare readonly rescan?: () => Promise<void>
  declare readonly watch?: (told: StoreWatcher) => void
  readonly #bytes: Blockwise
  readonly #start: number
  #free: BelowIo | null = null
  #kept = 0

  /** Copies would go around the filter, and are left out; so is what `without` names. Its first byte is byte `start` below. */
  constructor(below: BackingStore, block: number, without: readonly Optional[] = [], start = 0) {
    super(below, ['copy', ...without])
    this.#bytes = new Blockwise(block, this)
    this.#start = start
    if (this.resize !== undefined) this.resize = size => this.#changing(below.resize!(start + size))
    if (this.rescan !== undefined) this.rescan = () => this.#changing(below.rescan!())
    if (this.watch !== undefined) this.watch = told => below.watch!(this.#hearing(told))
    this.abort = io => {
      if (!this.#bytes.abort(io)) below.abort?.(io)
    }
  }

  override get size(): number {
    return Math.max(this.below.size - this.#start, 0)
  }

  abstract readBlocks(io: StoreIo): void
  abstract writeBlocks(io: StoreIo): void
  /** A discard, an anchoring or writing of zeros, of whole blocks. */
  protected abstract changeBlocks(call: Change, io: StoreIo): void
  /** The storage is longer or shorter, or might be: what is known of its bytes may be wrong. */
  protected sizeChanged(): void | Promise<void> {}

  abortBlocks(io: StoreIo): void {
    if (io.storeData instanceof BelowIo) this.below.abort?.(io.storeData)
  }

  protected override pass(call: Call, io: StoreIo): void {
    if (call === 'flush') this.below.flush(io)
    else if (!isInside(io, this.size)) io.finish(StoreError.internal)
    else if (call === 'map' && this.#start === 0) this.below.map!(io)
    else if (call === 'map') this.ask(call, io, this.#mapped)
    else if (call === 'read' || call === 'write') this.#move(call, io)
    else if (call === 'discard' && this.discardedReadsZero !== true) {
      this.#bytes.inner(io, part => this.changeBlocks(call, part))
    } else this.#bytes.zero(io, part => this.changeBlocks(call, part))
  }

  /** Puts a request of blocks to the store below, with other data where some is given, and `told` hears the answer. */
  protected ask(call: Call, io: StoreIo, told: Told, data?: readonly Buffer[]): void {
    let below = this.#free
    if (below === null) below = new BelowIo(io, this.#start)
    else {
      this.#free = below.next
      below.next = null
      this.#kept--
    }
    below.begin(io)
    below.offset += this.#start
    below.told = told
    if (data !== undefined) below.segments.splice(0, below.segments.length, ...data)
    this.below[call]!(below)
  }

  /** The answer of the request that was asked for. */
  protected end(below: BelowIo, error: StoreError): void {
    const { outer } = below
    below.passOn()
    if (this.#kept < KEPT) {
      below.next = this.#free
      this.#free = below
      this.#kept++
    }
    outer.finish(error)
  }

  readonly #mapped: Told = (below, error) => {
    below.outer.length = below.length
    this.end(below, error)
  }

  /** What happens to the storage by itself is heard here first. */
  #hearing(told: StoreWatcher): StoreWatcher {
    return (event, reason) => {
      // What a mark of it cannot be written for is forgotten all the same.
      if (event === 'resized') Promise.resolve(this.sizeChanged()).catch(() => {})
      else if (event === 'returned') this.mediumChanged()
      told(event, reason)
    }
  }

  async #changing(act: Promise<void>): Promise<void> {
    try {
      await act
    } finally {
      await this.sizeChanged()
    }
  }

  #move(call: 'read' | 'write', io: StoreIo): void {
    if (!sumsUp(io)) io.finish(StoreError.internal)
    else if (call === 'read') this.#bytes.read(io)
    else if (this.canWrite) this.#bytes.write(io)
    else io.finish(StoreError.readOnly)
  }
}
