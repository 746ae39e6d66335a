// SPDX-License-Identifier: Apache-2.0
// What a raw peer sends in full feature phase, one function for each request, and how it reads the answers.
import assert from 'node:assert/strict'
import {
  DATA_OUT,
  type FieldRows,
  type Layout,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  NOP_IN,
  NOP_OUT,
  Opcode,
  R2T,
  REJECT,
  RESERVED_TAG,
  SCSI_RESPONSE,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEXT_REQUEST,
  TEXT_RESPONSE,
  type Values,
} from '@lunkit/spec'
import { BLOCK, read10, senseOf, write10 } from './iscsi-bench.ts'
import { fieldsOf, keysOf, type RawPdu, type RawPeer, text } from './raw-peer.ts'

type Fields<L> = L extends Layout<infer R extends FieldRows> ? Partial<Values<R>> : never

/** Tags of requests that are no SCSI commands, out of the way of `RawPeer.command`. */
const PING_TAG = 0x7000_0000
const FUNCTION_TAG = 0x6000_0000
const TEXT_TAG = 0x5000_0000
const LOGOUT_TAG = 0x4000_0000

/** Sends a ping, immediate unless told otherwise. */
export function sendPing(peer: RawPeer, fields: Fields<typeof NOP_OUT> = {}, data?: Uint8Array): void {
  peer.sendPdu(
    NOP_OUT,
    {
      opcode: Opcode.nopOut,
      immediate: 1,
      final: 1,
      itt: PING_TAG,
      ttt: RESERVED_TAG,
      cmdSn: peer.cmdSn,
      ...fields,
    } as Fields<typeof NOP_OUT>,
    data,
  )
}

/** A ping and its answer, which must be the next PDU: nothing that was sent before has an answer left. */
export async function ping(
  peer: RawPeer,
  fields: Fields<typeof NOP_OUT> = {},
  data?: Uint8Array,
): Promise<ReturnType<typeof NOP_IN.read> & { data: Buffer }> {
  sendPing(peer, fields, data)
  const pdu = await peer.receive(Opcode.nopIn)
  const answer = fieldsOf(NOP_IN, pdu)
  assert.equal(answer.itt, fields.itt ?? PING_TAG)
  return { ...answer, data: pdu.data }
}

/** Sends a READ (10) of so many blocks. */
export const read = (
  peer: RawPeer,
  lba: number,
  blocks: number,
  fields: Parameters<RawPeer['command']>[1] = {},
): number =>
  peer.command(read10(lba, blocks), { read: 1, expectedDataTransferLength: blocks * BLOCK, ...fields })

/** Sends a WRITE (10) of so many blocks, perhaps with immediate data. */
export const write = (
  peer: RawPeer,
  lba: number,
  blocks: number,
  data?: Uint8Array,
  fields: Parameters<RawPeer['command']>[1] = {},
): number =>
  peer.command(
    write10(lba, blocks),
    { write: 1, expectedDataTransferLength: blocks * BLOCK, ...fields },
    data,
  )

/** Sends a Data-Out; without a transfer tag it is unsolicited. */
export function dataOut(peer: RawPeer, fields: Fields<typeof DATA_OUT>, data: Uint8Array): void {
  peer.sendPdu(
    DATA_OUT,
    { opcode: Opcode.dataOut, final: 1, ttt: RESERVED_TAG, ...fields } as Fields<typeof DATA_OUT>,
    data,
  )
}

/** The next PDU, which has to be an R2T. */
export const r2t = async (peer: RawPeer): Promise<ReturnType<typeof R2T.read>> =>
  fieldsOf(R2T, await peer.receive(Opcode.r2t))

/** The next PDU, which has to be a SCSI Response; `sense` as six digits, empty where there is none. */
export async function response(
  peer: RawPeer,
): Promise<ReturnType<typeof SCSI_RESPONSE.read> & { sense: string; pdu: RawPdu }> {
  const pdu = await peer.receive(Opcode.scsiResponse)
  return { ...fieldsOf(SCSI_RESPONSE, pdu), sense: pdu.data.length === 0 ? '' : senseOf(pdu), pdu }
}

/** The next PDU, which has to be a Reject with this reason. */
export async function rejected(
  peer: RawPeer,
  reason: number,
): Promise<ReturnType<typeof REJECT.read> & { data: Buffer }> {
  const pdu = await peer.receive(Opcode.reject)
  const answer = fieldsOf(REJECT, pdu)
  assert.equal(answer.reason, reason)
  return { ...answer, data: pdu.data }
}

/** Sends a task management request, immediate unless told otherwise. */
export function sendFunction(peer: RawPeer, fields: Fields<typeof TASK_MANAGEMENT_REQUEST>): void {
  peer.sendPdu(TASK_MANAGEMENT_REQUEST, {
    opcode: Opcode.taskManagementRequest,
    immediate: 1,
    final: 1,
    itt: FUNCTION_TAG,
    referencedTaskTag: RESERVED_TAG,
    cmdSn: peer.cmdSn,
    ...fields,
  } as Fields<typeof TASK_MANAGEMENT_REQUEST>)
}

/** The next PDU, which has to be a task management response: its response code. */
export async function functionResponse(peer: RawPeer): Promise<number> {
  return fieldsOf(TASK_MANAGEMENT_RESPONSE, await peer.receive(Opcode.taskManagementResponse)).response
}

export function sendText(
  peer: RawPeer,
  fields: Fields<typeof TEXT_REQUEST>,
  keys: Readonly<Record<string, string>> | Uint8Array = {},
): void {
  peer.sendPdu(
    TEXT_REQUEST,
    {
      opcode: Opcode.textRequest,
      immediate: 1,
      final: 1,
      itt: TEXT_TAG,
      ttt: RESERVED_TAG,
      cmdSn: peer.cmdSn,
      ...fields,
    } as Fields<typeof TEXT_REQUEST>,
    keys instanceof Uint8Array ? keys : text(keys),
  )
}

/** A text request and its response; `keys` throws where the response is only a part of a text. */
export async function textRound(
  peer: RawPeer,
  keys: Readonly<Record<string, string>> | Uint8Array = {},
  fields: Fields<typeof TEXT_REQUEST> = {},
): Promise<ReturnType<typeof TEXT_RESPONSE.read> & { readonly keys: Record<string, string>; pdu: RawPdu }> {
  sendText(peer, fields, keys)
  const pdu = await peer.receive(Opcode.textResponse)
  return {
    ...fieldsOf(TEXT_RESPONSE, pdu),
    get keys() {
      return keysOf(pdu)
    },
    pdu,
  }
}

/** A logout request, immediate unless told otherwise, and its response. */
export async function logoutRound(
  peer: RawPeer,
  fields: Fields<typeof LOGOUT_REQUEST> = {},
): Promise<ReturnType<typeof LOGOUT_RESPONSE.read>> {
  peer.sendPdu(LOGOUT_REQUEST, {
    opcode: Opcode.logoutRequest,
    immediate: 1,
    final: 1,
    itt: LOGOUT_TAG,
    cid: 1,
    cmdSn: peer.cmdSn,
    ...fields,
  } as Fields<typeof LOGOUT_REQUEST>)
  return fieldsOf(LOGOUT_RESPONSE, await peer.receive(Opcode.logoutResponse))
}
