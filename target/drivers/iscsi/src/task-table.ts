// SPDX-License-Identifier: Apache-2.0
// Tasks of a session by initiator task tag: a hash table that allocates nothing once it has its size.
import type { IscsiTask } from './iscsi-task.ts'

/** Chains of an idle session; and of a busy one, several times the tasks that it usually has. */
const FEWEST_BUCKETS = 16
const MOST_BUCKETS = 512

/** Like a Map of tags to tasks, whose delete() would make new tables all the time. */
export class TaskTable {
  #buckets = emptyBuckets(FEWEST_BUCKETS)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(itt: number): IscsiTask | undefined {
    let one = this.#buckets[this.#bucketOf(itt)]!
    while (one !== null && one.itt !== itt) one = one.nextInTable!
    return one ?? undefined
  }

  has(itt: number): boolean {
    return this.get(itt) !== undefined
  }

  /** Its tag must not be in the table. */
  add(one: IscsiTask): void {
    if (this.#size >= this.#buckets.length && this.#size < MOST_BUCKETS) this.#grow()
    this.#chain(one)
    this.#size++
  }

  /** All of them, in no order; not for the road of a command. */
  *all(): Generator<IscsiTask> {
    for (const first of this.#buckets) {
      for (let one = first; one !== null; one = one.nextInTable) yield one
    }
  }

  remove(one: IscsiTask): void {
    const bucket = this.#bucketOf(one.itt)
    let before: IscsiTask | null = null
    let at: IscsiTask | null = this.#buckets[bucket]!
    while (at !== null && at !== one) {
      before = at
      at = at.nextInTable
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = one.nextInTable
    else before.nextInTable = one.nextInTable
    one.nextInTable = null
    this.#size--
  }

  #chain(one: IscsiTask): void {
    const bucket = this.#bucketOf(one.itt)
    one.nextInTable = this.#buckets[bucket]!
    this.#buckets[bucket] = one
  }

  #grow(): void {
    const tasks = [...this.all()]
    this.#buckets = emptyBuckets(2 * this.#buckets.length)
    for (const one of tasks) this.#chain(one)
  }

  /** Initiators count in the low bits, or put an index there and an age above. */
  #bucketOf(itt: number): number {
    return (itt ^ (itt >>> 9) ^ (itt >>> 18)) & (this.#buckets.length - 1)
  }
}

const emptyBuckets = (count: number): (IscsiTask | null)[] => new Array<IscsiTask | null>(count).fill(null)
