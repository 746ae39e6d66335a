// SPDX-License-Identifier: Apache-2.0
// Reads a range of any length through one pooled buffer, piece by piece, and compares it with what was sent.
import { MISCOMPARE_DURING_VERIFY_OPERATION } from '@lunkit/spec'
import { empty, fail, failStore, LARGEST, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from './disk.ts'

/** Pieces in a row before other work of the process gets its turn. */
const ROUNDS = 32

/** One sweep under way; the task's `deviceData`. */
class Sweep {
  /** First byte in the store, length of the range, and how much of it is done. */
  readonly start: number
  readonly length: number
  done = 0
  /** Bytes of the piece under way. */
  piece = 0
  /** What the range should hold: slices in order, or null to read only. */
  readonly expected: readonly Buffer[] | null
  /** The expected bytes repeat: one block for the whole range. */
  readonly repeats: boolean
  slice = 0
  sliceAt = 0
  inCall = false
  answered = false
  paused = false
  constructor(start: number, length: number, expected: readonly Buffer[] | null, repeats: boolean) {
    this.start = start
    this.length = length
    this.expected = expected
    this.repeats = repeats
  }
}

/** Whether the task waits for its turn and has no request in the store. */
export const isPaused = (task: Task): boolean => task.deviceData instanceof Sweep && task.deviceData.paused

/**
 * Reads `length` bytes from the task's LBA on and ends the task: GOOD, the store's error, or MISCOMPARE with the LBA
 * in INFORMATION. `expected` holds the bytes to compare with (with `repeats`, one block that stands for all), or is
 * null where reading is all that is asked.
 */
export function sweep(
  task: Task,
  disk: Disk,
  length: number,
  expected: readonly Buffer[] | null,
  repeats = false,
): void {
  const one = new Sweep(task.lba * disk.blockSize, length, expected, repeats)
  task.deviceData = one
  task.releaseData()
  task.reserve(Math.min(length, LARGEST))
  pump(task, one)
}

function pump(task: Task, one: Sweep) {
  const disk = task.nexusUnit.unit.device as Disk
  const { io } = task
  for (let round = 0; one.done < one.length; round++) {
    if (task.aborted) {
      io.error = StoreError.aborted
      return failStore(task, disk.blockSize, false)
    }
    if (round === ROUNDS) {
      one.paused = true
      setImmediate(resume, task)
      return
    }
    const buffer = task.segments[0]!
    one.piece = Math.min(buffer.length, one.length - one.done)
    io.offset = one.start + one.done
    io.length = one.piece
    empty(io.segments)
    io.segments.push(one.piece === buffer.length ? buffer : buffer.subarray(0, one.piece))
    io.forceUnitAccess = false
    io.onFinish = arrived
    one.answered = false
    one.inCall = true
    disk.store.read(io)
    one.inCall = false
    if (!one.answered) return
    if (!accept(task, disk, one)) return
  }
  task.releaseData()
  succeed(task)
}

function resume(task: Task): void {
  const one = task.deviceData as Sweep
  one.paused = false
  pump(task, one)
}

function arrived(task: Task): void {
  const one = task.deviceData as Sweep
  one.answered = true
  // Inside the call the loop goes on by itself, so that the stack does not grow.
  if (one.inCall) return
  if (accept(task, task.nexusUnit.unit.device as Disk, one)) pump(task, one)
}

/** Takes the piece that was read, or ends the task and returns false. */
function accept(task: Task, disk: Disk, one: Sweep): boolean {
  if (task.io.error !== StoreError.none) {
    failStore(task, disk.blockSize, false)
    return false
  }
  const at = one.expected === null ? -1 : firstDifference(one, one.expected, task.segments[0]!, one.piece)
  if (at >= 0) {
    task.information = Math.floor((one.start + one.done + at) / disk.blockSize)
    fail(task, MISCOMPARE_DURING_VERIFY_OPERATION)
    return false
  }
  one.done += one.piece
  return true
}

/** Offset in `piece` of the first byte that is not as expected, or -1; moves on in the expected slices. */
function firstDifference(one: Sweep, expected: readonly Buffer[], piece: Buffer, length: number): number {
  for (let at = 0; at < length; ) {
    const slice = expected[one.slice]!
    const count = Math.min(length - at, slice.length - one.sliceAt)
    if (slice.compare(piece, at, at + count, one.sliceAt, one.sliceAt + count) !== 0) {
      for (let i = 0; i < count; i++) if (slice[one.sliceAt + i] !== piece[at + i]) return at + i
    }
    at += count
    one.sliceAt += count
    if (one.sliceAt === slice.length) {
      one.sliceAt = 0
      one.slice++
      if (one.repeats && one.slice === expected.length) one.slice = 0
    }
  }
  return -1
}
