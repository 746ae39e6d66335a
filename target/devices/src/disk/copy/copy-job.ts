// SPDX-License-Identifier: Apache-2.0
// One third-party copy under way: segment after segment, piece after piece, by commands to the units concerned.
import {
  COPY_ABORTED,
  COPY_SEGMENT_GRANULARITY_VIOLATION,
  READ_16,
  type SenseCode,
  SenseKey,
  Status,
  TEST_UNIT_READY,
  THIRD_PARTY_DEVICE_FAILURE,
  UNEXPECTED_INEXACT_SEGMENT,
  WRITE_16,
} from '@lunkit/spec'
import { empty, type InnerCall, type InnerCommands, type NexusUnit, type Task } from '@lunkit/target-api'
import { type Cloner, clonerOf } from './clone.ts'
import { findUnit } from './find-unit.ts'
import { MAX_SEGMENT_BYTES } from './limits.ts'
import type { CopyPlan, MoveSegment, VerifySegment } from './parameter-list.ts'

/** Bytes that are read, and then written, at once. */
const PIECE = 1024 * 1024
/** Pieces in a row before other work of the process gets its turn. */
const ROUNDS = 4

/** A segment in bytes, with its places checked. `pad`: zeros behind the data up to a whole block. */
interface Move {
  readonly source: NexusUnit
  readonly destination: NexusUnit
  readonly from: number
  readonly to: number
  readonly length: number
  readonly pad: number
  /** The ranges overlap such that the end has to be copied first. */
  readonly backwards: boolean
  readonly cloner: Cloner | null
}

export class CopyJob {
  /** The command that asked for it. */
  readonly task: Task
  readonly #plan: CopyPlan
  readonly #inner: InnerCommands
  readonly #over: (job: CopyJob, failure: SenseCode | null) => void
  /** Segments that are done, and bytes moved. */
  segments = 0
  bytes = 0
  #move: Move | null = null
  /** Bytes of the segment that are done. */
  #done = 0
  #piece = 0
  #rounds = 0
  #underWay: Task | null = null
  #cancelled = false

  /** `over` is called once: without a failure, with one, or with any after `cancel`. */
  constructor(task: Task, plan: CopyPlan, over: (job: CopyJob, failure: SenseCode | null) => void) {
    this.task = task
    this.#plan = plan
    this.#inner = task.nexusUnit.unit.inner
    this.#over = over
  }

  start(): void {
    this.#nextSegment()
  }

  /** Ends the job as soon as what is under way has ended. */
  cancel(): void {
    this.#cancelled = true
    if (this.#underWay !== null) this.#inner.abort(this.#underWay)
  }

  #nextSegment() {
    if (this.#cancelled) return this.#over(this, COPY_ABORTED)
    const segment = this.#plan.segments[this.segments]
    if (segment === undefined) return this.#over(this, null)
    this.#move = null
    this.#done = 0
    if (segment.kind === 'verify') return this.#verify(segment)
    const move = this.#measure(segment)
    if (isSense(move)) return this.#over(this, aborted(move))
    this.#move = move
    this.#nextPiece()
  }

  #segmentDone() {
    this.segments++
    this.#yieldThen(() => this.#nextSegment())
  }

