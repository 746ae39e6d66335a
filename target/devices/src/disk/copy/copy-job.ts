// SPDX-License-Identifier: Apache-2.0
// One third-party copy under way: step after step, piece after piece, by commands to the units concerned.
import {
  COPY_ABORTED,
  INTERNAL_TARGET_FAILURE,
  READ_16,
  type SenseCode,
  SenseKey,
  Status,
  TEST_UNIT_READY,
  THIRD_PARTY_DEVICE_FAILURE,
  WRITE_16,
  WRITE_SAME_16,
} from '@lunkit/spec'
import { empty, type InnerCall, type InnerCommands, type NexusUnit, type Task } from '@lunkit/target-api'
import { MAX_WRITE_SAME } from '../limits.ts'
import { isSense, type MoveStep, type Step, type ZeroStep } from './copy-step.ts'

/** Bytes that are read, and then written, at once. */
const PIECE = 1024 * 1024
/** Pieces in a row before other work of the process gets its turn. */
const ROUNDS = 4

/** What is to be done. */
export interface CopyOrder {
  /** On whose behalf, and which unit manages it. */
  readonly at: NexusUnit
  readonly count: number
  /** The step of that number, measured when its turn has come; or why it cannot be done. */
  readonly step: (index: number) => Step | SenseCode
  /** Why what was read may not be used any more, or null. */
  readonly objection: () => SenseCode | null
}

export class CopyJob {
  readonly order: CopyOrder
  readonly #inner: InnerCommands
  readonly #over: (job: CopyJob, failure: SenseCode | null) => void
  /** Steps that are done, and bytes moved. */
  steps = 0
  bytes = 0
  /** Bytes of the step that are done. */
  #done = 0
  #piece = 0
  #rounds = 0
  #underWay: Task | null = null
  #cancelled = false
  #ended = false

  /** `over` is called once: without a failure, with one, or with any after `cancel`. */
  constructor(order: CopyOrder, over: (job: CopyJob, failure: SenseCode | null) => void) {
    this.order = order
    this.#inner = order.at.unit.inner
    this.#over = over
  }

  start(): void {
    this.#guard(() => this.#nextStep())
  }

  /** Ends the job as soon as what is under way has ended. */
  cancel(): void {
    this.#cancelled = true
    if (this.#underWay !== null) this.#inner.abort(this.#underWay)
  }

  #end(failure: SenseCode | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#over(this, failure)
  }

  #nextStep() {
    if (this.#cancelled) return this.#end(COPY_ABORTED)
    if (this.steps === this.order.count) return this.#end(null)
    this.#done = 0
    const step = this.order.step(this.steps)
    if (isSense(step)) return this.#end(aborted(step))
    if (step.kind === 'ready') this.#askReady(step.source)
    else this.#nextPiece(step)
  }

