// SPDX-License-Identifier: Apache-2.0
// What scripts of a target say to an initiator under test, and how tests wait for what it does.
import { setTimeout as wait } from 'node:timers/promises'
import { buildCdb } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  BHS,
  DATA_IN,
  LOGOUT_RESPONSE,
  Opcode,
  R2T,
  READ_10,
  REJECT,
  RESERVED_TAG,
  TASK_MANAGEMENT_RESPONSE,
  TEST_UNIT_READY,
  TEXT_RESPONSE,
  WRITE_10,
} from '@lunkit/spec'
import {
  type Pdu,
  type Peer,
  pairsOf,
  type Script,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

export const READY = buildCdb(TEST_UNIT_READY, {})
export const READ = buildCdb(READ_10, { lba: 0, blocks: 8 })
export const WRITE = buildCdb(WRITE_10, { lba: 0, blocks: 8 })
/** Data of these commands. */
export const BYTES = 4096
export const DATA = Buffer.from(Array.from({ length: BYTES }, (_, i) => (i * 13) % 251))

type Values = Record<string, unknown>

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(1)
}

export const of = ({ heard }: ScriptedTarget, opcode: number): Pdu[] =>
  heard.filter(pdu => pdu.opcode === opcode)

export const isImmediate = ({ header }: Pdu): boolean => BHS.field.immediate.get(header, 0) === 1

export const isClosed = ({ socket }: Peer): boolean => socket.destroyed || socket.readableEnded

/** Answers a function, or a TASK REASSIGN. */
export function answerFunction({ itt }: Pick<Pdu, 'itt'>, peer: Peer, response = 0): void {
  const fields = { opcode: Opcode.taskManagementResponse, final: 1, itt, response }
  peer.sendStatus(TASK_MANAGEMENT_RESPONSE, fields)
}

export function answerLogout({ itt }: Pdu, peer: Peer, values: Values = {}): void {
  peer.sendStatus(LOGOUT_RESPONSE, { opcode: Opcode.logoutResponse, final: 1, itt, ...values })
}

/** Ends a text exchange, with these keys. */
export function answerText({ itt }: Pdu, peer: Peer, text = '', values: Values = {}): void {
  const fields = { opcode: Opcode.textResponse, final: 1, itt, ttt: RESERVED_TAG, ...values }
  peer.sendStatus(TEXT_RESPONSE, fields, Buffer.from(text))
}

/** Sends a message of this event. */
export function tell(peer: Peer, asyncEvent: number, values: Values = {}, data?: Uint8Array): void {
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent }
  peer.sendStatus(ASYNC_MESSAGE, { ...fields, ...values }, data)
}

export function ask({ itt, header }: Pdu, peer: Peer, values: Values): void {
  const lun = BHS.field.lun.get(header, 0)
  peer.send(R2T, { opcode: Opcode.r2t, final: 1, itt, lun, ...values })
}

export function refuse(peer: Peer, reason: number, refused: Pdu): void {
  const fields = { opcode: Opcode.reject, final: 1, reason, itt: RESERVED_TAG }
  peer.sendStatus(REJECT, fields, refused.header.subarray(0, 48))
}

/** The fields and bytes of read data number `sn` of pieces of 512 bytes. */
export function piece({ itt }: Pick<Pdu, 'itt'>, sn: number, values: Values = {}, length = 512) {
  const bufferOffset = sn * length
  const fields = { opcode: Opcode.dataIn, itt, ttt: RESERVED_TAG, dataSn: sn, bufferOffset, ...values }
  return [DATA_IN, fields, DATA.subarray(bufferOffset, bufferOffset + length)] as const
}

/** Logs in with as many connections as are wished; the script gets all else, logouts and pings included. */
export const serve = (script: Script, keys: Record<string, string> = {}): Promise<ScriptedTarget> =>
  ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode !== Opcode.loginRequest) return script(pdu, peer)
    const MaxConnections = pairsOf(pdu).get('MaxConnections')
    peer.login(pdu, { ...(MaxConnections !== undefined && { MaxConnections }), ...keys })
  })

/** Keys of level 2, without waits. */
export const LEVEL_2 = { ErrorRecoveryLevel: '2', DefaultTime2Wait: '0', DefaultTime2Retain: '20' }
