// SPDX-License-Identifier: Apache-2.0
// The file that an image is in: grows by itself, and gives back what the image no longer holds.
import { type BackingStore, OperatorError, StoreError } from '@lunkit/target-api'
import { ask, Fault, type PartPool } from './parts.ts'

/** It is made longer by an eighth, within these bounds; what is not written takes up no room. */
const LEAST_STEP = 2 ** 20
const MOST_STEP = 64 * 2 ** 20

export class HostFile {
  readonly store: BackingStore
  readonly parts: PartPool
  #growing: Promise<void> | null = null

  constructor(store: BackingStore, parts: PartPool) {
    this.store = store
    this.parts = parts
  }

  get size(): number {
    return this.store.size
  }

  /** Zeros beyond the file's end. */
  async read(offset: number, buffer: Buffer): Promise<void> {
    const there = Math.max(0, Math.min(buffer.length, this.size - offset))
    if (there < buffer.length) buffer.fill(0, there)
    if (there > 0) await ask(this.parts, this.store, 'read', offset, [buffer.subarray(0, there)])
  }

  write(offset: number, segments: Buffer[]): Promise<void> {
    return ask(this.parts, this.store, 'write', offset, segments)
  }

  flush(): Promise<void> {
    return ask(this.parts, this.store, 'flush')
  }

  /** Gives room back where the file system can take it. What it may do, it need not: no error. */
  async discard(offset: number, length: number): Promise<void> {
    if (this.store.discards !== 'native' || length < (this.store.discardGranularity ?? 1)) return
    await ask(this.parts, this.store, 'discard', offset, undefined, length).catch(() => {})
  }

  /** At least so long. Rejects with Fault (no space). */
  async reach(end: number): Promise<void> {
    while (this.size < end) {
      this.#growing ??= this.#grow(end).finally(() => (this.#growing = null))
      await this.#growing
    }
  }

  async #grow(end: number): Promise<void> {
    const step = Math.min(Math.max(this.size / 8, LEAST_STEP), MOST_STEP)
    const wanted = Math.ceil(Math.max(end, this.size + step) / LEAST_STEP) * LEAST_STEP
    try {
      await this.store.resize!(wanted)
    } catch (error) {
      const { message } = error instanceof OperatorError ? error : { message: String(error) }
      throw new Fault(StoreError.noSpace, message)
    }
  }
}
