// SPDX-License-Identifier: Apache-2.0
// Writes on the event loop: small ones into the page cache, as long as the kernel does not hold them back.
import type { StoreIo } from '@lunkit/target-api'
import type { FileCalls } from './file-calls.ts'
import { InlineBudget, MOST_INLINE } from './inline-budget.ts'

/** A write into the page cache takes some µs; waiting for room among dirty pages takes many ms. */
const SLOW_WRITE = 1

export class CachedWrites {
  readonly #fd: number
  readonly #calls: FileCalls
  readonly #budget: InlineBudget
  /** `inMemory`: the file system has no disk to wait for. */
  constructor(fd: number, calls: FileCalls, inMemory: boolean) {
    this.#budget = new InlineBudget(inMemory ? Number.POSITIVE_INFINITY : SLOW_WRITE)
    this.#fd = fd
    this.#calls = calls
  }

  /** Writes as many bytes from the request's start as it can at once; the thread pool writes the rest. Never throws. */
  write(io: StoreIo): number {
    if (io.length > MOST_INLINE) return 0
    const from = performance.now()
    if (!this.#budget.allows(from)) return 0
    let put = 0
    try {
      const { segments } = io
      const first = segments[0]!
      put =
        segments.length === 1
          ? this.#calls.writeSync(this.#fd, first, 0, first.length, io.offset)
          : this.#calls.writevSync(this.#fd, segments, io.offset)
    } catch {
      // The thread pool meets the same error and answers it.
      put = 0
    }
    this.#budget.spent(from, performance.now())
    return put
  }
}
