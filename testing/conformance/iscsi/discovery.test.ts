// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.3 and 7.4: what a discovery session does, and what it does not.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LOGOUT_REQUEST, LoginStage, Opcode, RejectReason } from '@lunkit/spec'
import { type IscsiBench, TARGET, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { INITIATOR, keysOf, RawPeer, text } from '../../kit/raw-peer.ts'
import {
  logoutRound,
  ping,
  rejected,
  sendFunction,
  sendPing,
  sendText,
  textRound,
} from '../../kit/raw-requests.ts'

async function discovery(bench: IscsiBench, isid?: Uint8Array): Promise<RawPeer> {
  const peer = await bench.connect()
  await peer.login(isid === undefined ? {} : { isid })
  return peer
}
const works = async (peer: RawPeer): Promise<void> =>
  assert.equal((await textRound(peer, { SendTargets: 'All' })).keys['TargetName'], TARGET)

const sendLogout = (peer: RawPeer, reason: number): void =>
  peer.sendPdu(LOGOUT_REQUEST, {
    opcode: Opcode.logoutRequest,
    immediate: 1,
    final: 1,
    itt: 0x4000_0000,
    reason,
    cid: 1,
    cmdSn: peer.cmdSn,
  })

describe('discovery sessions', () => {
  // Requirement: RFC 7143, 4.3/1.
  test('SendTargets and logout are served; commands, task management and pings are rejected', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      peer.command(testUnitReady(), { immediate: 1 })
      await rejected(peer, RejectReason.protocolError)
      sendFunction(peer, { function: 5 })
      await rejected(peer, RejectReason.protocolError)
      sendPing(peer)
      await rejected(peer, RejectReason.protocolError)
      await works(peer)
      assert.equal((await logoutRound(peer)).response, 0)
      await peer.end()
    }))

  // Requirement: RFC 7143, 4.3/1.
  test('text without SendTargets and a logout of less than the session are rejected, and the session goes on', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      for (const keys of [{}, { InitiatorAlias: 'me' }, { MaxRecvDataSegmentLength: '512' }]) {
        sendText(peer, {}, keys)
        await rejected(peer, RejectReason.protocolError)
      }
      for (const reason of [1, 2]) {
        sendLogout(peer, reason)
        await rejected(peer, RejectReason.protocolError)
      }
      const { keys } = await textRound(peer, { InitiatorAlias: 'me', SendTargets: 'All' }, { final: 0 })
      assert.equal(keys['TargetName'], TARGET)
      // What goes on with such an exchange needs the key no second time.
      assert.equal((await textRound(peer, {}, { ttt: 1 })).final, 1)
      await works(peer)
    }))

  // Requirement: RFC 7143, 6.4/1 and 6.2/14.
  test('SendTargets comes once in an exchange, and is no answer', () =>
    withBench({}, async bench => {
      const peer = await discovery(bench)
      const all = text({ SendTargets: 'All' })
      for (const wrong of [Buffer.concat([all, all]), text({ SendTargets: 'Reject' })]) {
        sendText(peer, {}, wrong)
        await rejected(peer, RejectReason.protocolError)
      }
      const open = await textRound(peer, all, { final: 0 })
      sendText(peer, { ttt: open.ttt }, all)
      await rejected(peer, RejectReason.protocolError)
      await works(peer)
    }))

  // Requirement: RFC 7143, 7.4.1/1.
  test('ErrorRecoveryLevel is 0', () =>
    withBench({}, async bench => {
      for (const level of ['0', '1', '2']) {
        const peer = await bench.connect()
        const keys = { InitiatorName: INITIATOR, SessionType: 'Discovery', ErrorRecoveryLevel: level }
        const pdu = await peer.loginRound({ csg: LoginStage.operational }, keys)
        assert.equal(keysOf(pdu)['ErrorRecoveryLevel'], '0')
        await peer.close()
      }
    }))

  // Requirement: RFC 7143, 7.4.2/1.
  test('the same name and ISID at the same portal: the new one ends the old one', () =>
    withBench({}, async bench => {
      const old = await discovery(bench)
      const other = await discovery(bench, Uint8Array.of(0x80, 0, 0, 0, 0, 2))
      const normal = await bench.peer()
      const again = await discovery(bench)
      await old.end()
      await works(again)
      await works(other)
      await ping(normal)
    }))

  // Requirement: RFC 7143, 7.4.2/2.
  test('at two portals they live side by side', () =>
    withBench(
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '127.0.0.1', port: 0 },
        ],
      },
      async bench => {
        const one = await discovery(bench)
        const two = await RawPeer.connect(bench.port.portals[1]!.port)
        await two.login()
        await works(one)
        await works(two)
        await two.close()
      },
    ))

  // Requirement: RFC 7143, 7.4.2/3.
  test('one with the name of a target ends another such one, and no other', () =>
    withBench({}, async bench => {
      const named = { target: TARGET, keys: { SessionType: 'Discovery' } }
      const unnamed = await discovery(bench)
      const normal = await bench.peer()
      const old = await bench.connect()
      await old.login(named)
      const again = await bench.connect()
      await again.login(named)
      await old.end()
      for (const peer of [again, unnamed]) await works(peer)
      await ping(normal)
    }))
})
