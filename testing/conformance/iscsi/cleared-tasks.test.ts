// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11.14.5: tasks that the protocol ends without an answer, and how their initiator hears of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LogoutReason, LogoutResponse, Opcode, SCSI_RESPONSE, Status } from '@lunkit/spec'
import { type IscsiBench, senseOf, TARGET, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '../../kit/raw-peer.ts'
import { logoutRound, read } from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const { closeSession, closeConnection, removeConnectionForRecovery } = LogoutReason
const NEXUS_LOSS = '062907'
const CLEARED = '06477f'
const LEVEL_2 = { ErrorRecoveryLevel: '2', DefaultTime2Wait: '0' }

/** Senses of one command after another until one ends with GOOD. */
async function senses(peer: RawPeer, ready: () => number = () => peer.command(testUnitReady())) {
  const seen: string[] = []
  for (;;) {
    ready()
    const pdu = await peer.receive(Opcode.scsiResponse)
    const { status, statSn } = fieldsOf(SCSI_RESPONSE, pdu)
    peer.expStatSn = (statSn + 1) >>> 0
    if (status === Status.good) return seen
    seen.push(senseOf(pdu))
  }
}

/** The same over a session with several connections. */
const heard = (session: RawSession, peer: RawPeer): Promise<string[]> =>
  senses(peer, () => session.next(peer).command(testUnitReady()))

/** A read that the store holds. */
async function holdOne(bench: IscsiBench, send: () => number): Promise<void> {
  bench.store.held = true
  send()
  await bench.until(() => bench.store.underWay === 1)
}

/** A login of the same initiator port; its unit attentions are still to come. */
async function comeBack(bench: IscsiBench): Promise<RawPeer> {
  const peer = await bench.connect()
  await peer.login({ target: TARGET })
  return peer
}

describe('tasks that the protocol ends', () => {
  // Requirement: RFC 7143, 11.14.5/1.
  test('a logout of the session, or its reinstatement, ended some: the new session hears of it once, behind the loss', () =>
    withBench({}, async bench => {
      for (const politely of [true, false]) {
        const peer = await bench.peer()
        await holdOne(bench, () => read(peer, 0, 1))
        const before = bench.store.aborts
        const gone = politely ? logoutRound(peer, { reason: closeSession }) : null
        const coming = politely ? null : comeBack(bench)
        await bench.until(() => bench.store.aborts > before)
        bench.store.release()
        bench.store.held = false
        if (gone !== null) assert.equal((await gone).response, LogoutResponse.closed)
        assert.deepEqual(await senses((await coming) ?? (await comeBack(bench))), [NEXUS_LOSS, CLEARED])
      }
    }))

  // Requirement: RFC 7143, 11.14.5/1.
  test('a session that had none under way hears of nothing but its loss', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      await logoutRound(peer, { reason: closeSession })
      await peer.end()
      assert.deepEqual(await senses(await comeBack(bench)), [NEXUS_LOSS])
    }))

  // Requirement: RFC 7143, 11.14.5/1.
  test('a logout of one connection ended none: nobody hears of anything', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      await logoutRound(session.next(second), { immediate: 0, reason: closeConnection, cid: 2 })
      assert.deepEqual(await heard(session, first), [])
    }))

  // Requirement: RFC 7143, 11.14.5/1 and 7.5/1.
  test('a connection was lost, or logged out for recovery, and nobody took its tasks over in time', () =>
    withBench({}, async bench => {
      for (const loggedOut of [false, true]) {
        const { session, first } = await RawSession.open(bench, { ...LEVEL_2, DefaultTime2Retain: '1' })
        const second = await session.join(2)
        await holdOne(bench, () => read(session.next(second), 0, 1, { cmdSn: second.cmdSn }))
        const before = bench.store.aborts
        if (loggedOut) {
          const fields = { immediate: 0, reason: removeConnectionForRecovery, cid: 2 } as const
          assert.equal((await logoutRound(session.next(first), fields)).response, LogoutResponse.closed)
          first.expStatSn++
        }
        await second.close()
        await bench.until(() => bench.store.aborts > before)
        bench.store.release()
        bench.store.held = false
        assert.deepEqual(await heard(session, first), [CLEARED])
        await first.close()
        await bench.until(() => bench.port.connections.sessions === 0)
      }
    }))

  // Requirement: RFC 7143, 11.14.5/1 and 11.14/7.
  test('a logout of a connection that was lost ends its tasks at once', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, { ...LEVEL_2, DefaultTime2Retain: '3600' })
      const second = await session.join(2)
      await holdOne(bench, () => read(session.next(second), 0, 1, { cmdSn: second.cmdSn }))
      await second.close()
      await bench.until(() => bench.of('connection-closed').length === 1)
      const gone = logoutRound(session.next(first), { immediate: 0, reason: closeConnection, cid: 2 })
      await bench.until(() => bench.store.aborts > 0)
      assert.equal(first.waiting, 0)
      bench.store.release()
      assert.equal((await gone).response, LogoutResponse.closed)
      first.expStatSn++
      assert.deepEqual(await heard(session, first), [CLEARED])
    }))

  // Requirement: RFC 7143, 11.14.5/1 and 11.15/4.
  test('a logout for recovery where nothing is kept ends the tasks, and the session goes on', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, { ...LEVEL_2, DefaultTime2Retain: '0' })
      const second = await session.join(2)
      await holdOne(bench, () => read(session.next(second), 0, 1, { cmdSn: second.cmdSn }))
      const fields = { immediate: 0, reason: removeConnectionForRecovery, cid: 2 } as const
      const gone = logoutRound(session.next(first), fields)
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      const { response, time2Retain } = await gone
      assert.deepEqual([response, time2Retain], [LogoutResponse.closed, 0])
      first.expStatSn++
      assert.deepEqual(await second.end(), [])
      assert.deepEqual(await heard(session, first), [CLEARED])
      assert.equal(bench.of('session-closed').length, 0)
    }))
})
