// SPDX-License-Identifier: Apache-2.0
// The port over real sockets: session reinstatement, limits before login, keep-alive, drain, portals.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  encodeHexBinary,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LoginStatus,
  NOP_IN,
  NOP_OUT,
  Opcode,
  parseBinary,
  RESERVED_TAG,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { driver } from '@lunkit/target-driver-iscsi'
import { IscsiBench, read10, TARGET, testUnitReady, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, type RawPdu, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { resetSocket } from '@lunkit/testing/kit/reset-socket.ts'
import { chapResponse } from './login/chap.ts'
import type { IscsiTargetPort } from './port.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const SECRET = 'a secret that is long'
const FULL = { transit: 1, csg: 1, nsg: 3 }

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

/** Logs in by CHAP; gives the last response. */
async function chapLogin(peer: RawPeer, secret: string): Promise<RawPdu> {
  await peer.loginRound({ csg: 0 }, { ...NAMES, AuthMethod: 'CHAP' })
  const keys = keysOf(await peer.loginRound({ csg: 0 }, { CHAP_A: '7' }))
  const challenge = parseBinary(keys['CHAP_C']!, 1024)!
  const response = chapResponse('sha256', Number(keys['CHAP_I']), secret, challenge)
  return peer.loginRound(
    { csg: 0, transit: 1, nsg: 3 },
    { CHAP_N: 'alice', CHAP_R: encodeHexBinary(response) },
  )
}

describe('sessions', () => {
  // Requirement: RFC 7143, Session Reinstatement Closure and Timeout: the same name and ISID replace the session;
  // another does not.
  test('the same initiator port replaces its session, another one does not', () =>
    withBench({}, async bench => {
      const old = await bench.peer()
      await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      await bench.peer({ initiator: `${INITIATOR}2` })
      assert.equal(bench.port.connections.sessions, 3)
      const next = await bench.peer()
      await old.end()
      assert.equal(bench.port.connections.sessions, 3)
      assert.deepEqual(
        bench.of('session-closed').map(event => event.cause),
        ['replaced'],
      )
      next.command(testUnitReady())
      assert.equal(fieldsOf(SCSI_RESPONSE, await next.receive()).status, Status.good)
    }))

  test('the new session begins only when the tasks of the old one have let go', () =>
    withBench({}, async bench => {
      const old = await bench.peer()
      bench.store.held = true
      old.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      const next = await bench.connect()
      const login = next.loginRound(FULL, NAMES)
      await old.end()
      const third = await bench.connect()
      const last = third.loginRound(FULL, NAMES)
      await assert.rejects(login, /closed/, 'overtaken by a third')
      assert.equal(bench.watched.nexuses.size, 0)
      assert.equal(third.waiting, 0)
      bench.store.release()
      assert.equal(statusOf(await last), LoginStatus.success)
      assert.equal(bench.watched.nexuses.size, 1)
    }))

  test('a lost session is waited for as well', () =>
    withBench({}, async bench => {
      const old = await bench.peer()
      bench.store.held = true
      old.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      await old.close()
      await bench.until(() => bench.of('session-closed').length === 1)
      const next = await bench.connect()
      const login = next.loginRound(FULL, NAMES)
      await bench.until(() => bench.port.connections.pending === 1)
      assert.equal(bench.watched.nexuses.size, 0)
      bench.store.release()
      assert.equal(statusOf(await login), LoginStatus.success)
    }))

  test('if they never let go, the new login is refused', () =>
    withBench({ limits: { replaceTimeoutMs: 50 } }, async bench => {
      const old = await bench.peer()
      bench.store.held = true
      old.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      const next = await bench.connect()
      assert.equal(statusOf(await next.loginRound(FULL, NAMES)), LoginStatus.serviceUnavailable)
      await next.end()
      bench.store.release()
      const last = await bench.peer()
      last.command(testUnitReady())
      await last.receive(Opcode.scsiResponse)
    }))

  // Requirement: RFC 7143, Session Reinstatement: an old session ends only when the new one has proved itself.
  test('without authentication nothing is replaced', () =>
    withBench({ access: { '*': { chap: { user: 'alice', secret: SECRET } } } }, async bench => {
      const old = await bench.connect()
      assert.equal(statusOf(await chapLogin(old, SECRET)), LoginStatus.success)
      const wrong = await bench.connect()
      assert.equal(statusOf(await chapLogin(wrong, `${SECRET}!`)), LoginStatus.authenticationFailure)
      const none = await bench.connect()
      assert.equal(statusOf(await none.loginRound(FULL, NAMES)), LoginStatus.authenticationFailure)
      old.sendPdu(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 1, ttt: RESERVED_TAG })
      await old.receive(Opcode.nopIn)
      assert.equal(bench.of('session-closed').length, 0)
      assert.equal(bench.of('login-failed').length, 2)
      assert.equal(bench.of('login-failed')[0]!.initiator, INITIATOR)
      assert.equal(bench.of('login-failed')[0]!.target, TARGET)
      assert.doesNotMatch(JSON.stringify(bench.events), /secret that/)
      const right = await bench.connect()
      assert.equal(statusOf(await chapLogin(right, SECRET)), LoginStatus.success)
      await old.end()
    }))

  // Requirement: RFC 7143, iSCSI Names: names are compared in their normal form.
  test('a target is found by the normal form of its name', () =>
    withBench({}, async bench => {
      bench.engine.addTarget({ name: 'iqn.2026-11.test.LunKit:Upper' })
      const peer = await bench.connect()
      await peer.login({ target: 'iqn.2026-11.test.lunkit:UPPER' })
      assert.equal(bench.of('session-opened')[0]!.target, 'iqn.2026-11.test.LunKit:Upper')
    }))

  test('sessions have a limit', () =>
    withBench({ limits: { sessions: 1 } }, async bench => {
      await bench.peer()
      const other = await bench.connect()
      const isid = Uint8Array.of(0x80, 0, 0, 0, 0, 2)
      assert.equal(statusOf(await other.loginRound({ ...FULL, isid }, NAMES)), LoginStatus.outOfResources)
      await other.end()
    }))

  test('a TSIH is its session: a connection too many, or for another session, is refused', () =>
    withBench({}, async bench => {
      const first = await bench.connect()
      const { tsih } = fieldsOf(LOGIN_RESPONSE, await first.loginRound(FULL, NAMES))
      assert.notEqual(tsih, 0)
      for (const [asked, status] of [
        [tsih, LoginStatus.tooManyConnections],
        [tsih + 1, LoginStatus.sessionDoesNotExist],
      ] as const) {
        const other = await bench.connect()
        assert.equal(statusOf(await other.loginRound({ ...FULL, tsih: asked, cid: 2 }, NAMES)), status)
        await other.end()
      }
      assert.equal(bench.port.connections.sessions, 1)
    }))
})

