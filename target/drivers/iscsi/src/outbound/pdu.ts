// SPDX-License-Identifier: Apache-2.0
// How every answer is put together: room in the send queue, numbers, padding, digests.
import { BHS_LENGTH, DIGEST_LENGTH, NOP_IN, RESERVED_TAG, writeDigest } from '@lunkit/spec'
import type { Connection } from '../connection.ts'

const { opcode, final, dataSegmentLength, itt, ttt, statSn, expCmdSn, maxCmdSn } = NOP_IN.field

/** Room for a PDU whose `length` data bytes are put in place; returns the header's offset in `connection.out.arena`. */
export function claimPdu(connection: Connection, length: number): number {
  return connection.out.claim(connection.headerBytes + padded(length) + trailer(connection, length))
}

/** The fields that are the same in all answers but login's. `tag` is the initiator task tag. */
export function writeHead(into: Buffer, at: number, code: number, length: number, tag: number): void {
  opcode.set(into, at, code)
  final.set(into, at, 1)
  dataSegmentLength.set(into, at, length)
  itt.set(into, at, tag)
}

export const noTransferTag = (into: Buffer, at: number): void => ttt.set(into, at, RESERVED_TAG)

/** StatSN, which this answer uses up, with ExpCmdSN and MaxCmdSN. */
export function countStatus(connection: Connection, into: Buffer, at: number): void {
  statSn.set(into, at, connection.statSn)
  connection.statSn = (connection.statSn + 1) >>> 0
  writeWindow(connection, into, at)
}

/** StatSN that the next answer will have, which is not used up (R2T, NOP-In of our own). */
export function showStatus(connection: Connection, into: Buffer, at: number): void {
  statSn.set(into, at, connection.statSn)
  writeWindow(connection, into, at)
}

export function writeWindow(connection: Connection, into: Buffer, at: number): void {
  const session = connection.session!
  maxCmdSn.set(into, at, session.maxCmdSn())
  expCmdSn.set(into, at, session.window.expected)
}

/** Digests of a PDU that is complete in one buffer but for them. Padding is zero already. */
export function sealPdu(connection: Connection, into: Buffer, at: number, length: number): void {
  sealHeader(connection, into, at)
  if (length === 0 || !connection.dataDigest) return
  const from = at + connection.headerBytes
  const to = from + padded(length)
  writeDigest(into, to, connection.checksum(into, from, to, 0))
}

/** The same for an answer that has used up a StatSN: above error recovery level 0 it may be asked for again. */
export function sealAnswer(connection: Connection, into: Buffer, at: number, length: number): void {
  const { answers } = connection
  if (answers !== null) answers.keep(statSn.get(into, at), into, at, at + connection.headerBytes, length)
  sealPdu(connection, into, at, length)
}

/** Ends the header of every PDU but login's. */
export function sealHeader(connection: Connection, into: Buffer, at: number): void {
  connection.counters.pdusOut++
  if (connection.trace !== null) connection.trace.sent(into, at)
  if (!connection.headerDigest) return
  const end = at + BHS_LENGTH
  writeDigest(into, end, connection.checksum(into, at, end, 0))
}

/** Padding and digest behind data that was pushed as `slices`. */
export function endData(connection: Connection, slices: readonly Buffer[], length: number): void {
  const padding = -length & 3
  const size = padding + trailer(connection, length)
  if (size === 0) return
  const at = connection.out.claim(size)
  if (!connection.dataDigest) return
  const { arena } = connection.out
  let crc = 0
  for (const slice of slices) crc = connection.checksum(slice, 0, slice.length, crc)
  crc = connection.checksum(arena, at, at + padding, crc)
  writeDigest(arena, at + padding, crc)
}

export const padded = (length: number): number => (length + 3) & ~3

const trailer = (connection: Connection, length: number): number =>
  connection.dataDigest && length > 0 ? DIGEST_LENGTH : 0
