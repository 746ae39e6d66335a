// SPDX-License-Identifier: Apache-2.0
// What tests of recovery share: commands, data and SNACKs of a scripted session, and what its answers say.
import assert from 'node:assert/strict'
import {
  DATA_IN,
  DATA_OUT,
  IscsiTaskFunction,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  LogoutReason,
  LogoutResponse,
  Opcode,
  REJECT,
  RESERVED_TAG,
  SCSI_RESPONSE,
  SNACK,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
} from '@lunkit/spec'
import { BLOCK, read10, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPdu, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import type { RawSession } from '@lunkit/testing/kit/raw-session.ts'

/** Small pieces, so that a few blocks make several PDUs. */
export const KEYS = {
  MaxRecvDataSegmentLength: '512',
  MaxBurstLength: '1024',
  FirstBurstLength: '1024',
} as const

export function read(session: RawSession, peer: RawPeer, lba: number, blocks: number): number {
  return session
    .next(peer)
    .command(read10(lba, blocks), { read: 1, expectedDataTransferLength: blocks * BLOCK })
}

export function write(
  session: RawSession,
  peer: RawPeer,
  lba: number,
  blocks: number,
  data?: Buffer,
): number {
  const fields = { write: 1, expectedDataTransferLength: blocks * BLOCK }
  return session.next(peer).command(write10(lba, blocks), fields, data)
}

export function dataOut(
  peer: RawPeer,
  itt: number,
  ttt: number,
  dataSn: number,
  bufferOffset: number,
  data: Buffer,
  final = 0,
): void {
  peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final, itt, ttt, dataSn, bufferOffset } as never, data)
}

/** The same with a data digest that is wrong. */
export function spoiltDataOut(
  ...[peer, itt, ttt, dataSn, bufferOffset, data, final]: Parameters<typeof dataOut>
): void {
  const fields = { opcode: Opcode.dataOut, final: final ?? 0, itt, ttt, dataSn, bufferOffset }
  const pdu = peer.build(DATA_OUT, fields as never, data)
  pdu[pdu.length - 1]! ^= 1
  peer.send(pdu)
}

export function snack(peer: RawPeer, fields: Readonly<Record<string, number>>): void {
  peer.sendPdu(SNACK, {
    opcode: Opcode.snack,
    final: 1,
    itt: RESERVED_TAG,
    ttt: RESERVED_TAG,
    expStatSn: peer.expStatSn,
    ...fields,
  } as never)
}

export function logoutForRecovery(session: RawSession, peer: RawPeer, cid: number): void {
  const { cmdSn, itt, expStatSn } = session.next(peer)
  const reason = LogoutReason.removeConnectionForRecovery
  peer.itt++
  peer.sendPdu(LOGOUT_REQUEST, {
    opcode: Opcode.logoutRequest,
    final: 1,
    reason,
    cid,
    itt,
    cmdSn,
    expStatSn,
  } as never)
}

/** A connection is lost, and logged out for recovery on another one: its commands may be taken over. */
export async function loseFor(
  session: RawSession,
  gone: RawPeer,
  heir: RawPeer,
  cid = 1,
): Promise<ReturnType<typeof LOGOUT_RESPONSE.read>> {
  await gone.close()
  logoutForRecovery(session, heir, cid)
  const answer = fieldsOf(LOGOUT_RESPONSE, await session.receive(heir, Opcode.logoutResponse))
  assert.equal(answer.response, LogoutResponse.closed)
  return answer
}

/** Asks for a command to be taken over; the response. */
export async function takeOver(
  session: RawSession,
  peer: RawPeer,
  tag: number,
  expDataSn = 0,
): Promise<number> {
  const { cmdSn, expStatSn } = session.next(peer)
  peer.sendPdu(TASK_MANAGEMENT_REQUEST, {
    opcode: Opcode.taskManagementRequest,
    final: 1,
    function: IscsiTaskFunction.taskReassign,
    itt: peer.itt++,
    referencedTaskTag: tag,
    cmdSn,
    expStatSn,
    expDataSn,
  } as never)
  const pdu = await session.receive(peer, Opcode.taskManagementResponse)
  return fieldsOf(TASK_MANAGEMENT_RESPONSE, pdu).response
}

/** The Data-In PDUs and the response of one read; checks that what came lies where it says. */
export async function readAnswer(session: RawSession, peer: RawPeer, into?: Buffer) {
  const pieces: { sn: number; offset: number; length: number; final: number; asks: number; tag: number }[] =
    []
  for (;;) {
    const pdu = await peer.receive()
    if (pdu.opcode === Opcode.scsiResponse) {
      const response = fieldsOf(SCSI_RESPONSE, pdu)
      peer.expStatSn = (response.statSn + 1) >>> 0
      void session
      return { pieces, response, pdu }
    }
    pieces.push(pieceOf(pdu, into))
  }
}

export function pieceOf(pdu: RawPdu, into?: Buffer) {
  assert.equal(pdu.opcode, Opcode.dataIn)
  const { dataSn, bufferOffset, final, acknowledge, ttt } = fieldsOf(DATA_IN, pdu)
  if (into !== undefined) pdu.data.copy(into, bufferOffset)
  return { sn: dataSn, offset: bufferOffset, length: pdu.data.length, final, asks: acknowledge, tag: ttt }
}

export const rejectReason = (pdu: RawPdu): number => fieldsOf(REJECT, pdu).reason
