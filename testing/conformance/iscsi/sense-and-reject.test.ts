// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 10.2 and 11.17.1: sense data that comes by itself, and the reason of a Reject that is no longer used.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildCdb } from '@lunkit/initiator-core'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import { Opcode, REJECT, RESERVED_TAG, RejectReason, Status, TEST_UNIT_READY } from '@lunkit/spec'
import { ScriptedTarget } from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

const READY = buildCdb(TEST_UNIT_READY, {})

// Requirement: RFC 7143, 10.2/2.
test('the sense data of a response is told, and none is asked for', async () => {
  const sense = Buffer.from([0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3a, 0, 0, 0, 0, 0])
  await using target = await ScriptedTarget.logsIn((pdu, peer) =>
    peer.respond(
      pdu,
      { status: Status.checkCondition },
      Buffer.concat([Buffer.from([0, sense.length]), sense]),
    ),
  )
  await using session = await openSession(target.options)
  const answer = await session.execute({ lun: 0, cdb: READY })
  assert.equal(answer.status, Status.checkCondition)
  assert.ok(Buffer.from(answer.sense).equals(sense))
  await session.ping()
  assert.equal(target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand).length, 1)
})

// Requirement: RFC 7143, 11.17.1/2.
test('a login that is rejected for a reset of the negotiation is over, and so is its connection', async () => {
  await using target = await ScriptedTarget.start(({ header }, peer) => {
    const fields = {
      opcode: Opcode.reject,
      final: 1,
      itt: RESERVED_TAG,
      reason: RejectReason.negotiationReset,
    }
    peer.sendStatus(REJECT, fields, header.subarray(0, 48))
  })
  await assert.rejects(openSession(target.options), { code: 'LOGIN_PROTOCOL' })
  assert.equal(target.heard.length, 1)
  const { socket } = target.peers[0]!
  while (!socket.readableEnded && !socket.destroyed) await new Promise(resolve => setImmediate(resolve))
})
