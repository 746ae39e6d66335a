// SPDX-License-Identifier: Apache-2.0
// Login Response: an answer within a login, its end, or its refusal (RFC 7143, 11.13).
import { LOGIN_RESPONSE, LoginStatus, Opcode } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import type { LoginReply, LoginRequest } from '../login/login.ts'
import { padded } from './pdu.ts'

/** A reply that is nothing but a status, and perhaps text. */
export const refusal = (status: number, text: Buffer = Buffer.alloc(0)): LoginReply => ({
  status,
  transit: false,
  continues: false,
  text,
  failure: '',
})

/** `room` is how far the command window is open for an initiator that is not logged in yet. */
export function sendLoginResponse(
  connection: Connection,
  request: LoginRequest,
  reply: LoginReply,
  tsih: number,
  room: number,
): void {
  const { text } = reply
  const at = connection.out.claim(48 + padded(text.length))
  const { arena } = connection.out
  const { field } = LOGIN_RESPONSE
  const first = connection.login?.first ?? request
  field.opcode.set(arena, at, Opcode.loginResponse)
  field.transit.set(arena, at, reply.transit ? 1 : 0)
  field.continue.set(arena, at, reply.continues ? 1 : 0)
  if (reply.status === LoginStatus.success) {
    field.csg.set(arena, at, request.csg)
    if (reply.transit) field.nsg.set(arena, at, request.nsg)
    field.statSn.set(arena, at, connection.statSn)
    connection.statSn = (connection.statSn + 1) >>> 0
    const { session } = connection
    field.expCmdSn.set(arena, at, session === null ? first.cmdSn : session.window.expected)
    field.maxCmdSn.set(arena, at, session === null ? (first.cmdSn + room - 1) >>> 0 : session.maxCmdSn())
  }
  field.dataSegmentLength.set(arena, at, text.length)
  field.isid.set(arena, at, Buffer.from(request.isid, 'hex'))
  field.tsih.set(arena, at, tsih === 0 ? request.tsih : tsih)
  field.itt.set(arena, at, request.itt)
  field.statusClass.set(arena, at, reply.status >> 8)
  field.statusDetail.set(arena, at, reply.status & 0xff)
  text.copy(arena, at + 48)
  connection.counters.pdusOut++
  if (connection.trace !== null) connection.trace.sent(arena, at)
  connection.kick()
}