  #verify({ source, testUnitReady }: VerifySegment) {
    const at = findUnit(this.task, this.#plan.cscds, source)
    if (isSense(at)) return this.#over(this, aborted(at))
    if (!testUnitReady) return this.#segmentDone()
    const task = this.#inner.take(at)
    TEST_UNIT_READY.cdb.write({ opcode: TEST_UNIT_READY.opcode }, task.cdb)
    this.#send(task, null, () => {
      this.#inner.release(task)
      this.#segmentDone()
    })
  }

  /** Where the segment's bytes are and where they go, or why it cannot be done. */
  #measure(segment: MoveSegment): Move | SenseCode {
    const { cscds } = this.#plan
    const source = findUnit(this.task, cscds, segment.source)
    if (isSense(source)) return source
    const destination = findUnit(this.task, cscds, segment.destination)
    if (isSense(destination)) return destination
    const from = blocksOf(source, segment.sourceLba) + segment.sourceOffset
    const to = blocksOf(destination, segment.destinationLba) + segment.destinationOffset
    const length = countOf(segment, source, destination)
    if (length > MAX_SEGMENT_BYTES) return COPY_ABORTED
    const sourceBlock = source.unit.device.blockSize
    const destinationBlock = destination.unit.device.blockSize
    if (from % sourceBlock !== 0 || length % sourceBlock !== 0 || to % destinationBlock !== 0) {
      return segment.unit === 'byte' ? COPY_SEGMENT_GRANULARITY_VIOLATION : UNEXPECTED_INEXACT_SEGMENT
    }
    const over = length % destinationBlock
    const padded = cscds[segment.destination]?.pad === true
    if (over !== 0 && !padded) return UNEXPECTED_INEXACT_SEGMENT
    const pad = over === 0 ? 0 : destinationBlock - over
    if (from + length > blocksOf(source, source.unit.device.blocks)) return COPY_ABORTED
    if (to + length + pad > blocksOf(destination, destination.unit.device.blocks)) return COPY_ABORTED
    const overlaps =
      source.unit === destination.unit && from < to + length && to < from + length && from !== to
    const cloner = overlaps || pad > 0 ? null : clonerOf(source, destination)
    return { source, destination, from, to, length, pad, backwards: overlaps && to > from, cloner }
  }

  #nextPiece() {
    const move = this.#move!
    if (this.#done === move.length) return this.#segmentDone()
    const most = move.cloner === null ? PIECE : move.destination.unit.device.maxTransfer
    this.#piece = Math.min(most, move.length - this.#done)
    if (++this.#rounds % ROUNDS === 0) this.#yieldThen(() => this.#read(move))
    else this.#read(move)
  }

  #read(move: Move) {
    if (this.#cancelled) return this.#over(this, COPY_ABORTED)
    const { source, cloner } = move
    const blocks = this.#piece / source.unit.device.blockSize
    const task = this.#inner.take(source)
    READ_16.cdb.write(
      { opcode: READ_16.opcode, lba: (move.from + this.#at(move)) / source.unit.device.blockSize, blocks },
      task.cdb,
    )
    task.expectedIn = cloner === null ? this.#piece : 0
    this.#send(task, cloner?.check ?? null, () => this.#write(move, task))
  }

  /** Offset of the piece in the segment. */
  #at({ backwards, length }: Move): number {
    return backwards ? length - this.#done - this.#piece : this.#done
  }

  #write(move: Move, read: Task) {
    const { destination, cloner } = move
    const last = this.#at(move) + this.#piece === move.length
    const length = this.#piece + (last ? move.pad : 0)
    const { blockSize } = destination.unit.device
    const task = this.#inner.take(destination)
    WRITE_16.cdb.write(
      {
        opcode: WRITE_16.opcode,
        lba: (move.to + this.#at(move)) / blockSize,
        blocks: length / blockSize,
      },
      task.cdb,
    )
    if (cloner === null) {
      // The buffers go with the data: should the write be given up while the store has them, they are not used again.
      for (const segment of read.segments) task.segments.push(segment)
      for (const buffer of read.pooled) task.pooled.push(buffer)
      empty(read.segments)
      empty(read.pooled)
      if (length > this.#piece) task.segments.push(Buffer.alloc(length - this.#piece))
      task.received = length
      task.expectedOut = length
    }
    const run = cloner?.copyFrom(move.from + this.#at(move)) ?? null
    this.#send(
      task,
      run,
      () => {
        this.#inner.release(task)
        this.#inner.release(read)
        this.#done += this.#piece
        this.bytes += this.#piece
        this.#nextPiece()
      },
      read,
    )
  }

  /** Sends a command of this job; `good` is called if it went well, else the job is over. */
  #send(task: Task, run: InnerCall['run'], good: () => void, held: Task | null = null) {
    this.#underWay = task
    const ended = (): void => {
      this.#underWay = null
      const well = !task.aborted && !this.#cancelled && task.status === Status.good
      this.#guard(() => {
        if (well) return good()
        this.#inner.release(task)
        if (held !== null) this.#inner.release(held)
        this.#over(this, THIRD_PARTY_DEVICE_FAILURE)
      })
    }
    this.#inner.start(task, { ended, run })
  }

  #yieldThen(next: () => void) {
    setImmediate(() => this.#guard(next))
  }

  /** What goes wrong here is the fault of the command that asked for the copy. */
  #guard(act: () => void) {
    try {
      act()
    } catch (cause) {
      this.task.fault(cause)
    }
  }
}

const isSense = (one: unknown): one is SenseCode => typeof (one as SenseCode).asc === 'number'

const blocksOf = ({ unit }: NexusUnit, count: number): number => count * unit.device.blockSize

function countOf({ unit, count }: MoveSegment, source: NexusUnit, destination: NexusUnit): number {
  if (unit === 'byte') return count
  return blocksOf(unit === 'source' ? source : destination, count)
}

/** SPC-4: what goes wrong once segments are processed has sense key COPY ABORTED. */
const aborted = (code: SenseCode): SenseCode =>
  code.key === SenseKey.copyAborted ? code : { ...code, key: SenseKey.copyAborted }
