// SPDX-License-Identifier: Apache-2.0
// The read data of one task where PDUs of it are missing: which ones, where they go, and the status that waits for them.
import { TransportError } from '@lunkit/initiator-core'
import { DATA_IN } from '@lunkit/spec'
import type { Task } from './task.ts'

const { dataSn, bufferOffset } = DATA_IN.field
/** Runs of missing PDUs of one task. */
const MAX_HOLES = 256

/** Data-In PDUs `sn` up to `end`, which have bytes `from` up to `to`. */
export interface Hole {
  readonly sn: number
  readonly end: number
  readonly from: number
  readonly to: number
}

export class DataRecovery {
  /** In order. */
  readonly holes: Hole[] = []
  /** The PDU with the status, header and data, which came before the data were whole. */
  held: { readonly header: Uint8Array; readonly data: Uint8Array } | null = null
  /** StatSN of a status that has come and is not acknowledged until the data are whole; -1 where there is none. */
  heldSn = -1
  /** DataSN and bytes up to which data are acknowledged. */
  ackedPdus = 0
  ackedBytes = 0
  /** Where an acknowledgement is due: up to this DataSN, to this tag and LUN. 0 where none is. */
  ackDue = 0
  ackTag = 0
  ackLun: Uint8Array | null = null
  /** Tag that the response must carry after data were asked for cut anew; 0 before. */
  snackTag = 0
  /** Data of before that are to be let pass until those cut anew begin. */
  restarting = false
  /** PDUs asked for before may still come, the first of those not acknowledged among them: they look like the new ones. */
  strays = false
  /** Clock of the session when something was asked for, and how often it was without anything coming. */
  askedAt = 0
  asks = 0
}

/** The task's recovery, made where it is not there. */
export function recoveryOf(task: Task): DataRecovery {
  task.recovery ??= new DataRecovery()
  return task.recovery
}

/**
 * Checks a Data-In header where PDUs may be missing or come again; returns the offset at which its data go into the
 * task's buffer, or -1 where they are there. What is there is never written again.
 */
export function locateDataIn(task: Task, header: Uint8Array, length: number): number {
  const sn = dataSn.get(header, 0)
  const at = bufferOffset.get(header, 0)
  if (at + length > task.dataIn.length) {
    throw broken(`sent ${at + length} bytes of read data where at most ${task.dataIn.length} were asked for`)
  }
  const { recovery } = task
  if (recovery?.restarting && (recovery.strays || sn !== task.dataInPdus || at !== task.received)) return -1
  if (sn >= task.dataInPdus) {
    const due = sn === task.dataInPdus ? at === task.received : at >= task.received
    if (!due) throw broken(`sent read data for offset ${at} where ${task.received} was due`)
    return at
  }
  const hole = holeOf(recovery, sn)
  if (hole === null) return -1
  const left = sn === hole.sn ? at === hole.from : at >= hole.from
  const right = sn === hole.end - 1 ? at + length === hole.to : at + length <= hole.to
  if (!left || !right)
    throw broken(`sent DataSN ${sn} again, but with data that do not fit between the others`)
  return at
}

/** Counts a complete Data-In PDU that `locateDataIn` gave a place. Returns the PDUs that are missing before it, if new. */
export function takeDataIn(task: Task, header: Uint8Array, length: number): Hole | null {
  const sn = dataSn.get(header, 0)
  const at = bufferOffset.get(header, 0)
  if (task.recovery !== null) {
    task.recovery.restarting = false
    task.recovery.asks = 0
  }
  if (sn < task.dataInPdus) {
    fill(task.recovery!, sn, at, at + length)
    return null
  }
  const hole = sn > task.dataInPdus ? { sn: task.dataInPdus, end: sn, from: task.received, to: at } : null
  if (hole !== null) dig(task, hole)
  task.dataInPdus = sn + 1
  task.received = at + length
  return hole
}

/** Counts a Data-In PDU whose data are damaged as missing. Returns what to ask for, or null if it is not needed. */
export function missDataIn(task: Task, header: Uint8Array, length: number): Hole | null {
  const sn = dataSn.get(header, 0)
  const at = bufferOffset.get(header, 0)
  if (locateDataIn(task, header, length) < 0) return null
  if (sn < task.dataInPdus) return { sn, end: sn + 1, from: at, to: at + length }
  const hole = { sn: task.dataInPdus, end: sn + 1, from: task.received, to: at + length }
  dig(task, hole)
  task.dataInPdus = hole.end
  task.received = hole.to
  return hole
}

/** Counts PDUs at the end as missing, up to DataSN `end` and byte `to`. */
export function missTail(task: Task, end: number, to: number): Hole {
  const hole = { sn: task.dataInPdus, end, from: task.received, to }
  if (to < task.received || to > task.dataIn.length) {
    throw broken(`counted ${end} data PDUs, but there is no room for more than ${task.dataInPdus}`)
  }
  dig(task, hole)
  task.dataInPdus = end
  task.received = to
  return hole
}

/** Forgets all data from the first missing PDU on, and counts those before it as acknowledged; returns its DataSN. */
export function cutToWhole(task: Task): number {
  const first = task.recovery?.holes[0]
  if (first !== undefined) {
    task.dataInPdus = first.sn
    task.received = first.from
  }
  task.recovery = null
  if (task.dataInPdus > 0) {
    const recovery = recoveryOf(task)
    recovery.ackedPdus = task.dataInPdus
    recovery.ackedBytes = task.received
  }
  return task.dataInPdus
}

/** Forgets all data that are not acknowledged: PDUs cut anew are to come, and `tag` with their response. */
export function startOver(task: Task, tag: number): void {
  const recovery = recoveryOf(task)
  recovery.holes.length = 0
  recovery.held = null
  recovery.ackDue = 0
  recovery.restarting = true
  recovery.snackTag = tag
  task.dataInPdus = recovery.ackedPdus
  task.received = recovery.ackedBytes
}

/** Whether the status came before data were cut anew, and the one with the new tag has not come. */
export const lacksStatus = ({ recovery }: Task): boolean =>
  recovery !== null && recovery.heldSn >= 0 && recovery.held === null

/** Whether data before the status are still missing. */
export const isMissing = (task: Task): boolean =>
  task.recovery !== null && (task.recovery.holes.length > 0 || task.recovery.restarting)

function dig(task: Task, hole: Hole): void {
  const { holes } = recoveryOf(task)
  if (holes.length >= MAX_HOLES) throw broken(`left out data PDUs of one command in over ${MAX_HOLES} places`)
  holes.push(hole)
}

function holeOf(recovery: DataRecovery | null, sn: number): Hole | null {
  return recovery?.holes.find(hole => sn >= hole.sn && sn < hole.end) ?? null
}

function fill({ holes }: DataRecovery, sn: number, from: number, to: number): void {
  const at = holes.findIndex(hole => sn >= hole.sn && sn < hole.end)
  const hole = holes[at]!
  const rest: Hole[] = []
  if (sn > hole.sn) rest.push({ sn: hole.sn, end: sn, from: hole.from, to: from })
  if (sn + 1 < hole.end) rest.push({ sn: sn + 1, end: hole.end, from: to, to: hole.to })
  if (holes.length + rest.length - 1 > MAX_HOLES) {
    throw broken(`left out data PDUs of one command in over ${MAX_HOLES} places`)
  }
  holes.splice(at, 1, ...rest)
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
