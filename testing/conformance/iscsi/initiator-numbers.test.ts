// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 on numbers that bind an initiator: CmdSN over all connections and after a retry, ExpStatSN and gaps.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import {
  LOGIN_REQUEST,
  NOP_IN,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  SCSI_RESPONSE,
  SNACK,
  SnackType,
} from '@lunkit/spec'
import { CommandWindow } from '../../../initiator/drivers/iscsi/src/command-window.ts'
import type { Pdu, Peer } from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import {
  answerFunction,
  answerText,
  DATA,
  isImmediate,
  of,
  READY,
  refuse,
  serve,
  until,
  WRITE,
} from './scripted-answers.ts'

const ready = { lun: 0, cdb: READY }
const NUMBERED: ReadonlySet<number> = new Set([
  Opcode.scsiCommand,
  Opcode.nopOut,
  Opcode.taskManagementRequest,
  Opcode.textRequest,
  Opcode.logoutRequest,
])

// Requirement: RFC 7143, 4.2.2.1/13 and 4.2.2.1/14 and 4.2.1/1.
for (const connections of [1, 3]) {
  test(`each number is used once and in order, and immediate requests use none, over ${connections} connections`, async () => {
    const seen: [cmdSn: number, immediate: boolean, peer: number][] = []
    await using target = await serve((pdu, peer) => {
      if (NUMBERED.has(pdu.opcode)) seen.push([pdu.cmdSn, isImmediate(pdu), peer.number])
      if (pdu.opcode === Opcode.textRequest) answerText(pdu, peer)
      else if (pdu.opcode === Opcode.taskManagementRequest) answerFunction(pdu, peer, 5)
      else if (!peer.courtesy(pdu)) peer.respond(pdu)
    })
    const session = await openSession({ ...target.options, connections, queueDepth: 4 })
    for (let round = 0; round < 6; round++) {
      const run = Array.from({ length: 7 }, () => session.execute(ready))
      const others = [session.ping(), session.renegotiate(), session.manage('clear-aca', 0)]
      for (const { status } of await Promise.all(run)) assert.equal(status, 0)
      await Promise.all(others)
    }
    await session.close()
    assert.equal(target.peers.length, connections)
    const numbers = seen.filter(([, immediate]) => !immediate).map(([cmdSn]) => cmdSn)
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: 42 }, (_, i) => i + 1),
    )
    for (const { number } of target.peers) {
      // On its connection an immediate request is above all before it, and no higher than the next one.
      let next = 0
      for (const [cmdSn, immediate, peer] of seen) {
        if (peer !== number) continue
        assert.ok(cmdSn >= next, `${cmdSn} after ${next}`)
        if (connections === 1 && next > 0) assert.equal(cmdSn, next)
        next = immediate ? cmdSn : cmdSn + 1
      }
    }
  })
}

// Requirement: RFC 7143, 4.2.2.1/15.
test('the command after one that was sent again goes on the same connection', async () => {
  const held: [Pdu, Peer][] = []
  await using target = await serve(
    (pdu, peer) => {
      if (peer.courtesy(pdu)) return
      held.push([pdu, peer])
      if (held.length === 1) refuse(peer, RejectReason.dataDigestError, pdu)
    },
    { ErrorRecoveryLevel: '1' },
  )
  await using session = await openSession({ ...target.options, connections: 2, errorRecoveryLevel: 1 })
  const commands = [session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })]
  await until(() => held.length === 2)
  assert.deepEqual([held[1]![0].itt, held[1]![0].cmdSn], [held[0]![0].itt, held[0]![0].cmdSn])
  // The other connection has none to do.
  commands.push(session.execute(ready), session.execute(ready))
  await until(() => held.length === 4)
  const later = held.slice(2).toSorted(([a], [b]) => a.cmdSn - b.cmdSn)
  assert.equal(later[0]![1].number, held[0]![1].number)
  assert.notEqual(later[1]![1].number, held[0]![1].number)
  for (const [pdu, peer] of held.slice(1)) peer.respond(pdu)
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
})

// Requirement: RFC 7143, 4.2.2.1/15.
test('no number is used that is half around from one that is not acknowledged', () => {
  const window = new CommandWindow(0xffff_fff0)
  window.update(0xffff_fff0, (0xffff_fff0 + 2 ** 31 - 2) >>> 0)
  assert.equal(window.room, 2 ** 30)
  window.cmdSn = (0xffff_fff0 + 2 ** 30) >>> 0
  assert.equal(window.room, 0)
  window.update(3, 3 + 2 ** 31 - 2)
  assert.equal(window.room, 19)
})

// Requirement: RFC 7143, 4.2.2.2/4.
test('ExpStatSN does not pass a response that has not come', async () => {
  let first: Pdu | null = null
  const acknowledged: number[] = []
  await using target = await serve(
    (pdu, peer) => {
      if (pdu.opcode === Opcode.snack) {
        const { type, begRun, runLength, expStatSn } = SNACK.read(pdu.header)
        assert.deepEqual([type, begRun, runLength, expStatSn], [SnackType.status, 3, 1, 3])
        peer.send(...response(first!, 3))
      } else if (pdu.opcode === Opcode.scsiCommand) {
        acknowledged.push(SNACK.field.expStatSn.get(pdu.header, 0))
        first ??= pdu
        // The first response, number 3, is lost.
        if (acknowledged.length === 2) peer.send(...response(pdu, 4))
        else if (acknowledged.length === 3) {
          peer.send(...response(pdu, 5))
          peer.statSn = 6
        }
      } else peer.courtesy(pdu)
    },
    { ErrorRecoveryLevel: '1' },
  )
  await using session = await openSession({ ...target.options, errorRecoveryLevel: 1, queueDepth: 2 })
  const commands = Array.from({ length: 3 }, () => session.execute(ready))
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  assert.deepEqual(acknowledged, [3, 3, 3])
})

const response = ({ itt }: Pdu, statSn: number) =>
  [SCSI_RESPONSE, { opcode: Opcode.scsiResponse, final: 1, itt, statSn }] as const

// Requirement: RFC 7143, 4.2.2.2/4.
test('at level 0 a gap in StatSN ends the connection', async () => {
  await using target = await serve((pdu, peer) => void peer.send(...response(pdu, 4)))
  await using session = await openSession(target.options)
  await assert.rejects(session.execute(ready), { code: 'TRANSPORT_PROTOCOL' })
})

// Requirement: RFC 7143, 4.2.2.2/5.
for (const level of [0, 1, 2]) {
  test(`a StatSN too far ahead is followed by recovery, at level ${level}`, async () => {
    await using target = await serve(
      (pdu, peer) => {
        if (peer.courtesy(pdu)) return
        if (peer.number > 1) return peer.respond(pdu)
        const far = { statSn: peer.statSn + 20_000 }
        if (level === 0) peer.respond(pdu, far)
        else
          peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG, ...far })
      },
      { ErrorRecoveryLevel: String(level) },
    )
    const again = { reconnect: { attempts: 3, delays: [0] }, errorRecoveryLevel: level }
    await using session = await openSession({ ...target.options, ...again })
    assert.equal((await session.execute({ ...ready, repeatable: true })).status, 0)
    const logins = of(target, Opcode.loginRequest).map(({ header }) => LOGIN_REQUEST.read(header).tsih)
    assert.deepEqual(new Set(logins), new Set([0]))
    assert.equal(target.peers.length, 2)
  })
}
