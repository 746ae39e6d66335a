// SPDX-License-Identifier: Apache-2.0
// Clusters that lost a reference: their counts fall once no entry in the file, and no request, can lead to them.
import type { Generations } from './generations.ts'
import type { HostFile } from './host-file.ts'
import type { MetadataClusters } from './metadata-clusters.ts'
import { othersTurn } from './parts.ts'
import type { Refcounts } from './refcounts.ts'

/** Clusters between two turns of others. */
const STEP = 1024

interface Run {
  readonly first: number
  count: number
}

export class FreedClusters {
  readonly #clusterSize: number
  readonly #file: HostFile
  readonly #metadata: MetadataClusters
  readonly #generations: Generations
  #refcounts: Refcounts | null = null
  /** Since the last commit began. */
  #pending: Run[] = []
  /** Of the commit under way. */
  #committing: Run[] = []
  /** Counts are brought down one batch after the other. */
  #applying: Promise<void> = Promise.resolve()
  #unapplied = 0
  /** A cluster is free: nobody may remember its bytes. */
  onFree: (offset: number) => void = () => {}

  constructor(clusterSize: number, file: HostFile, metadata: MetadataClusters, generations: Generations) {
    this.#clusterSize = clusterSize
    this.#file = file
    this.#metadata = metadata
    this.#generations = generations
  }

  set refcounts(refcounts: Refcounts) {
    this.#refcounts = refcounts
  }

  /** Runs of clusters that wait for a commit. */
  get waiting(): number {
    return this.#pending.length
  }

  /** One reference less to each cluster of these bytes. */
  drop(offset: number, length: number): void {
    const first = offset / this.#clusterSize
    const count = length / this.#clusterSize
    const last = this.#pending.at(-1)
    if (last !== undefined && last.first + last.count === first) last.count += count
    else if (count > 0) this.#pending.push({ first, count })
  }

  committing(): void {
    this.#committing = this.#pending
    this.#pending = []
  }

  failed(): void {
    this.#pending.push(...this.#committing)
    this.#committing = []
  }

  committed(): void {
    const runs = this.#committing
    this.#committing = []
    if (runs.length === 0) return
    this.#unapplied++
    this.#generations.afterThese(() => {
      this.#applying = this.#applying
        .then(() => this.#apply(runs))
        // Counts that cannot be read stay too high: room is lost, no bytes.
        .catch(() => {})
        .finally(() => this.#unapplied--)
    })
  }

  /** All counts have fallen that a commit has allowed to; requests under way hold it up. */
  async settled(): Promise<void> {
    while (this.#unapplied > 0) {
      await this.#applying
      if (this.#unapplied > 0) await new Promise(resolve => setImmediate(resolve))
    }
  }

  async #apply(runs: readonly Run[]): Promise<void> {
    const refcounts = this.#refcounts!
    let free: Run | null = null
    for (const { first, count } of runs) {
      for (let cluster = first; cluster < first + count; cluster++) {
        if (cluster % STEP === 0) await othersTurn()
        const now = await refcounts.count(cluster)
        if (now > 1) await refcounts.set(cluster, now - 1)
        else if (now === 1 && free !== null && free.first + free.count === cluster) free.count++
        else if (now === 1) {
          if (free !== null) await this.#free(free)
          free = { first: cluster, count: 1 }
        }
      }
    }
    if (free !== null) await this.#free(free)
  }

  /** The room goes back before anybody can take the clusters again. */
  async #free({ first, count }: Run): Promise<void> {
    await this.#file.discard(first * this.#clusterSize, count * this.#clusterSize)
    for (let cluster = first; cluster < first + count; cluster++) {
      if (cluster % STEP === 0) await othersTurn()
      this.#metadata.delete(cluster)
      this.onFree(cluster * this.#clusterSize)
      await this.#refcounts!.set(cluster, 0)
    }
  }
}
