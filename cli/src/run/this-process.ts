// SPDX-License-Identifier: Apache-2.0
// Targets that are served in the process that has the portals.
import type { Arrival } from '@lunkit/target-driver-iscsi'
import type { Reply } from '../control/reply.ts'
import type { Say } from '../say.ts'
import type { Report } from '../signals.ts'
import type { TargetPlan } from './plan.ts'
import type { Serving } from './serving.ts'
import { type Portals, type ServedLun, Share } from './share.ts'

export class ThisProcess implements Serving {
  readonly pid = null
  readonly #plans: readonly TargetPlan[]
  readonly #portals: () => Portals
  readonly #say: Say
  #share: Share | null = null
  #waiting: Arrival[] = []

  constructor(plans: readonly TargetPlan[], portals: () => Portals, say: Say) {
    this.#plans = plans
    this.#portals = portals
    this.#say = say
  }

  async open(): Promise<readonly ServedLun[]> {
    this.#share = await Share.open(this.#plans, this.#portals(), this.#say)
    const waiting = this.#waiting
    this.#waiting = []
    for (const arrival of waiting) this.give(arrival)
    return this.#share.luns
  }

  give(arrival: Arrival): void {
    if (arrival.over) return
    if (this.#share === null) this.#waiting.push(arrival)
    else this.#share.take(arrival.target, arrival.tag, arrival.release())
  }

  async report(): Promise<readonly Report[]> {
    return this.#share?.report() ?? []
  }

  get serves(): boolean {
    return this.#share !== null
  }

  /** Nobody asks before it is open. */
  obey(target: string, line: string): Promise<Reply> {
    return this.#share!.obey(target, line)
  }

  look(): void {
    void this.#share?.look()
  }

  async close(graceMs: number): Promise<void> {
    await this.#share?.close(graceMs)
  }
}
