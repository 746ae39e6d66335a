// SPDX-License-Identifier: Apache-2.0
// What is to be looked at when a clock has come to some tick: a tick costs what is due, not what is there.

/** Who can be in a wheel. */
export interface Timed {
  /** Its tick; the wheel's own. */
  dueAt: number
}

export class TimerWheel<T extends Timed> {
  readonly #slots: Map<number, Set<T>> = new Map()

  /** `one` is due at this tick, and at no other. */
  put(one: T, tick: number): void {
    this.remove(one)
    one.dueAt = tick
    const slot = this.#slots.get(tick)
    if (slot === undefined) this.#slots.set(tick, new Set([one]))
    else slot.add(one)
  }

  remove(one: T): void {
    const slot = this.#slots.get(one.dueAt)
    if (slot?.delete(one) === true && slot.size === 0) this.#slots.delete(one.dueAt)
  }

  /** Those of this tick, who are in the wheel no more. To be asked for every tick. */
  take(tick: number): Iterable<T> {
    const slot = this.#slots.get(tick)
    this.#slots.delete(tick)
    return slot ?? NOBODY
  }
}

const NOBODY: readonly never[] = []
