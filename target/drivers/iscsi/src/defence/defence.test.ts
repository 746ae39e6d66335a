// SPDX-License-Identifier: Apache-2.0
// Hostile peers at the door over real sockets, and a good session beside them that notices nothing.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LOGIN_RESPONSE, LoginStatus, Opcode, SCSI_RESPONSE, Status } from '@lunkit/spec'
import { type IscsiBench, TARGET, testUnitReady, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, type RawPdu, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { Refusal } from './address-guard.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const FULL = { transit: 1, csg: 1, nsg: 3 }
/** Peers of this address have limits; the good session is trusted. */
const HOSTILE = '127.0.0.66'
const TRUSTED = ['127.0.0.1']

const isid = (number: number): Uint8Array => Uint8Array.of(0x80, 0, 0, 0, number >> 8, number & 0xff)

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

const connectFrom = (bench: IscsiBench, from: string): Promise<RawPeer> =>
  RawPeer.connect(bench.port.portals[0]!.port, '127.0.0.1', from)

async function isServed(peer: RawPeer): Promise<void> {
  peer.command(testUnitReady())
  assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
}

describe('limits at the door', () => {
  test('one address gets no more connections than its limit', () =>
    withBench({ limits: { connectionsPerAddress: 3 }, trustedAddresses: TRUSTED }, async bench => {
      const good = await bench.peer()
      const taken = [1, 2, 3].map(() => connectFrom(bench, HOSTILE))
      const peers = await Promise.all(taken)
      await bench.until(() => bench.port.connections.pending === 3)
      for (let i = 0; i < 20; i++) assert.deepEqual(await (await connectFrom(bench, HOSTILE)).end(), [])
      assert.deepEqual(bench.of('refused'), [
        { type: 'refused', address: HOSTILE, reason: Refusal.connections, count: 1 },
      ])
      await isServed(good)
      await peers[0]!.close()
      await bench.until(() => bench.port.connections.pending === 2)
      const next = await connectFrom(bench, HOSTILE)
      assert.equal(statusOf(await next.loginRound({ ...FULL, isid: isid(9) }, NAMES)), LoginStatus.success)
      for (const peer of [...peers, next]) await peer.close()
    }))

  test('one that connects too often is turned away, others are not', () => {
    const limits = { addressLoginsPerSecond: 1, addressLoginBurst: 5, connectionsPerAddress: 1000 }
    return withBench({ limits, trustedAddresses: TRUSTED }, async bench => {
      const good = await bench.peer()
      const flood = await Promise.all(Array.from({ length: 60 }, () => connectFrom(bench, HOSTILE)))
      await bench.until(() => flood.filter(({ closed }) => closed).length >= 40)
      assert.equal(bench.of('refused')[0]!.reason, Refusal.addressRate)
      assert.equal(bench.of('refused').length, 1)
      await isServed(good)
      const other = await connectFrom(bench, '127.0.0.67')
      assert.equal(statusOf(await other.loginRound({ ...FULL, isid: isid(9) }, NAMES)), LoginStatus.success)
      for (const peer of [...flood, other]) await peer.close()
    })
  })

  test('who guesses secrets must wait; a good session of the same address goes on', () => {
    const chap = { user: 'alice', secret: 'a secret that is long' }
    const options = { access: { '*': { chap } }, limits: { failedLogins: 3 }, trustedAddresses: TRUSTED }
    return withBench(options, async bench => {
      const discovery = await connectFrom(bench, HOSTILE)
      await discovery.login()
      for (let i = 0; i < 3; i++) {
        const guess = await connectFrom(bench, HOSTILE)
        assert.equal(
          statusOf(await guess.loginRound({ csg: 0, transit: 1, nsg: 1 }, { ...NAMES, AuthMethod: 'None' })),
          LoginStatus.authenticationFailure,
        )
        await guess.end()
      }
      assert.deepEqual(await (await connectFrom(bench, HOSTILE)).end(), [])
      assert.equal(bench.of('refused')[0]!.reason, Refusal.failures)
      assert.equal(bench.of('session-closed').length, 0)
      const other = await connectFrom(bench, '127.0.0.67')
      await other.login()
      await discovery.close()
      await other.close()
    })
  })

  test('a trusted address connects hundreds of times', () =>
    withBench({ limits: { addressLoginBurst: 1, connectionsPerAddress: 1 } }, async bench => {
      for (let i = 0; i < 300; i++) await (await bench.connect()).close()
      await bench.peer()
      assert.deepEqual(bench.of('refused'), [])
    }))
})

describe('sessions', () => {
  test('of one initiator have a limit, which others do not feel', () =>
    withBench({ limits: { sessionsPerInitiator: 2 } }, async bench => {
      const first = await bench.peer({ isid: isid(1) })
      await bench.peer({ isid: isid(2) })
      const third = await bench.connect()
      const response = await third.loginRound({ ...FULL, isid: isid(3) }, NAMES)
      assert.equal(statusOf(response), LoginStatus.outOfResources)
      assert.equal(bench.of('login-failed')[0]!.reason, 'Initiator has too many sessions')
      await bench.peer({ initiator: `${INITIATOR}2` })
      await isServed(first)
      // A login that replaces a session is none more.
      await bench.peer({ isid: isid(2) })
    }))

  test('of one target have a limit', () =>
    withBench({ limits: { sessionsPerTarget: 1 } }, async bench => {
      const first = await bench.peer({ isid: isid(1) })
      const second = await bench.connect()
      const names = { ...NAMES, InitiatorName: `${INITIATOR}2` }
      assert.equal(
        statusOf(await second.loginRound({ ...FULL, isid: isid(2) }, names)),
        LoginStatus.outOfResources,
      )
      const discovery = await bench.connect()
      await discovery.login({ isid: isid(3) })
      await isServed(first)
    }))
})
