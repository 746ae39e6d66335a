// SPDX-License-Identifier: Apache-2.0
// The base of filters that let requests wait before the store below hears of them.
import { type BackingStore, StoreError, type StoreIo } from '@lunkit/target-api'
import { type Call, PassingStore } from './passing.ts'

/** One request that waits. */
export class Held {
  readonly io: StoreIo
  readonly call: Call | 'copy'
  /** Of a copy. */
  readonly source: BackingStore | null
  readonly sourceOffset: number
  timer: NodeJS.Timeout | null = null
  readonly #owner: HoldingStore

  constructor(
    owner: HoldingStore,
    io: StoreIo,
    call: Held['call'],
    source: BackingStore | null,
    sourceOffset: number,
  ) {
    this.#owner = owner
    this.io = io
    this.call = call
    this.source = source
    this.sourceOffset = sourceOffset
    io.storeData = this
  }

  get reads(): boolean {
    return this.call === 'read' || this.call === 'map'
  }

  isOf(owner: HoldingStore): boolean {
    return this.#owner === owner
  }

  /** It has waited long enough: called once, unless it is dropped. What the store below throws ends the request alone: there may be nobody else to hear. */
  go(): void {
    const { io, call, source } = this
    const { below } = this.#owner
    io.storeData = null
    try {
      if (call === 'copy') below.copy!(io, source!, this.sourceOffset)
      else below[call]!(io)
    } catch (cause) {
      io.task.fault(cause)
    }
  }
}

/** An aborted request that still waits is answered at once, and the store below never hears of it. */
export abstract class HoldingStore extends PassingStore {
  constructor(below: BackingStore) {
    super(below)
    this.abort = io => {
      const held = io.storeData
      if (held instanceof Held && held.isOf(this)) {
        io.storeData = null
        this.drop(held)
        io.finish(StoreError.aborted)
      } else below.abort?.(io)
    }
  }

  protected override pass(call: Call, io: StoreIo): void {
    this.hold(new Held(this, io, call, null, 0))
  }

  protected override passCopy(io: StoreIo, source: BackingStore, sourceOffset: number): void {
    this.hold(new Held(this, io, 'copy', source, sourceOffset))
  }

  /** Calls `held.go` now or later. */
  protected abstract hold(held: Held): void
  /** It does not wait any more. */
  protected abstract drop(held: Held): void
}
