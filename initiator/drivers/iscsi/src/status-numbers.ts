// SPDX-License-Identifier: Apache-2.0
// Which numbered responses of a connection have come, where some may be missing (RFC 7143, 7.1.4.2 and 11.16).
import { TransportError } from '@lunkit/initiator-core'
import { isAfter, next } from './command-window.ts'
import type { Connection } from './connection.ts'

/** Numbers that may have come above a missing one. */
const MAX_AHEAD = 8192

export interface Run {
  readonly from: number
  readonly length: number
}

/** ErrorRecoveryLevel 1 and above; `connection.expStatSn` is the lowest number that has not come. */
export class StatusNumbers {
  readonly #connection: Connection
  /** Above the lowest missing number: what came, and what came but may not be acknowledged yet. */
  readonly #come = new Set<number>()
  readonly #held = new Set<number>()
  /** The number after the highest one that is known to be in use. */
  #end: number
  /** The number up to which missing ones were asked for. */
  #asked: number
  /** A number below `#asked` came, but was passed over. */
  #passed = false

  constructor(connection: Connection) {
    this.#connection = connection
    this.#end = connection.expStatSn
    this.#asked = connection.expStatSn
  }

  /** Whether this response is new. */
  isNew(sn: number): boolean {
    return !isAfter(this.#connection.expStatSn, sn) && !this.#come.has(sn)
  }

  /** Whether all responses before this one have come. */
  isDue(sn: number): boolean {
    let at = this.#connection.expStatSn
    while (at !== sn && (this.#come.has(at) || this.#held.has(at))) at = next(at)
    return at === sn
  }

  /** The response has come and been dealt with: it is acknowledged when all before it are. */
  take(sn: number): void {
    const connection = this.#connection
    this.know(next(sn))
    this.#held.delete(sn)
    if (sn !== connection.expStatSn) {
      this.#come.add(sn)
      return
    }
    connection.expStatSn = next(sn)
    while (this.#come.delete(connection.expStatSn)) connection.expStatSn = next(connection.expStatSn)
    if (isAfter(connection.expStatSn, this.#asked) || this.#passed) this.#asked = connection.expStatSn
    this.#passed = false
  }

  /** The response has come, but data before it are missing: its acknowledgement would give them up (RFC 7143, 11.16.1). */
  hold(sn: number): void {
    this.know(next(sn))
    this.#held.add(sn)
  }

  /** The response came too early to be dealt with, or damaged: it is asked for again. */
  pass(sn: number, damaged: boolean): void {
    this.know(next(sn))
    if (!isAfter(this.#asked, sn)) return
    if (damaged) this.#asked = sn
    else this.#passed = true
  }

  /** All numbers before `end` are in use. Throws a TransportError where that is too far ahead to be true. */
  know(end: number): void {
    if (!isAfter(end, this.#end)) return
    if (((end - this.#connection.expStatSn) | 0) > MAX_AHEAD) {
      throw new TransportError(
        'TRANSPORT_PROTOCOL',
        `The target sent StatSN ${(end - 1) >>> 0} where ${this.#connection.expStatSn} was due`,
      )
    }
    this.#end = end
  }

  /** Missing numbers that were not asked for, in runs, once. */
  *toAsk(): Generator<Run> {
    const from = this.#asked
    this.#asked = this.#end
    yield* this.#missing(from)
  }

  /** All missing numbers, in runs. */
  *missing(): Generator<Run> {
    yield* this.#missing(this.#connection.expStatSn)
  }

  /** Whether there is something to ask for: nothing more is looked at where all came in order. */
  get hasMore(): boolean {
    return this.#asked !== this.#end
  }

  *#missing(start: number): Generator<Run> {
    let from = start
    let length = 0
    for (let sn = start; isAfter(this.#end, sn); sn = next(sn)) {
      if (!this.#come.has(sn) && !this.#held.has(sn)) {
        if (length++ === 0) from = sn
      } else if (length > 0) {
        yield { from, length }
        length = 0
      }
    }
    if (length > 0) yield { from, length }
  }
}
