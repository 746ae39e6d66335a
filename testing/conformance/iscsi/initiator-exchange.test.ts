// SPDX-License-Identifier: Apache-2.0
// What the initiator makes of text exchanges that fail, in whole or in part.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openSession, type SessionEvent } from '@lunkit/initiator-driver-iscsi'
import { encodeText, Opcode, REJECT, RESERVED_TAG, RejectReason, TEXT_RESPONSE } from '@lunkit/spec'
import {
  type Peer,
  pairsOf,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

const text = (pairs: Record<string, string>): Uint8Array =>
  encodeText(Object.entries(pairs).map(([key, value]) => ({ key, value })))

/** The connection ends from the initiator's side, too. */
async function ended({ socket }: Peer): Promise<void> {
  while (!socket.readableEnded && !socket.destroyed) await new Promise(resolve => setImmediate(resolve))
}

describe('text exchanges', () => {
  // Requirement: RFC 7143, 7.12/4.
  test('one that the target rejects changes nothing', async () => {
    let asked = 0
    const declared: string[] = []
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      declared.push(pairsOf(pdu).get('MaxRecvDataSegmentLength')!)
      if (++asked === 1) {
        const fields = {
          opcode: Opcode.reject,
          final: 1,
          reason: RejectReason.protocolError,
          itt: RESERVED_TAG,
        }
        return peer.sendStatus(REJECT, fields, pdu.header.subarray(0, 48))
      }
      const fields = { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG }
      peer.sendStatus(TEXT_RESPONSE, fields, text({ MaxRecvDataSegmentLength: '4096' }))
    })
    const events: SessionEvent[] = []
    const onEvent = (event: SessionEvent): void => void events.push(event)
    const options = { ...target.options, maxRecvDataSegmentLength: 65_536, onEvent }
    await using session = await openSession(options)
    await assert.rejects(session.renegotiate(8192), { code: 'TRANSPORT_REJECTED' })
    assert.equal(session.connections[0]!.settings.maxSendDataLength, 8192)
    await session.renegotiate()
    assert.deepEqual(declared, ['8192', '65536'])
    assert.equal(session.connections[0]!.settings.maxSendDataLength, 4096)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['connected'],
    )
  })

  // Requirement: RFC 7143, 6.2/30 and 7.12/4.
  test('one that is rejected after a part of its answer changes nothing, either', async () => {
    let asked = 0
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      const part = ++asked === 1
      if (!part) {
        const fields = {
          opcode: Opcode.reject,
          final: 1,
          reason: RejectReason.protocolError,
          itt: RESERVED_TAG,
        }
        return peer.sendStatus(REJECT, fields, pdu.header.subarray(0, 48))
      }
      const fields = { opcode: Opcode.textResponse, itt: pdu.itt, ttt: 5 }
      peer.sendStatus(TEXT_RESPONSE, fields, text({ MaxRecvDataSegmentLength: '512' }))
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.renegotiate(16_384), { code: 'TRANSPORT_REJECTED' })
    assert.equal(asked, 2)
    assert.equal(session.connections[0]!.settings.maxSendDataLength, 8192)
  })

  // Requirement: RFC 7143, 6.4/6.
  test('one with a key twice ends with its connection', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      const twice = Buffer.concat([text({ TargetAlias: 'a' }), text({ TargetAlias: 'b' })])
      peer.sendStatus(TEXT_RESPONSE, { opcode: Opcode.textResponse, final: 1, itt, ttt: RESERVED_TAG }, twice)
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.renegotiate(), { code: 'TRANSPORT_PROTOCOL' })
    await ended(target.peers[0]!)
  })
})
