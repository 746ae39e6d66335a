// SPDX-License-Identifier: Apache-2.0
// Flushes that no task waits for: one at a time, and an error is kept for the next that asks.
import { type BackingStore, BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'

export class BackgroundFlush {
  readonly #store: BackingStore
  /** Only there to carry a store request; it never meets the engine. Null: none was made yet. */
  #carrier: Task | null = null
  #running = false
  #again = false
  #error: StoreError = StoreError.none
  #waiting: (() => void)[] = []

  constructor(store: BackingStore) {
    this.#store = store
  }

  get #io(): StoreIo {
    if (this.#carrier === null) {
      this.#carrier = new Task(new BufferPool(0), () => {})
      this.#carrier.io.onFinish = () => this.#finished()
    }
    return this.#carrier.io
  }

  /** Flushes what is written by now; where a flush is under way, once more after it. */
  start(): void {
    if (this.#running) {
      this.#again = true
      return
    }
    this.#running = true
    this.#flush()
  }

  /** A store that throws has kept nothing, and there is nobody else to hear of it. */
  #flush(): void {
    const io = this.#io
    try {
      this.#store.flush(io)
    } catch {
      io.finish(StoreError.internal)
    }
  }

  /** The error of a flush that nobody has been told of, which is thereby told; or none. */
  takeError(): StoreError {
    const error = this.#error
    this.#error = StoreError.none
    return error
  }

  /** Resolves when no flush is under way. */
  idle(): Promise<void> {
    if (!this.#running) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  #finished(): void {
    const { error } = this.#io
    if (error !== StoreError.none) this.#error = error
    this.#running = false
    if (this.#again) {
      this.#again = false
      // Not inside this call: the store may finish in its own, and the stack would grow.
      this.#running = true
      setImmediate(() => this.#flush())
      return
    }
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
