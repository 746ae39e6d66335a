// SPDX-License-Identifier: Apache-2.0
// Calls that wait for a connection.
import type { Call } from './call.ts'

export class Parked {
  #calls: Call[] = []

  get length(): number {
    return this.#calls.length
  }

  add(call: Call): void {
    this.#calls.push(call)
  }

  /** All of them, in the order in which they came to the store. */
  take(): Call[] {
    const calls = this.#calls.sort((one, other) => one.number - other.number)
    this.#calls = []
    return calls
  }

  /** Takes it out; false if it is not here. */
  withdraw(call: Call): boolean {
    const at = this.#calls.indexOf(call)
    if (at >= 0) this.#calls.splice(at, 1)
    return at >= 0
  }

  /** Those that came so early, or before. */
  since(clock: number): Call[] {
    return this.#calls.filter(call => call.came <= clock)
  }
}
