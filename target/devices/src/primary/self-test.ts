// SPDX-License-Identifier: Apache-2.0
// Self-tests (SPC-4): reads of the medium, in samples or all of it, in the foreground or beside other commands.
import {
  LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS,
  type SenseCode,
  UNRECOVERED_READ_ERROR,
  WARNING_BACKGROUND_SELF_TEST_FAILED,
} from '@lunkit/spec'
import { BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

/** SELF-TEST CODE of SEND DIAGNOSTIC. */
export const SelfTestCode = Object.freeze({
  none: 0,
  backgroundShort: 1,
  backgroundExtended: 2,
  abort: 4,
  foregroundShort: 5,
  foregroundExtended: 6,
} as const)

/** SELF-TEST RESULTS (SPC-4 Self-Test Results log page). */
export const SelfTestResult = Object.freeze({
  good: 0,
  aborted: 1,
  abortedOtherwise: 2,
  /** The first segment failed: there is one, the medium. */
  failed: 5,
  inProgress: 0xf,
} as const)

/** One row of the log. */
export interface SelfTestRecord {
  readonly code: number
  readonly result: number
  readonly minutes: number
  /** LBA of the first failure, or -1, and what it was. */
  readonly lba: number
  readonly sense: SenseCode | null
}

/** Results that page 10h has room for. */
export const MOST_RESULTS = 20
const PIECE = 256 * 1024
/** A short test reads so many pieces, from the first to the last. */
const SAMPLES = 64

interface Running {
  readonly code: number
  readonly background: boolean
  /** Called once, when it is over. */
  readonly over: (result: SelfTestRecord) => void
  /** Pieces in all and done. */
  readonly pieces: number
  done: number
  /** Result of an abort that has been asked for, or -1. */
  stopAs: number
}

/** The self-tests of one unit: one at a time. */
export class SelfTests {
  /** Newest first. */
  readonly results: SelfTestRecord[] = []
  readonly #device: PrimaryDevice
  /** Only there to carry store requests; it never meets the engine. Null: none was made yet. */
  #carrier: Task | null = null
  #running: Running | null = null
  #idle: (() => void)[] = []

  constructor(device: PrimaryDevice) {
    this.#device = device
  }

  get #io(): StoreIo {
    if (this.#carrier === null) {
      this.#carrier = new Task(new BufferPool(0), () => {})
      this.#carrier.io.onFinish = () => this.#arrived()
    }
    return this.#carrier.io
  }

  get underWay(): boolean {
    return this.#running !== null
  }

  /** A test that commands run beside, or null; `progress` as sense data has it. */
  get background(): { readonly code: SenseCode; readonly progress: number } | null {
    const running = this.#running
    if (running?.background !== true) return null
    return { code: LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS, progress: progressOf(running) }
  }

  /** Row of the test under way, for the log. */
  get current(): SelfTestRecord | null {
    return this.#running === null ? null : this.#record(this.#running, SelfTestResult.inProgress)
  }

  /** None is under way. In the foreground no other commands run but those that always do. */
  start(code: number, background: boolean, over: (result: SelfTestRecord) => void): void {
    const extended = code === SelfTestCode.backgroundExtended || code === SelfTestCode.foregroundExtended
    const all = this.#pieces()
    const pieces = extended ? all : Math.min(all, SAMPLES)
    const running: Running = { code, background, over, pieces, done: 0, stopAs: -1 }
    this.#running = running
    if (!background) {
      const code = LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS
      this.#device.occupied = {
        code,
        failed: false,
        get progress() {
          return progressOf(running)
        },
      }
    }
    setImmediate(() => this.#next())
  }

  /** A drive without a medium has nothing to read, and is well. */
  #pieces(): number {
    return Math.ceil((this.#device.store?.size ?? 0) / PIECE)
  }

  /** The test under way ends with this result, soon. */
  abort(result: number): void {
    if (this.#running !== null && this.#running.stopAs < 0) this.#running.stopAs = result
  }

  /** Resolves when no test touches the store. */
  stop(): Promise<void> {
    this.abort(SelfTestResult.abortedOtherwise)
    if (this.#running === null) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #next() {
    const running = this.#running!
    const io = this.#io
    const { store, notReady } = this.#device
    if (store !== undefined && notReady !== null) this.abort(SelfTestResult.abortedOtherwise)
    if (running.stopAs >= 0) return this.#end(this.#record(running, running.stopAs))
    // The store may have been made smaller meanwhile.
    const all = this.#pieces()
    const piece = running.pieces === 1 ? 0 : Math.floor((running.done * (all - 1)) / (running.pieces - 1))
    if (running.done >= running.pieces || all === 0 || store === undefined)
      return this.#end(this.#record(running, SelfTestResult.good))
    io.offset = piece * PIECE
    io.length = Math.min(PIECE, store.size - io.offset)
    io.segments.length = 0
    io.segments.push(Buffer.allocUnsafe(io.length))
    io.forceUnitAccess = false
    io.failedAt = -1
    try {
      store.read(io)
    } catch {
      this.#fail(io.offset)
    }
  }

  #arrived() {
    const io = this.#io
    if (io.error !== StoreError.none) return this.#fail(io.failedAt < 0 ? io.offset : io.failedAt)
    this.#running!.done++
    // One piece a turn: other commands come first.
    setImmediate(() => this.#next())
  }

  #fail(at: number): void {
    const lba = Math.floor(at / this.#device.blockSize)
    this.#end({ ...this.#record(this.#running!, SelfTestResult.failed), lba, sense: UNRECOVERED_READ_ERROR })
  }

  #record({ code }: Running, result: number): SelfTestRecord {
    return { code, result, minutes: this.#device.minutesOn(), lba: -1, sense: null }
  }

  #end(result: SelfTestRecord): void {
    const running = this.#running!
    this.#running = null
    this.#io.segments.length = 0
    // SPC-4: a default self-test has its status alone.
    if (running.code !== SelfTestCode.none) {
      this.results.unshift(result)
      this.results.length = Math.min(this.results.length, MOST_RESULTS)
    }
    if (!running.background) this.#device.occupied = null
    else if (result.result === SelfTestResult.failed) {
      this.#device.exceptions.raise(WARNING_BACKGROUND_SELF_TEST_FAILED)
    }
    for (const resolve of this.#idle.splice(0)) resolve()
    running.over(result)
  }
}

/** In parts of 65536. */
const progressOf = ({ done, pieces }: Running): number =>
  Math.min(Math.floor((done * 65_536) / Math.max(pieces, 1)), 0xffff)
