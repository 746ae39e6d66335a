// SPDX-License-Identifier: Apache-2.0
// Asynchronous Message: what the target has to say without being asked (RFC 7143, 11.9).
import { ASYNC_MESSAGE, AsyncEvent, encodeLun, Opcode, RESERVED_TAG } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { claimPdu, countStatus, sealAnswer, writeHead } from './pdu.ts'

/** What a message carries besides its event; what is left out is zero. */
export interface AsyncContent {
  /** Decoded; for SCSI events alone. */
  readonly lun?: number
  readonly vendorCode?: number
  readonly parameter1?: number
  readonly parameter2?: number
  readonly parameter3?: number
  /** SCSI events come with sense data, events of a vendor may come with data. */
  readonly sense?: Uint8Array
  readonly data?: Uint8Array
}

/** Sense data and data of a message, in bytes: with the length before them they fit any initiator's data segment. */
export const ASYNC_DATA_BYTES = 510

/** Where the LUN stands in the header. */
const LUN_AT = 8
const NOTHING = new Uint8Array(0)

export function sendAsyncMessage(connection: Connection, event: number, content: AsyncContent): void {
  const { sense = NOTHING, data = NOTHING } = content
  const room = sense.length + data.length
  const length = room === 0 ? 0 : 2 + room
  const at = claimPdu(connection, length)
  const { arena } = connection.out
  const { field } = ASYNC_MESSAGE
  writeHead(arena, at, Opcode.asyncMessage, length, RESERVED_TAG)
  if (content.lun !== undefined) encodeLun(content.lun, arena, at + LUN_AT)
  field.asyncEvent.set(arena, at, event)
  field.asyncVCode.set(arena, at, content.vendorCode ?? 0)
  field.parameter1.set(arena, at, content.parameter1 ?? 0)
  field.parameter2.set(arena, at, content.parameter2 ?? 0)
  field.parameter3.set(arena, at, content.parameter3 ?? 0)
  countStatus(connection, arena, at)
  if (length > 0) {
    const from = at + connection.headerBytes
    arena.writeUInt16BE(sense.length, from)
    arena.set(sense, from + 2)
    arena.set(data, from + 2 + sense.length)
  }
  sealAnswer(connection, arena, at, length)
  connection.kick()
}

/** Asks the initiator to log out within `seconds`. */
export const askLogout = (connection: Connection, seconds: number): void =>
  sendAsyncMessage(connection, AsyncEvent.logoutRequested, { parameter3: seconds })