  #stepDone(): void {
    this.steps++
    this.#yieldThen(() => this.#nextStep())
  }

  #askReady(source: NexusUnit): void {
    const task = this.#inner.take(source)
    TEST_UNIT_READY.cdb.write({ opcode: TEST_UNIT_READY.opcode }, task.cdb)
    this.#send(task, null, () => {
      this.#inner.release(task)
      this.#stepDone()
    })
  }

  #nextPiece(step: MoveStep | ZeroStep) {
    if (this.#done === step.length) return this.#stepDone()
    let most = PIECE
    if (step.kind === 'zero') most = MAX_WRITE_SAME
    else if (step.cloner !== null) most = step.destination.unit.device.maxTransfer
    this.#piece = Math.min(most, step.length - this.#done)
    const go = (): void => {
      if (this.#cancelled) this.#end(COPY_ABORTED)
      else if (step.kind === 'zero') this.#zero(step)
      else this.#read(step)
    }
    if (++this.#rounds % ROUNDS === 0) this.#yieldThen(go)
    else go()
  }

  #pieceDone(step: MoveStep | ZeroStep): void {
    this.#done += this.#piece
    this.bytes += this.#piece
    this.#nextPiece(step)
  }

  #zero(step: ZeroStep): void {
    const { blockSize } = step.destination.unit.device
    const lba = (step.to + this.#done) / blockSize
    const blocks = this.#piece / blockSize
    const task = this.#inner.take(step.destination)
    WRITE_SAME_16.cdb.write({ opcode: WRITE_SAME_16.opcode, lba, blocks, ndob: 1 }, task.cdb)
    this.#send(task, null, () => {
      this.#inner.release(task)
      this.#pieceDone(step)
    })
  }

  #read(step: MoveStep): void {
    const { source, cloner } = step
    const { blockSize } = source.unit.device
    const lba = (step.from + this.#at(step)) / blockSize
    const task = this.#inner.take(source)
    READ_16.cdb.write({ opcode: READ_16.opcode, lba, blocks: this.#piece / blockSize }, task.cdb)
    task.expectedIn = cloner === null ? this.#piece : 0
    this.#send(task, cloner?.check ?? null, () => {
      const objection = this.order.objection()
      if (objection === null) return this.#write(step, task)
      this.#inner.release(task)
      this.#end(objection)
    })
  }

  /** Offset of the piece in the step. */
  #at({ backwards, length }: MoveStep): number {
    return backwards ? length - this.#done - this.#piece : this.#done
  }

  #write(step: MoveStep, read: Task): void {
    const { destination, cloner } = step
    const at = this.#at(step)
    const length = this.#piece + (at + this.#piece === step.length ? step.pad : 0)
    const { blockSize } = destination.unit.device
    const lba = (step.to + at) / blockSize
    const task = this.#inner.take(destination)
    WRITE_16.cdb.write({ opcode: WRITE_16.opcode, lba, blocks: length / blockSize }, task.cdb)
    if (cloner === null) giveData(read, task, length - this.#piece)
    const written = (): void => {
      this.#inner.release(task)
      this.#inner.release(read)
      // A clone reads while it writes.
      const objection = cloner === null ? null : this.order.objection()
      if (objection !== null) this.#end(objection)
      else this.#pieceDone(step)
    }
    this.#send(task, cloner?.copyFrom(step.from + at) ?? null, written, read)
  }

  /** Sends a command of this job; `good` is called if it went well, else the job is over. */
  #send(task: Task, run: InnerCall['run'], good: () => void, held: Task | null = null): void {
    this.#underWay = task
    const ended = (): void => {
      this.#underWay = null
      const well = !task.aborted && !this.#cancelled && task.status === Status.good
      this.#guard(() => {
        if (well) return good()
        this.#inner.release(task)
        if (held !== null) this.#inner.release(held)
        this.#end(THIRD_PARTY_DEVICE_FAILURE)
      })
    }
    this.#inner.start(task, { ended, run })
  }

  #yieldThen(next: () => void): void {
    setImmediate(() => this.#guard(next))
  }

  /** An exception is a bug here or in a store: the copy ends, the operator hears of it. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (cause) {
      this.order.at.unit.warn(`A third-party copy failed: ${cause instanceof Error ? cause.stack : cause}`)
      this.#end(INTERNAL_TARGET_FAILURE)
    }
  }
}

/**
 * The read data becomes the write's, with `pad` zeros behind. The buffers go with it: should the write be given up while
 * the store has them, they are not used again.
 */
function giveData(read: Task, write: Task, pad: number): void {
  for (const segment of read.segments) {
    write.segments.push(segment)
    write.received += segment.length
  }
  for (const buffer of read.pooled) write.pooled.push(buffer)
  empty(read.segments)
  empty(read.pooled)
  if (pad > 0) write.segments.push(Buffer.alloc(pad))
  write.received += pad
  write.expectedOut = write.received
}

/** SPC-4: what goes wrong once segments are processed has sense key COPY ABORTED. */
const aborted = (code: SenseCode): SenseCode =>
  code.key === SenseKey.copyAborted ? code : { ...code, key: SenseKey.copyAborted }