describe('before login', () => {
  // Requirement: RFC 7143, 4.2.4/2.
  test('another PDU first closes the connection, one in the middle is told why', () =>
    withBench({}, async bench => {
      const first = await bench.connect()
      first.command(testUnitReady())
      assert.deepEqual(await first.end(), [])
      const second = await bench.connect()
      await second.loginRound({ csg: 0 }, NAMES)
      second.command(testUnitReady())
      assert.equal(statusOf(await second.receive()), LoginStatus.invalidDuringLogin)
      await second.end()
      assert.equal(bench.of('peer-fault').length, 2)
    }))

  // Requirement: RFC 7143, 8.1.2/4.
  test('a login that takes too long ends', () =>
    withBench({ limits: { loginTimeoutMs: 80 } }, async bench => {
      const silent = await bench.connect()
      const slow = await bench.connect()
      await slow.loginRound({ csg: 0 }, NAMES)
      await silent.end()
      await slow.end()
      assert.deepEqual(
        bench.of('login-failed').map(event => event.reason),
        ['Login took too long', 'Login took too long'],
      )
      assert.equal(bench.of('login-failed')[1]!.initiator, INITIATOR)
    }))

  test('connections that have not logged in are few: the oldest make room', () =>
    withBench({ limits: { pendingConnections: 2 } }, async bench => {
      const one = await bench.connect()
      const two = await bench.connect()
      await bench.until(() => bench.port.connections.pending === 2)
      const three = await bench.connect()
      await one.end()
      assert.equal(statusOf(await three.loginRound(FULL, NAMES)), LoginStatus.success)
      await bench.connect()
      await bench.until(() => bench.port.connections.pending === 2)
      const four = await bench.connect()
      await two.end()
      const isid = Uint8Array.of(1, 2, 3, 4, 5, 6)
      assert.equal(statusOf(await four.loginRound({ ...FULL, isid }, NAMES)), LoginStatus.success)
      assert.ok(bench.of('warning').length >= 1)
    }))

  test('one that waits for the session it replaces is not sent away', () =>
    withBench({ limits: { pendingConnections: 1 } }, async bench => {
      const old = await bench.peer()
      bench.store.held = true
      old.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      const next = await bench.connect()
      const login = next.loginRound(FULL, NAMES)
      await old.end()
      const other = await bench.connect()
      await other.end()
      bench.store.release()
      assert.equal(statusOf(await login), LoginStatus.success)
    }))

  test('those that were refused and do not close are few', () =>
    withBench({ limits: { pendingConnections: 2 } }, async bench => {
      const { lingering } = bench.port as IscsiTargetPort
      for (let i = 0; i < 5; i++) {
        const peer = await bench.connect()
        peer.socket.removeAllListeners('end')
        peer.socket.allowHalfOpen = true
        const response = await peer.loginRound(FULL, { TargetName: TARGET })
        assert.equal(statusOf(response), LoginStatus.missingParameter)
        assert.ok(lingering.size <= 2)
      }
    }))

  test('discovery sessions leave room for those that have to prove themselves', () =>
    withBench({ limits: { sessions: 3, discoverySessions: 1 } }, async bench => {
      const discovery = { InitiatorName: INITIATOR, SessionType: 'Discovery' }
      const first = await bench.connect()
      assert.equal(statusOf(await first.loginRound(FULL, discovery)), LoginStatus.success)
      const second = await bench.connect()
      const other = { ...FULL, isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) }
      assert.equal(statusOf(await second.loginRound(other, discovery)), LoginStatus.outOfResources)
      await bench.peer()
      await first.close()
      await bench.until(() => bench.port.connections.sessions === 1)
      const third = await bench.connect()
      assert.equal(statusOf(await third.loginRound(FULL, discovery)), LoginStatus.success)
    }))

  test('their bytes are counted, for each and for all', () =>
    withBench({ limits: { pendingBytes: 20_000 } }, async bench => {
      const peer = await bench.connect()
      const half = peer.build(
        LOGIN_REQUEST,
        { opcode: Opcode.loginRequest, immediate: 1, continue: 1, csg: 1 },
        Buffer.alloc(8000, 0x41),
      )
      for (let i = 0; i < 4; i++) peer.send(half)
      await peer.end()
      assert.match(bench.of('login-failed')[0]!.reason, /too many bytes/)
      const other = await bench.connect()
      assert.equal(statusOf(await other.loginRound(FULL, NAMES)), LoginStatus.success)
    }))

  test('a header that never comes to its end holds nothing up', () =>
    withBench({ limits: { loginTimeoutMs: 100 } }, async bench => {
      const dribble = await bench.connect()
      dribble.send(Buffer.alloc(20, 0x43))
      const peer = await bench.peer()
      peer.command(testUnitReady())
      await peer.receive(Opcode.scsiResponse)
      await dribble.end()
    }))
})

