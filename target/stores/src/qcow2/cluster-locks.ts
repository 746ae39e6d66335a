// SPDX-License-Identifier: Apache-2.0
// Guest clusters whose entries somebody is about to change: the next one waits.

export class ClusterLocks {
  readonly #held = new Map<number, (() => void)[]>()

  isFree(cluster: number): boolean {
    return this.#held.size === 0 || !this.#held.has(cluster)
  }

  /** They MUST be free. */
  take(first: number, count: number): void {
    for (let cluster = first; cluster < first + count; cluster++) this.#held.set(cluster, [])
  }

  give(first: number, count: number): void {
    for (let cluster = first; cluster < first + count; cluster++) {
      const waiting = this.#held.get(cluster)!
      this.#held.delete(cluster)
      for (const go of waiting) go()
    }
  }

  /** Until it is let go of: then it may be somebody else's already. */
  wait(cluster: number): Promise<void> {
    return new Promise(resolve => {
      const waiting = this.#held.get(cluster)
      if (waiting === undefined) resolve()
      else waiting.push(resolve)
    })
  }
}
