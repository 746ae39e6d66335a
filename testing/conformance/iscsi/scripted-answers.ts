// SPDX-License-Identifier: Apache-2.0
// What scripts of a target say to an initiator under test, and how tests wait for what it does.
import { setTimeout as wait } from 'node:timers/promises'
import { buildCdb } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  LOGOUT_RESPONSE,
  Opcode,
  RESERVED_TAG,
  TEST_UNIT_READY,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import {
  type Pdu,
  type Peer,
  pairsOf,
  type Script,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

export const READY = buildCdb(TEST_UNIT_READY, {})

type Values = Record<string, unknown>

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(1)
}

export const of = ({ heard }: ScriptedTarget, opcode: number): Pdu[] =>
  heard.filter(pdu => pdu.opcode === opcode)

export const isClosed = ({ socket }: Peer): boolean => socket.destroyed || socket.readableEnded

export function answerLogout({ itt }: Pdu, peer: Peer, values: Values = {}): void {
  peer.sendStatus(LOGOUT_RESPONSE, { opcode: Opcode.logoutResponse, final: 1, itt, ...values })
}

/** Ends a text exchange, with these keys. */
export function answerText({ itt }: Pdu, peer: Peer, text = ''): void {
  const fields = { opcode: Opcode.textResponse, final: 1, itt, ttt: RESERVED_TAG }
  peer.sendStatus(TEXT_RESPONSE, fields, Buffer.from(text))
}

/** Sends a message of this event. */
export function tell(peer: Peer, asyncEvent: number, values: Values = {}): void {
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent }
  peer.sendStatus(ASYNC_MESSAGE, { ...fields, ...values })
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