describe('keep-alive', () => {
  test('a silent initiator is asked, and lives if it answers', () =>
    withBench({ nop: { intervalMs: 40, timeoutMs: 2000 } }, async bench => {
      const peer = await bench.peer()
      for (let i = 1; i <= 3; i++) {
        const ping = fieldsOf(NOP_IN, await peer.receive(Opcode.nopIn))
        assert.deepEqual([ping.itt, ping.ttt], [RESERVED_TAG, i])
        peer.sendPdu(NOP_OUT, {
          opcode: Opcode.nopOut,
          immediate: 1,
          final: 1,
          itt: RESERVED_TAG,
          ttt: ping.ttt,
        })
      }
      assert.equal(bench.of('session-closed').length, 0)
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  test('one that does not answer is lost', () =>
    withBench({ nop: { intervalMs: 40, timeoutMs: 40 } }, async bench => {
      const peer = await bench.peer()
      const last = await peer.end()
      assert.equal(last[0]!.opcode, Opcode.nopIn)
      await bench.until(() => bench.of('session-closed').length === 1)
      assert.equal(bench.of('session-closed')[0]!.cause, 'lost')
    }))

  test('whenever it was heard last, nobody is lost who was not asked', () =>
    withBench({ nop: { intervalMs: 1600, timeoutMs: 80 } }, async bench => {
      const ends: Promise<{ opcode: number }[]>[] = []
      for (let i = 0; i < 5; i++) {
        ends.push((await bench.peer({ initiator: `iqn.2026-11.test.lunkit:quiet${i}` })).end())
        // Some ticks of the port's clock.
        await new Promise(resolve => setTimeout(resolve, 40))
      }
      for (const last of await Promise.all(ends)) assert.equal(last[0]?.opcode, Opcode.nopIn)
    }))
})

describe('stop', () => {
  test('initiators are asked to log out, and it ends when they have', async () => {
    const bench = await IscsiBench.open()
    const peer = await bench.peer()
    const pending = await bench.connect()
    await bench.until(() => bench.port.connections.pending === 1)
    const { port } = bench.port.portals[0]!
    const stopped = bench.port.stop(60_000)
    await pending.end()
    const { asyncEvent, parameter3 } = fieldsOf(ASYNC_MESSAGE, await peer.receive(Opcode.asyncMessage))
    assert.deepEqual([asyncEvent, parameter3], [AsyncEvent.logoutRequested, 60])
    await assert.rejects(RawPeer.connect(port), /ECONNREFUSED/)
    peer.command(testUnitReady())
    await peer.receive(Opcode.scsiResponse)
    peer.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest, final: 1, itt: 9, cmdSn: peer.cmdSn })
    await peer.receive(Opcode.logoutResponse)
    await peer.end()
    await stopped
    assert.equal(bench.of('session-closed')[0]!.cause, 'logout')
    await bench.close()
  })

  test('one that does not care is cut off', async () => {
    const bench = await IscsiBench.open()
    const peer = await bench.peer()
    peer.socket.pause()
    await bench.port.stop(30)
    assert.equal(bench.of('session-closed')[0]!.cause, 'stopped')
    peer.socket.resume()
    await peer.end()
    await bench.close()
  })

  test('a store that never answers does not hold it up for ever', async () => {
    const bench = await IscsiBench.open()
    const peer = await bench.peer()
    bench.store.held = true
    peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
    await bench.until(() => bench.store.underWay === 1)
    await bench.port.stop(10)
    await peer.end()
    bench.store.release()
    await bench.close()
  })
})

describe('portals', () => {
  test('several, IPv4 and IPv6, each with its port', async () => {
    const bench = await IscsiBench.open({
      portals: [
        { host: '127.0.0.1', port: 0 },
        { host: '::1', port: 0 },
      ],
    })
    for (const { host, port } of bench.port.portals) {
      const peer = await RawPeer.connect(port, host)
      await peer.login({ target: TARGET, isid: Uint8Array.of(0, 0, 0, 0, port >> 8, port & 0xff) })
      await peer.close()
    }
    assert.equal(bench.of('session-opened')[1]!.address.startsWith('[::1]:'), true)
    await bench.close()
  })

  test('a port in use is named, and what was opened before is closed', async () => {
    const bench = await IscsiBench.open()
    const taken = bench.port.portals[0]!
    const wrong = (portals: { host: string; port: number }[], code: string): Promise<void> =>
      assert.rejects(driver.start(bench.watched, { portals }), error => {
        assert.ok(error instanceof OperatorError)
        assert.equal(error.code, code)
        assert.notEqual(error.hint, '')
        return true
      })
    await wrong([{ host: '127.0.0.1', port: 0 }, taken], 'PORT_IN_USE')
    await wrong([{ host: '192.0.2.1', port: 0 }], 'ADDRESS_UNKNOWN')
    await bench.close()
    const again = await driver.start(bench.watched, { portals: [taken] })
    await again.stop(0)
  })

  test('the port has its name and identifiers', () =>
    withBench({ tpgt: 258 }, async bench => {
      assert.equal(bench.port.portName(TARGET), `${TARGET},t,0x0102`)
      assert.deepEqual([bench.port.relativeId, bench.port.protocol], [258, 5])
    }))

  test('connections that say nothing leave nothing behind', () =>
    withBench({}, async bench => {
      for (let i = 0; i < 50; i++) {
        const socket = connect(bench.port.portals[0]!.port, '127.0.0.1')
        await new Promise(resolve => socket.once('connect', resolve))
        if (i % 2 === 0) socket.destroy()
        else resetSocket(socket)
      }
      await bench.until(() => bench.port.connections.pending === 0)
    }))
})
