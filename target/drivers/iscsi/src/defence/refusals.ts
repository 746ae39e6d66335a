// SPDX-License-Identifier: Apache-2.0
// Events for what limits refuse: one at once, then a number now and then, so that a flood of peers is no flood of events.
import type { Observer } from '@lunkit/target-api'

/** Between two events for one reason. */
export const REFUSAL_EVENT_MS = 5000

interface Told {
  /** Refused since the last event, and where the last of them came from. */
  count: number
  address: string
  /** Within the time after an event: what comes is counted, and told at its end. */
  cancel: (() => void) | null
}

/** Does something later; gives what calls it off. */
export type Later = (act: () => void, ms: number) => () => void

const later: Later = (act, ms) => {
  const timer = setTimeout(act, ms)
  timer.unref()
  return () => clearTimeout(timer)
}

export class Refusals {
  readonly #observe: Observer
  readonly #later: Later
  /** By reason: there are as many as this driver has limits. */
  readonly #told: Map<string, Told> = new Map()

  constructor(observe: Observer, doLater: Later = later) {
    this.#observe = observe
    this.#later = doLater
  }

  /** A peer was refused for this reason, one of a fixed few. */
  add(reason: string, address: string): void {
    let told = this.#told.get(reason)
    if (told === undefined) {
      told = { count: 0, address, cancel: null }
      this.#told.set(reason, told)
    }
    told.count++
    told.address = address
    if (told.cancel === null) this.#tell(reason, told)
  }

  /** Tells what is left to tell. */
  close(): void {
    for (const [reason, told] of this.#told) {
      told.cancel?.()
      this.#emit(reason, told)
    }
    this.#told.clear()
  }

  #tell(reason: string, told: Told): void {
    this.#emit(reason, told)
    told.cancel = this.#later(() => {
      told.cancel = null
      if (told.count > 0) this.#tell(reason, told)
    }, REFUSAL_EVENT_MS)
  }

  #emit(reason: string, told: Told): void {
    const { count, address } = told
    told.count = 0
    if (count > 0) this.#observe({ type: 'refused', address, reason, count })
  }
}
