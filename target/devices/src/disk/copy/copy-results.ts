// SPDX-License-Identifier: Apache-2.0
// The copies of one unit by initiator and list identifier: those under way, and how the others ended.
import { ListIdUsage, type SenseCode, Status } from '@lunkit/spec'
import { fail, type Nexus, refuse, succeed, type Task } from '@lunkit/target-api'
import { CopyJob } from './copy-job.ts'
import { MAX_COPIES } from './limits.ts'
import type { CopyPlan } from './parameter-list.ts'
import { segmentStep } from './segment-step.ts'

/** What RECEIVE COPY RESULTS tells of one copy. */
export interface CopyResult {
  readonly usage: number
  job: CopyJob | null
  segments: number
  bytes: number
  failure: SenseCode | null
}

export class CopyResults {
  readonly #ofNexus = new Map<Nexus, Map<number, CopyResult>>()
  readonly #jobs = new Map<Task, CopyJob>()

  /** Begins the copy, and ends the task when it is over. */
  begin(task: Task, plan: CopyPlan) {
    if (this.#jobs.size >= MAX_COPIES) return refuse(task, Status.busy)
    const result: CopyResult = { usage: plan.usage, job: null, segments: 0, bytes: 0, failure: null }
    const order = {
      at: task.nexusUnit,
      count: plan.segments.length,
      step: (index: number) => segmentStep(task, plan, index),
      objection: () => null,
    }
    const job = new CopyJob(order, (one, failure) => this.#over(task, one, result, failure, plan.listId))
    result.job = job
    if (plan.usage !== ListIdUsage.none) this.#of(task.nexus).set(plan.listId, result)
    this.#jobs.set(task, job)
    job.start()
  }

  find(nexus: Nexus, listId: number): CopyResult | null {
    return this.#ofNexus.get(nexus)?.get(listId) ?? null
  }

  forget(nexus: Nexus, listId: number): void {
    this.#ofNexus.get(nexus)?.delete(listId)
  }

  /** Hurries the end of the copy that this task asked for; false if it did not. */
  cancel(task: Task): boolean {
    const job = this.#jobs.get(task)
    job?.cancel()
    return job !== undefined
  }

  nexusLost(nexus: Nexus): void {
    this.#ofNexus.delete(nexus)
  }

  /** Results are not kept over a reset. */
  reset(): void {
    this.#ofNexus.clear()
  }

  #of(nexus: Nexus): Map<number, CopyResult> {
    let found = this.#ofNexus.get(nexus)
    if (found === undefined) {
      found = new Map()
      this.#ofNexus.set(nexus, found)
    }
    return found
  }

  #over(task: Task, job: CopyJob, result: CopyResult, failure: SenseCode | null, listId: number) {
    const { steps: segments, bytes } = job
    this.#jobs.delete(task)
    Object.assign(result, { job: null, segments, bytes, failure })
    if (result.usage === ListIdUsage.discard && this.find(task.nexus, listId) === result) {
      this.forget(task.nexus, listId)
    }
    if (failure === null) return succeed(task)
    // SPC-4, errors detected during processing of segment descriptors: which of them it was.
    task.commandSpecific = segments
    fail(task, failure)
  }
}
