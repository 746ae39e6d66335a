// SPDX-License-Identifier: Apache-2.0
// What a logical unit counts of its commands: plain number fields that the road adds to, read when somebody asks.
import {
  type Command,
  SenseKey,
  START_STOP_UNIT,
  Status,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  VERIFY_32,
} from '@lunkit/spec'
import type { Task } from './task.ts'
import { UnknownCommands } from './unknown-commands.ts'

/** What a command is to the counters. `other` touches the medium and neither reads, writes nor verifies blocks. */
export const Access = Object.freeze({ none: 0, read: 1, write: 2, verify: 3, other: 4 } as const)
export type Access = (typeof Access)[keyof typeof Access]

/** The global is a getter, which costs more than the clock. */
const clock = performance

const VERIFIES: ReadonlySet<unknown> = new Set([VERIFY_10, VERIFY_12, VERIFY_16, VERIFY_32])

/** From the row; for the engine's routes, once at load. */
export function accessOf(command: Pick<Command, 'touches' | 'data' | 'opcode' | 'cdb'>): Access {
  const { touches, data, opcode } = command
  // It sets the power condition: that is not to count as what ends one.
  if (!touches.startsWith('medium') || opcode === START_STOP_UNIT.opcode) return Access.none
  if (VERIFIES.has(command)) return Access.verify
  if (command.cdb.field['blocks'] === undefined) return Access.other
  if (touches === 'medium-read' && data === 'in') return Access.read
  return touches === 'medium-write' ? Access.write : Access.other
}

/**
 * Times are taken of one command in so many on average, and counted for all of them: to read the clock twice costs as
 * much as all else on the road. The steps vary, so that no pattern of commands escapes.
 */
const SAMPLE = 16

/** `task.began` of a command whose time is not taken. */
const UNTIMED = -1

/** Numbers since the unit was made or since LOG SELECT set them back; each below 2^53. */
export class UnitCounters {
  reads = 0
  writes = 0
  verifies = 0
  blocksRead = 0
  blocksWritten = 0
  blocksVerified = 0
  /** Time from decoding to the answer, in milliseconds, by samples. */
  readTime = 0
  writeTime = 0
  /** Commands that ended with MEDIUM ERROR. */
  readErrors = 0
  writeErrors = 0
  verifyErrors = 0
  /** Commands that ended with HARDWARE ERROR, and MEDIUM ERRORs of commands that move no blocks. */
  otherErrors = 0
  /** Commands that touched the medium; never set back. Tells whether the unit was in use since. */
  accesses = 0
  /** Commands that the unit does not have; never set back. */
  readonly unknown = new UnknownCommands()
  /** Those that have begun and not ended. */
  running = 0
  /** For each read and write, how many commands were running then, itself included. */
  weighted = 0
  /** Time with any command running, in milliseconds, by samples. */
  busyTime = 0
  #busySince = 0
  #untilSample = 1
  #random = 1

  /** The command was decoded. */
  began(task: Task, access: Access): void {
    if (access === Access.none) return
    this.accesses++
    task.began = UNTIMED
    if (access <= Access.write) this.weighted += this.running + 1
    if (--this.#untilSample === 0) this.#sample(task)
    this.running++
  }

  #sample(task: Task): void {
    task.began = clock.now()
    // The first command of a busy time stands for so many of them, as each sample stands for its like.
    if (this.running === 0) this.#busySince = task.began
    this.#random = (this.#random * 69_069 + 1) & 0x7fff_ffff
    this.#untilSample = 1 + ((this.#random >>> 16) % (2 * SAMPLE - 1))
  }

  /** It has its answer, or it was aborted. A command that never began is not counted. */
  ended(task: Task, access: Access): void {
    const { began } = task
    if (began === 0) return
    task.began = 0
    if (--this.running === 0 && this.#busySince !== 0) {
      this.busyTime += SAMPLE * (clock.now() - this.#busySince)
      this.#busySince = 0
    }
    if (task.aborted) return
    if (task.status !== Status.good) {
      this.#failed(task, access)
      return
    }
    if (access === Access.read) {
      this.reads++
      this.blocksRead += task.blocks
      if (began !== UNTIMED) this.readTime += SAMPLE * (clock.now() - began)
    } else if (access === Access.write) {
      this.writes++
      this.blocksWritten += task.blocks
      if (began !== UNTIMED) this.writeTime += SAMPLE * (clock.now() - began)
    } else if (access === Access.verify) {
      this.verifies++
      this.blocksVerified += task.blocks
    }
  }

  #failed(task: Task, access: Access): void {
    const key = task.senseCode?.key
    if (key === SenseKey.hardwareError) this.otherErrors++
    if (key !== SenseKey.mediumError) return
    if (access === Access.read) this.readErrors++
    else if (access === Access.write) this.writeErrors++
    else if (access === Access.verify) this.verifyErrors++
    else this.otherErrors++
  }
}
