// SPDX-License-Identifier: Apache-2.0
// A request that a store makes to another one for a request of its own, and whose answer it looks at.
import { StoreError, StoreIo, type Task } from '@lunkit/target-api'

/**
 * One request to the store below, used again and again. The list of segments is its own, because a store may change the list that it
 * is given. The outer request keeps it in `storeData`, so that an abort finds it.
 */
export class InnerIo extends StoreIo {
  declare task: Task
  outer: StoreIo
  readonly #answered: (inner: InnerIo) => void

  /** `answered` is called once for each request, with `error` and `failedAt` set. */
  constructor(outer: StoreIo, answered: (inner: InnerIo) => void) {
    super(outer.task)
    this.outer = outer
    this.#answered = answered
  }

  /** Takes over what the outer request says, with its segments. */
  begin(outer: StoreIo): void {
    this.outer = outer
    this.task = outer.task
    this.offset = outer.offset
    this.length = outer.length
    for (let i = 0; i < outer.segments.length; i++) this.segments.push(outer.segments[i]!)
    this.forceUnitAccess = outer.forceUnitAccess
    this.error = StoreError.none
    this.failedAt = -1
    this.held = true
    this.anchored = false
    this.reason = ''
    this.sense = null
    this.senseExtra = null
    this.storeData = null
    outer.storeData = this
  }

  /** Tells the outer request what this one was told, and lets go of its segments. The caller finishes the outer one. */
  passOn(): void {
    const { outer } = this
    outer.failedAt = this.failedAt
    outer.reason = this.reason
    outer.sense = this.sense
    outer.senseExtra = this.senseExtra
    outer.held = this.held
    outer.anchored = this.anchored
    outer.storeData = null
    while (this.segments.length > 0) this.segments.pop()
  }

  override finish(error: StoreError): void {
    this.error = error
    try {
      this.#answered(this)
    } catch (cause) {
      this.fault(cause)
    }
  }

  /** A store threw where it was asked for a part of this: whoever it is made for lets go of what it holds, and the task ends. */
  fault(cause: unknown): void {
    const { outer } = this
    if (outer instanceof InnerIo) outer.fault(cause)
    else outer.task.fault(cause)
  }
}
