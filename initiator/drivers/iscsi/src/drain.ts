// SPDX-License-Identifier: Apache-2.0
// Waits for commands to end before something is closed.

interface Waiter {
  readonly done: () => boolean
  readonly resolve: () => void
}

export class Drain {
  readonly #waiters = new Set<Waiter>()

  /** Resolves when `done` holds, seen at the next `look`, or when the time is over. */
  async wait(done: () => boolean, limitMs: number): Promise<void> {
    if (done()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiter = { done, resolve }
    this.#waiters.add(waiter)
    const timer = setTimeout(resolve, limitMs)
    await promise
    clearTimeout(timer)
    this.#waiters.delete(waiter)
  }

  /** Commands have ended or a connection is gone. */
  look(): void {
    if (this.#waiters.size === 0) return
    for (const { done, resolve } of this.#waiters) if (done()) resolve()
  }
}
