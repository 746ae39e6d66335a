// SPDX-License-Identifier: Apache-2.0
// Informational exceptions (SPC-4): a warning about the device itself, reported in the way that page 1Ch asks for.
import {
  EXCEPTIONS,
  FAILURE_PREDICTION_THRESHOLD_EXCEEDED_FALSE,
  type SenseCode,
  SenseKey,
  sense,
  WARNING,
} from '@lunkit/spec'
import type { LogicalUnit } from '@lunkit/target-api'
import { isSame } from './mode-pages.ts'

/** METHOD OF REPORTING INFORMATIONAL EXCEPTIONS, as far as this target does them. */
export const Mrie = Object.freeze({ none: 0, unitAttention: 2, onRequest: 6 } as const)

const { dexcpt, test, ewasc, mrie, interval, reportCount } = EXCEPTIONS.field

/** Before the mode page is taken over. */
const NO_PAGE = new Uint8Array(EXCEPTIONS.length)

/** INTERVAL TIMER counts 100 ms; zero and all ones leave it to the device. */
const UNIT_MS = 100
const LONGEST_MS = 0x7fff_ffff

export class InformationalExceptions {
  /** The last exception, for page 2Fh of the log; null if there is none. */
  current: SenseCode | null = null
  #unit: LogicalUnit | null = null
  #page: Uint8Array = NO_PAGE
  #reports = 0
  #timer: ReturnType<typeof setInterval> | null = null

  attach(unit: LogicalUnit): void {
    this.#unit = unit
  }

  /** Takes over page 1Ch. TEST raises an exception that is told to be false. */
  configure(page: Uint8Array): void {
    const before = this.#page
    this.#page = page
    if (isSame(before, page)) return
    if (test.get(page, 0) === 1) this.raise(FAILURE_PREDICTION_THRESHOLD_EXCEEDED_FALSE)
    else if (this.current === FAILURE_PREDICTION_THRESHOLD_EXCEEDED_FALSE) this.clear()
    else if (this.current !== null) this.#begin()
  }

  raise(code: SenseCode): void {
    this.current = code
    this.#begin()
  }

  clear(): void {
    this.current = null
    this.stop()
  }

  /** What REQUEST SENSE tells, where exceptions are told on request; or null. */
  get sense(): SenseCode | null {
    const code = this.#reported()
    if (code === null || mrie.get(this.#page, 0) !== Mrie.onRequest) return null
    return sense(SenseKey.noSense, code.asc, code.ascq, code.text)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** The exception, unless its kind is not to be told: DEXCPT, and EWASC for warnings. */
  #reported(): SenseCode | null {
    const code = this.current
    if (code === null || dexcpt.get(this.#page, 0) === 1) return null
    return code.asc === WARNING.asc && ewasc.get(this.#page, 0) === 0 ? null : code
  }

  #begin(): void {
    this.stop()
    this.#reports = 0
    if (this.#reported() === null || mrie.get(this.#page, 0) !== Mrie.unitAttention) return
    this.#report()
    const time = interval.get(this.#page, 0)
    if (time === 0 || time === 0xffff_ffff || this.#isEnough()) return
    this.#timer = setInterval(() => this.#report(), Math.min(time * UNIT_MS, LONGEST_MS))
    this.#timer.unref()
  }

  #report(): void {
    const code = this.current!
    this.#unit?.attention(sense(SenseKey.unitAttention, code.asc, code.ascq, code.text), null)
    this.#reports++
    if (this.#isEnough()) this.stop()
  }

  /** REPORT COUNT; zero is without end. */
  #isEnough(): boolean {
    const most = reportCount.get(this.#page, 0)
    return most !== 0 && this.#reports >= most
  }
}
