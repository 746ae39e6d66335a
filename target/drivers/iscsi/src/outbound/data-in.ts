// SPDX-License-Identifier: Apache-2.0
// Data-In: a command's data, with the status in the last PDU if all is well (RFC 7143, 11.7).
import { BHS_LENGTH, DATA_IN, Opcode, writeDigest } from '@lunkit/spec'
import { empty, HEADROOM, type Task } from '@lunkit/target-api'
import type { Connection } from '../connection.ts'
import type { KeptCommand } from '../recovery/kept-command.ts'
import { claimPdu, countStatus, endData, noTransferTag, padded, sealHeader, writeWindow } from './pdu.ts'

const { opcode, final, statusPresent, overflow, underflow, dataSegmentLength, itt } = DATA_IN.field
const { dataSn, bufferOffset, residualCount, acknowledge, ttt } = DATA_IN.field

/** Data up to this many bytes is copied beside its header: cheaper than one more buffer in the write. */
const COPY_BYTES = 1024

/**
 * Sends the first `length` bytes of the task's segments; with `collapse` the last PDU carries status GOOD and the
 * residual. `first` is the DataSN to begin with: R2Ts of the same command have used up those before. Returns the number of PDUs, or -1 if the segments hold less.
 */
export function sendDataIn(
  connection: Connection,
  task: Task,
  length: number,
  collapse: boolean,
  residual: number,
  first = 0,
): number {
  const { sendLimit } = connection
  const { maxBurst } = connection.session!.parameters
  connection.counters.bytesRead += length
  if (length <= sendLimit && length <= maxBurst) {
    if (task.segments.length === 1) {
      const segment = task.segments[0]!
      if (segment.length < length) return -1
      if (task.pooled.length === 1) {
        sendPooled(connection, task, length, collapse, residual, first)
        return 1
      }
    }
  }
  return sendPieces(connection, task, length, collapse, residual, first)
}

/** The usual case: header, data, padding and digest lie one behind the other in the pool's buffer. */
function sendPooled(
  connection: Connection,
  task: Task,
  length: number,
  collapse: boolean,
  residual: number,
  first: number,
): void {
  const pooled = task.pooled[0]!
  const { whole } = pooled
  const at = HEADROOM - connection.headerBytes
  for (let i = at; i < HEADROOM; i++) whole[i] = 0
  writeDataHead(connection, whole, at, task.tag, length, first, 0, true, collapse, residual)
  let end = HEADROOM + length
  if ((length & 3) !== 0) {
    const to = HEADROOM + padded(length)
    whole.fill(0, end, to)
    end = to
  }
  if (connection.dataDigest) {
    // Of an array as a whole it takes no view.
    const crc =
      end === HEADROOM + length
        ? connection.checksum(pooled.first(length), 0, length, 0)
        : connection.checksum(whole, HEADROOM, end, 0)
    writeDigest(whole, end, crc)
    end += 4
  }
  connection.out.push(pooled.part(at, end))
}

function sendPieces(
  connection: Connection,
  task: Task,
  length: number,
  collapse: boolean,
  residual: number,
  first: number,
): number {
  const { sendLimit } = connection
  const { maxBurst } = connection.session!.parameters
  let have = 0
  for (const segment of task.segments) have += segment.length
  if (have < length) return -1
  let offset = 0
  let count = 0
  let index = 0
  let inSegment = 0
  const slices: Buffer[] = []
  while (offset < length) {
    const part = Math.min(length - offset, sendLimit, maxBurst - (offset % maxBurst))
    empty(slices)
    for (let left = part; left > 0; ) {
      const segment = task.segments[index]!
      const take = Math.min(left, segment.length - inSegment)
      if (take > 0) {
        slices.push(take === segment.length ? segment : segment.subarray(inSegment, inSegment + take))
      }
      left -= take
      inSegment += take
      if (inSegment === segment.length) {
        index++
        inSegment = 0
      }
    }
    const next = offset + part
    const last = next === length
    const endsBurst = last || next % maxBurst === 0
    const number = first + count
    sendPiece(connection, task.tag, slices, part, number, offset, endsBurst, last && collapse, residual)
    offset = next
    count++
  }
  return count
}

function sendPiece(
  connection: Connection,
  tag: number,
  slices: readonly Buffer[],
  length: number,
  number: number,
  offset: number,
  endsBurst: boolean,
  collapse: boolean,
  residual: number,
): void {
  const copied = length <= COPY_BYTES
  const at = copied ? claimPdu(connection, length) : connection.out.claim(connection.headerBytes)
  const { arena } = connection.out
  writeDataHead(connection, arena, at, tag, length, number, offset, endsBurst, collapse, residual)
  if (!copied) {
    for (const slice of slices) connection.out.push(slice)
    endData(connection, slices, length)
    return
  }
  const from = at + connection.headerBytes
  let to = from
  for (const slice of slices) to += slice.copy(arena, to)
  to = from + padded(length)
  if (connection.dataDigest) writeDigest(arena, to, connection.checksum(arena, from, to, 0))
}

/**
 * Sends one piece of a kept command's data, which stays as it is. `asking` is the command where the initiator is to
 * acknowledge all data so far (RFC 7143, 11.7.2).
 */
export function sendKeptPiece(
  connection: Connection,
  tag: number,
  data: Buffer,
  number: number,
  offset: number,
  endsBurst: boolean,
  asking: KeptCommand | null,
): void {
  connection.counters.bytesRead += data.length
  const at = connection.out.claim(connection.headerBytes)
  const { arena } = connection.out
  opcode.set(arena, at, Opcode.dataIn)
  if (endsBurst) final.set(arena, at, 1)
  dataSegmentLength.set(arena, at, data.length)
  itt.set(arena, at, tag)
  noTransferTag(arena, at)
  if (asking !== null) {
    acknowledge.set(arena, at, 1)
    arena.writeUInt32BE(asking.lunHigh, at + 8)
    arena.writeUInt32BE(asking.lunLow, at + 12)
    ttt.set(arena, at, asking.tag)
  }
  dataSn.set(arena, at, number)
  bufferOffset.set(arena, at, offset)
  writeWindow(connection, arena, at)
  sealHeader(connection, arena, at)
  connection.out.push(data)
  endData(connection, [data], data.length)
}

function writeDataHead(
  connection: Connection,
  into: Buffer,
  at: number,
  tag: number,
  length: number,
  number: number,
  offset: number,
  endsBurst: boolean,
  collapse: boolean,
  residual: number,
): void {
  opcode.set(into, at, Opcode.dataIn)
  if (endsBurst) final.set(into, at, 1)
  dataSegmentLength.set(into, at, length)
  itt.set(into, at, tag)
  noTransferTag(into, at)
  dataSn.set(into, at, number)
  bufferOffset.set(into, at, offset)
  if (collapse) {
    statusPresent.set(into, at, 1)
    if (residual > 0) overflow.set(into, at, 1)
    else if (residual < 0) underflow.set(into, at, 1)
    residualCount.set(into, at, residual < 0 ? -residual : residual)
    countStatus(connection, into, at)
  } else {
    writeWindow(connection, into, at)
  }
  sealHeader(connection, into, at)
}

if (BHS_LENGTH + 4 > HEADROOM) throw new RangeError('Pool buffers have no room for an iSCSI header')
