// SPDX-License-Identifier: Apache-2.0
// Writes on the event loop: small ones into the page cache, as long as the kernel does not hold them back.
import { performance } from 'node:perf_hooks'
import type { StoreIo } from '@lunkit/target-api'
import type { FileCalls } from './file-calls.ts'
import { InlineBudget, MOST_INLINE } from './inline-budget.ts'

/** A write into the page cache takes some µs; waiting for room among dirty pages takes many ms. */
const SLOW_WRITE = 1

export class CachedWrites {
  readonly #fd: number
  readonly #calls: FileCalls
  /** Null: the file system has no disk to wait for. */
  readonly #budget: InlineBudget | null
  constructor(fd: number, calls: FileCalls, inMemory: boolean) {
    this.#budget = inMemory ? null : new InlineBudget(SLOW_WRITE)
    this.#fd = fd
    this.#calls = calls
  }

  /** Writes as many bytes from the request's start as it can at once; the thread pool writes the rest. Never throws. */
  write(io: StoreIo): number {
    if (io.length > MOST_INLINE) return 0
    if (this.#budget === null) return this.#put(io)
    const from = performance.now()
    if (!this.#budget.allows(from)) return 0
    const put = this.#put(io)
    this.#budget.spent(from, performance.now())
    return put
  }

  #put(io: StoreIo): number {
    try {
      const { segments } = io
      const first = segments[0]!
      return segments.length === 1
        ? this.#calls.writeSync(this.#fd, first, 0, first.length, io.offset)
        : this.#calls.writevSync(this.#fd, segments, io.offset)
    } catch {
      // The thread pool meets the same error and answers it.
      return 0
    }
  }
}

/** Every write takes a thread. */
export class NoWrites {
  write(_io: StoreIo): number {
    return 0
  }
}
