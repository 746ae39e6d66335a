// SPDX-License-Identifier: Apache-2.0
// Keeps writes apart that would undo each other: one that is narrower than the server's block writes what stands beside it, too.
import type { Call } from './call.ts'
import { isNarrow } from './steps.ts'

export class NarrowWrites {
  readonly #underWay = new Set<Call>()
  #waiting: Call[] = []

  /** Whether the call may go on now; else it waits for `leave` of those before it. */
  enter(call: Call): boolean {
    if (this.#meets(call, this.#underWay) || this.#meets(call, this.#waiting)) {
      this.#waiting.push(call)
      return false
    }
    this.#underWay.add(call)
    return true
  }

  /** Calls that may go on when this one has ended. */
  leave(call: Call): Call[] {
    if (!this.#underWay.delete(call) || this.#waiting.length === 0) return []
    const waiting = this.#waiting
    this.#waiting = []
    return waiting.filter(one => this.enter(one))
  }

  /** Takes out a call that waits; false if it does not. */
  withdraw(call: Call): boolean {
    const at = this.#waiting.indexOf(call)
    if (at >= 0) this.#waiting.splice(at, 1)
    return at >= 0
  }

  get waiting(): readonly Call[] {
    return this.#waiting
  }

  #meets(call: Call, others: Iterable<Call>): boolean {
    for (const other of others) {
      const apart = call.end <= other.start || other.end <= call.start
      if (!apart && (isNarrow(call) || isNarrow(other))) return true
    }
    return false
  }
}
