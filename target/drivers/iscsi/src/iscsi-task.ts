// SPDX-License-Identifier: Apache-2.0
// A SCSI task as iSCSI sees it: tags, the data sequences still to come, and an answer that must wait for them.
import { decodeLun, type SenseCode } from '@lunkit/spec'
import { empty, LONGEST_SENSE, type Task } from '@lunkit/target-api'
import type { Connection } from './connection.ts'
import { Gather } from './gather.ts'
import type { Answer } from './recovery/kept-command.ts'
import type { Session } from './session.ts'

/** Bits of a target transfer tag below the task's slot: they count the task's R2Ts. */
export const TTT_COUNT_BITS = 12
const TTT_COUNT_MASK = (1 << TTT_COUNT_BITS) - 1

/** One per task in flight, reused by its session; `task.driverData` points here. */
export class IscsiTask {
  /** Index in the session's table, and the upper part of this task's target transfer tags. */
  readonly slot: number
  readonly session: Session
  /** The engine's task, or null where only its data is still awaited. */
  task: Task | null = null
  /** Where its PDUs come and go (connection allegiance, RFC 7143, 4.2.5.1). */
  connection: Connection | null = null
  itt = 0
  /** Of its command, where commands may come in another order. */
  cmdSn = 0
  /** The table's. */
  nextInTable: IscsiTask | null = null
  /** LUN field of the command, for its R2Ts and for Data-In that asks for an acknowledgement. */
  lunHigh = 0
  lunLow = 0
  /** Expected data transfer length, in bytes to the target. */
  expected = 0
  /** Data-out bytes received in order from 0, those of a failed task included. */
  got = 0
  /** Bytes that came although they could not be used; too many of them end the connection. */
  wasted = 0
  /** End of the running data sequence: Data-Out must not go beyond. */
  sequenceEnd = 0
  /** DataSN that the running sequence continues with. */
  dataSn = 0
  /** The initiator still sends unsolicited data: its final bit has not come. */
  unsolicited = false
  /** Unsolicited data that came before the engine wanted any. */
  readonly held: Buffer[] = []
  readonly gather: Gather = new Gather()
  /** Bytes counted by `EarlyData`. */
  early = 0
  /** Clock of the port when the command's turn came; and the time by `performance.now()`, where slow ones are told of. */
  begunAt = 0
  startedAt = 0
  /** Clock of the port when data last came, or was asked for first. */
  movedAt = 0
  /** CID of the connection that was lost, for a task without one. */
  lostCid = -1
  /** That connection was logged out since: another may take the task over. */
  released = false
  /** The command was an immediate one; kept where `cmdSn` is. */
  immediate = false
  /** A PDU of the running sequence was lost: the rest is asked for again when the sequence ends. */
  skipping = false
  /** Sequences that were asked for again. */
  repeats = 0
  /** Offset and length of the last R2T. */
  r2tStart = 0
  r2tLength = 0
  /** The engine wants `wanted` bytes in all and waits for dataArrived(). */
  fetching = false
  wanted = 0
  /** R2Ts sent, and those of them whose data is complete; offset of the next one. */
  r2tsSent = 0
  r2tsDone = 0
  r2tOffset = 0
  /** Why the data cannot be used: the task fails once the initiator has sent what it was told to send. */
  fault: SenseCode | null = null
  /** An answer that waits until the unsolicited data is through; the engine's task is gone by then. */
  answered = false
  /** That answer has to be in order with those of other connections. */
  fenced = false
  status = 0
  outLength = 0
  bidiResidual = 0
  senseLength = 0
  readonly sense: Buffer = Buffer.alloc(LONGEST_SENSE)

  constructor(slot: number, session: Session) {
    this.slot = slot
    this.session = session
  }

  /** Tag of the R2T with number `count`. */
  transferTag(count: number): number {
    return ((this.slot << TTT_COUNT_BITS) | (count & TTT_COUNT_MASK)) >>> 0
  }

  /** Whether a target transfer tag is the one whose data is due now. */
  isDue(tag: number): boolean {
    return this.r2tsDone < this.r2tsSent && (tag & TTT_COUNT_MASK) === (this.r2tsDone & TTT_COUNT_MASK)
  }

  begin(connection: Connection, task: Task, itt: number, expected: number): void {
    this.connection = connection
    this.task = task
    this.itt = itt
    this.expected = expected
    this.got = 0
    this.wasted = 0
    this.sequenceEnd = 0
    this.dataSn = 0
    this.unsolicited = false
    this.fetching = false
    this.wanted = 0
    this.r2tsSent = 0
    this.r2tsDone = 0
    this.r2tOffset = 0
    this.fault = null
    this.answered = false
    this.lostCid = -1
    this.released = false
    this.skipping = false
    this.repeats = 0
  }

  /** Its connection is gone: nothing that was on its way counts. */
  strand(): void {
    this.lostCid = this.connection!.cid
    this.released = false
    this.connection = null
    this.#endTransfers()
  }

  /** No data is wanted or awaited any more. */
  dismissData(): void {
    this.fetching = false
    empty(this.held)
    this.#endTransfers()
  }

  #endTransfers(): void {
    this.unsolicited = false
    this.skipping = false
    this.r2tsDone = this.r2tsSent
  }

  /** The answer that waited for data. */
  takeAnswer(): Answer {
    return {
      status: this.status,
      residual: this.outLength - this.expected,
      bidiResidual: this.bidiResidual,
      sense: Buffer.from(this.sense.subarray(0, this.senseLength)),
    }
  }

  keepLun(header: Buffer, at: number): void {
    this.lunHigh = header.readUInt32BE(at)
    this.lunLow = header.readUInt32BE(at + 4)
  }

  /** Decoded; one without a task of the engine is a write. */
  get lun(): number {
    return this.task?.lun ?? decodedLun(this)
  }

  /** Whether data of this task can still be on its way. */
  get awaitsData(): boolean {
    return this.unsolicited || this.r2tsDone < this.r2tsSent
  }

  end(): void {
    this.task = null
    empty(this.held)
    this.gather.end()
    this.fault = null
  }
}

const LUN = Buffer.alloc(8)

/** What a LUN field says that was kept. */
export function decodedLun({
  lunHigh,
  lunLow,
}: {
  readonly lunHigh: number
  readonly lunLow: number
}): number {
  LUN.writeUInt32BE(lunHigh, 0)
  LUN.writeUInt32BE(lunLow, 4)
  return decodeLun(LUN, 0)
}

/** Slot of a target transfer tag. */
export const slotOf = (tag: number): number => tag >>> TTT_COUNT_BITS
