// SPDX-License-Identifier: Apache-2.0
// Lets requests wait while what they are answered from is exchanged below them.
import { OperatorError } from '@lunkit/target-api'

/** How long those under way may take to end before the exchange is given up. */
const LIMIT_MS = 10_000

export class Gate<T> {
  #inside = 0
  #waiting: T[] | null = null
  #empty: (() => void) | null = null

  /** Whether requests have to wait. */
  get shut(): boolean {
    return this.#waiting !== null
  }

  wait(one: T): void {
    this.#waiting!.push(one)
  }

  /** Takes one that waits, if there is such a one, out of the line. */
  takeOut(which: (one: T) => boolean): T | null {
    const at = this.#waiting?.findIndex(which) ?? -1
    return at < 0 ? null : this.#waiting!.splice(at, 1)[0]!
  }

  enter(): void {
    this.#inside++
  }

  leave(): void {
    this.#inside--
    if (this.#inside === 0) this.#empty?.()
  }

  /** Runs `act` with no request under way; those that come meanwhile are then given to `begin`. Rejects with what `act` does. */
  async alone<R>(act: () => Promise<R>, begin: (one: T) => void): Promise<R> {
    this.#waiting = []
    try {
      if (this.#inside > 0) await this.#drained()
      return await act()
    } finally {
      const waiting = this.#waiting
      this.#waiting = null
      for (const one of waiting) begin(one)
    }
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#empty = null
        reject(
          new OperatorError('UNIT_BUSY', 'Overlay: requests under way do not end', {
            hint: 'try again when the storage answers',
          }),
        )
      }, LIMIT_MS)
      this.#empty = () => {
        clearTimeout(timer)
        this.#empty = null
        resolve()
      }
    })
  }
}
