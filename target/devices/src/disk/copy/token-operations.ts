// SPDX-License-Identifier: Apache-2.0
// The token commands of one unit by initiator and list identifier: those under way, and how the others ended.
import type { SenseCode } from '@lunkit/spec'
import type { Nexus, Task } from '@lunkit/target-api'
import type { CopyJob } from './copy-job.ts'
import { MAX_COPIES, MAX_REMEMBERED } from './limits.ts'

/** What RECEIVE ROD TOKEN INFORMATION tells of one command. */
export interface TokenOperation {
  /** Service action of the command. */
  readonly action: number
  readonly background: boolean
  /** Under way, or null. */
  job: CopyJob | null
  /** The command that waits for it, if any does. */
  task: Task | null
  failure: SenseCode | null
  cancelled: boolean
  residual: boolean
  /** Blocks done. */
  blocks: number
  /** The token that was made, or null. */
  readonly token: Uint8Array | null
}

export class TokenOperations {
  readonly #ofNexus = new Map<Nexus, Map<number, TokenOperation>>()

  find(nexus: Nexus, listId: number): TokenOperation | null {
    return this.#ofNexus.get(nexus)?.get(listId) ?? null
  }

  /** Remembers it under its identifier, instead of the one before; the oldest ended ones make room. */
  keep(nexus: Nexus, listId: number, operation: TokenOperation): void {
    const all = this.#ofNexus.get(nexus) ?? new Map<number, TokenOperation>()
    this.#ofNexus.set(nexus, all)
    all.delete(listId)
    for (const [id, { job }] of all) {
      if (all.size < MAX_REMEMBERED) break
      if (job === null) all.delete(id)
    }
    all.set(listId, operation)
  }

  /** As many are under way as may be. */
  get full(): boolean {
    return this.#underWay().length >= MAX_COPIES
  }

  /** Hurries the end of the one that this task waits for; false if there is none. */
  cancelOf(task: Task): boolean {
    const found = this.#underWay().find(one => one.task === task)
    if (found !== undefined) this.cancel(found)
    return found !== undefined
  }

  cancel(operation: TokenOperation): void {
    operation.cancelled = true
    operation.job?.cancel()
  }

  nexusLost(nexus: Nexus): void {
    const all = this.#ofNexus.get(nexus)
    this.#ofNexus.delete(nexus)
    for (const one of all?.values() ?? []) this.cancel(one)
  }

  /** What goes on in the background ends, too; results are not kept. */
  reset(): void {
    const underWay = this.#underWay()
    this.#ofNexus.clear()
    for (const one of underWay) this.cancel(one)
  }

  #underWay(): TokenOperation[] {
    return [...this.#ofNexus.values()].flatMap(all => [...all.values()].filter(({ job }) => job !== null))
  }
}
