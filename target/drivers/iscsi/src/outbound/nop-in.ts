// SPDX-License-Identifier: Apache-2.0
// NOP-In: the echo of an initiator's ping, our own ping, and the news of an open window (RFC 7143, 11.19).
import { NOP_IN, Opcode, RESERVED_TAG } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import {
  claimPdu,
  countStatus,
  endData,
  noTransferTag,
  sealAnswer,
  sealHeader,
  showStatus,
  writeHead,
} from './pdu.ts'

/** Answers a ping with its own data. */
export function sendEcho(connection: Connection, itt: number, data: readonly Buffer[], length: number): void {
  connection.counters.echoes++
  if (connection.answers !== null) {
    echoInPlace(connection, itt, data, length)
    return
  }
  const at = connection.out.claim(connection.headerBytes)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.nopIn, length, itt)
  noTransferTag(arena, at)
  countStatus(connection, arena, at)
  sealHeader(connection, arena, at)
  if (length > 0) {
    // Its memory may be used again before the peer reads.
    connection.out.push(Buffer.concat(data))
    endData(connection, data, length)
  }
  connection.kick()
}

/** The same where it may be asked for again: the data lies behind the header. */
function echoInPlace(connection: Connection, itt: number, data: readonly Buffer[], length: number): void {
  const at = claimPdu(connection, length)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.nopIn, length, itt)
  noTransferTag(arena, at)
  countStatus(connection, arena, at)
  let to = at + connection.headerBytes
  for (const slice of data) to += slice.copy(arena, to)
  sealAnswer(connection, arena, at, length)
  connection.kick()
}

/** Asks for a sign of life. */
export function sendPing(connection: Connection): void {
  connection.pinged = true
  connection.pings++
  connection.counters.pinged()
  sendNopIn(connection, connection.pings)
}

/** With a tag: a ping that must be answered. With the reserved one: nothing but the numbers. */
export function sendNopIn(connection: Connection, transferTag: number): void {
  const at = claimPdu(connection, 0)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.nopIn, 0, RESERVED_TAG)
  NOP_IN.field.ttt.set(arena, at, transferTag)
  showStatus(connection, arena, at)
  sealHeader(connection, arena, at)
  connection.kick()
}
