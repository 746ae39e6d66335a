// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 6.3, 11.12 and 11.13: login as the target runs it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  keyByName,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  LoginStatus,
  NOP_OUT,
  Opcode,
  RejectReason,
} from '@lunkit/spec'
import { type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, ISID, keysOf, type RawPdu, type RawPeer, text } from '../../kit/raw-peer.ts'
import { ping, read, rejected, response } from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const { security, operational, fullFeature } = LoginStage
const CHAP = { user: 'somebody', secret: 'a secret of 20 bytes' }

const head = (pdu: RawPdu): ReturnType<typeof LOGIN_RESPONSE.read> => fieldsOf(LOGIN_RESPONSE, pdu)
const statusOf = (pdu: RawPdu): number => (head(pdu).statusClass << 8) | head(pdu).statusDetail

/** A login in one round that has to be refused: the status, and the end of the connection. */
async function refused(
  bench: IscsiBench,
  keys: Readonly<Record<string, string>>,
  fields: object = {},
): Promise<number> {
  const peer = await bench.connect()
  const pdu = await peer.loginRound({ transit: 1, csg: operational, nsg: fullFeature, ...fields }, keys)
  assert.equal(head(pdu).transit, 0, 'T is 0 in a refusal')
  await peer.end()
  return statusOf(pdu)
}

describe('PDUs around login', () => {
  // Requirement: RFC 7143, 6.3/1 and 4.2.4/2.
  test('another PDU before login closes the connection without an answer', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      peer.sendPdu(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 1 })
      assert.deepEqual(await peer.end(), [])
    }))

  // Requirement: RFC 7143, 6.3/2 and 4.2.4/2.
  test('another PDU in the middle of login is answered by a login reject', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.loginRound({ csg: operational }, NAMES)
      peer.sendPdu(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 1 })
      assert.equal(statusOf(await peer.receive(Opcode.loginResponse)), LoginStatus.invalidDuringLogin)
      assert.deepEqual(await peer.end(), [])
    }))

  // Requirement: RFC 7143, 6.3/9 and 4.2.4/3.
  test('a Login Request after login is a protocol error', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.sendPdu(LOGIN_REQUEST, { opcode: Opcode.loginRequest, immediate: 1, csg: 1, isid: ISID })
      await rejected(peer, RejectReason.protocolError)
    }))
})

describe('stages', () => {
  // Requirement: RFC 7143, 11.13/1 and 11.13/5 and 6.3/18.
  test('T answers T, the next stage is the one asked for, the rest comes back as it was', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const isid = Uint8Array.of(0x40, 1, 2, 3, 4, 5)
      const rounds = [
        { csg: security, transit: 0, nsg: 0 },
        { csg: security, transit: 1, nsg: operational },
        { csg: operational, transit: 0, nsg: 0 },
        { csg: operational, transit: 1, nsg: fullFeature },
      ]
      for (const [at, round] of rounds.entries()) {
        const pdu = await peer.loginRound({ ...round, isid, itt: 0x77 }, at === 0 ? NAMES : {})
        const { csg, nsg, transit, itt } = head(pdu)
        assert.deepEqual({ csg, nsg, transit }, round)
        assert.equal(itt, 0x77)
        assert.deepEqual(Buffer.from(head(pdu).isid), Buffer.from(isid))
      }
    }))

  // Requirement: RFC 7143, 6.3/4.
  test('a stage that does not follow ends the login', () =>
    withBench({}, async bench => {
      const orders: readonly { csg: number; transit?: number; nsg?: number }[][] = [
        [{ csg: operational }, { csg: security }],
        [{ csg: security, transit: 1, nsg: operational }, { csg: security }],
        [{ csg: operational, transit: 1, nsg: operational }],
        [{ csg: operational, transit: 1, nsg: security }],
        [{ csg: security }, { csg: operational }],
        [{ csg: 2 }],
        [{ csg: fullFeature }],
      ]
      for (const rounds of orders) {
        const peer = await bench.connect()
        let status: number = LoginStatus.success
        for (const [at, round] of rounds.entries()) {
          assert.equal(status, LoginStatus.success)
          status = statusOf(await peer.loginRound(round, at === 0 ? NAMES : {}))
        }
        assert.equal(status, LoginStatus.initiatorError, JSON.stringify(rounds))
        await peer.end()
      }
    }))

  // Requirement: RFC 7143, 6.3/5 and 6.3/6 and 11.13/6.
  test('who leaves out the security stage is refused where it is needed', () =>
    withBench({ access: { [TARGET]: { chap: CHAP } } }, async bench => {
      assert.equal(await refused(bench, NAMES), LoginStatus.authenticationFailure)
      // At once: without T, too, and without a word of what there is.
      const peer = await bench.connect()
      const pdu = await peer.loginRound({ csg: operational }, { ...NAMES, MaxBurstLength: '512' })
      assert.equal(statusOf(pdu), LoginStatus.authenticationFailure)
      assert.equal(pdu.data.length, 0)
      await peer.end()
      const skip = { csg: security, transit: 1, nsg: fullFeature }
      assert.equal(await refused(bench, NAMES, skip), LoginStatus.authenticationFailure)
      assert.equal(
        await refused(bench, { ...NAMES, AuthMethod: 'None' }, skip),
        LoginStatus.authenticationFailure,
      )
    }))

  // Requirement: RFC 7143, 6.3/7.
  test('what was agreed on holds from the last response on', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const keys = await peer.login({
        target: TARGET,
        keys: { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' },
      })
      assert.deepEqual([keys['HeaderDigest'], keys['DataDigest']], ['CRC32C', 'CRC32C'])
      // The peer checks both digests of what it gets, and sends them.
      assert.equal((await ping(peer, {}, Buffer.from('abc'))).data.toString(), 'abc')
    }))
})

describe('Login Request', () => {
  // Requirement: RFC 7143, 11.12/1 and 11.13/8.
  test('a version that is not supported is refused', () =>
    withBench({}, async bench => {
      assert.equal(
        await refused(bench, NAMES, { versionMin: 1, versionMax: 2 }),
        LoginStatus.unsupportedVersion,
      )
    }))

  // Requirement: RFC 7143, 11.12/2.
  test('requests of one login that differ in ISID, TSIH, CID or tag end it', () =>
    withBench({}, async bench => {
      for (const other of [
        { isid: Uint8Array.of(0x80, 0, 0, 0, 0, 9) },
        { tsih: 9 },
        { cid: 9 },
        { itt: 9 },
      ]) {
        const peer = await bench.connect()
        await peer.loginRound({ csg: operational }, NAMES)
        assert.equal(
          statusOf(await peer.loginRound({ csg: operational, ...other })),
          LoginStatus.initiatorError,
        )
        await peer.end()
      }
    }))

  // Requirement: RFC 7143, 11.12/3 and 11.12/4 and 13.4/1 and 13.5/1.
  test('without the name of the initiator or of the target a parameter is missing', () =>
    withBench({}, async bench => {
      assert.equal(await refused(bench, { TargetName: TARGET }), LoginStatus.missingParameter)
      assert.equal(await refused(bench, { InitiatorName: INITIATOR }), LoginStatus.missingParameter)
      assert.equal(await refused(bench, { SessionType: 'Discovery' }), LoginStatus.missingParameter)
    }))

  // Requirement: RFC 7143, 11.12/5.
  test('a TSIH without a session is refused', () =>
    withBench({}, async bench => {
      assert.equal(await refused(bench, NAMES, { tsih: 0x4321 }), LoginStatus.sessionDoesNotExist)
    }))

  // Requirement: RFC 7143, 11.13/8.
  test('a target that is not there, and one that the initiator may not use', () =>
    withBench(
      { access: { [TARGET]: { initiators: ['iqn.2026-11.test.lunkit:somebody-else'] } } },
      async bench => {
        assert.equal(await refused(bench, { ...NAMES, TargetName: `${TARGET}.not` }), LoginStatus.notFound)
        assert.equal(await refused(bench, NAMES), LoginStatus.authorizationFailure)
      },
    ))

  // Requirement: RFC 7143, 4.2.7/1.
  test('names of 223 bytes are taken, longer ones are not', () =>
    withBench({}, async bench => {
      const name = (length: number): string => 'iqn.2026-11.test.lunkit:'.padEnd(length, 'n')
      await (await bench.connect()).login({ target: TARGET, initiator: name(223) })
      const status = await refused(bench, { ...NAMES, InitiatorName: name(224) })
      assert.equal(status >> 8, 2)
    }))

  // Requirement: RFC 7143, 4.2.7/2 and 4.2.7/3.
  test('names are compared in small letters, and have one of three types', () =>
    withBench({}, async bench => {
      await (await bench.connect()).login({ target: TARGET.toUpperCase().replace('IQN', 'iqn') })
      for (const initiator of [
        'eui.0123456789abcdef',
        'naa.52004567ba64678d',
        'naa.62004567ba64678d0123456789abcdef',
      ]) {
        await (await bench.connect()).login({ target: TARGET, initiator })
      }
      for (const InitiatorName of [
        'somebody',
        'iqn.2026.test',
        'eui.0123',
        'naa.0123',
        'iqn.2026-11.test: a',
      ]) {
        assert.equal((await refused(bench, { ...NAMES, InitiatorName })) >> 8, 2, InitiatorName)
      }
    }))
})

describe('Login Response', () => {
  // Requirement: RFC 7143, 11.13/2 and 11.13/3.
  test('versions stay the same, and StatSN counts on into full feature phase', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const all: ReturnType<typeof LOGIN_RESPONSE.read>[] = []
      all.push(head(await peer.loginRound({ csg: security, expStatSn: 0x1000 }, NAMES)))
      all.push(head(await peer.loginRound({ csg: security, transit: 1, nsg: operational })))
      all.push(head(await peer.loginRound({ csg: operational, transit: 1, nsg: fullFeature })))
      for (const [at, { statSn, versionActive, versionMax }] of all.entries()) {
        assert.deepEqual([statSn, versionActive, versionMax], [all[0]!.statSn + at, 0, 0])
      }
      assert.equal((await ping(peer)).statSn, all[0]!.statSn + 3)
    }))

  // Requirement: RFC 7143, 11.13/4.
  test('each session has a TSIH of its own, told in the last response', () =>
    withBench({}, async bench => {
      const seen = new Set<number>()
      for (let port = 1; port <= 4; port++) {
        const peer = await bench.connect()
        const isid = Uint8Array.of(0x80, 0, 0, 0, 1, port)
        const first = await peer.loginRound({ csg: operational, isid }, NAMES)
        assert.equal(head(first).tsih, 0)
        const last = await peer.loginRound({ csg: operational, transit: 1, nsg: fullFeature, isid })
        seen.add(head(last).tsih)
      }
      assert.equal(seen.size, 4)
      assert.ok(!seen.has(0))
    }))

  // Requirement: RFC 7143, 6.3/12.
  test('with T=1 there is nothing in the response that the initiator has to answer', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const offered = { ...NAMES, InitialR2T: 'Yes', MaxBurstLength: '4096' }
      const pdu = await peer.loginRound({ csg: operational, transit: 1, nsg: fullFeature }, offered)
      assert.equal(head(pdu).transit, 1)
      for (const key of Object.keys(keysOf(pdu))) {
        assert.ok(key in offered || keyByName(key)!.kind === 'declarative', key)
      }
    }))

  // Requirement: RFC 7143, 6.3.1/1.
  test('the portal group is told in discovery as well', () =>
    withBench({ tpgt: 9 }, async bench => {
      const peer = await bench.connect()
      const keys = { InitiatorName: INITIATOR, SessionType: 'Discovery' }
      assert.equal(keysOf(await peer.loginRound({ csg: security }, keys))['TargetPortalGroupTag'], '9')
    }))

  // Requirement: RFC 7143, 6.3.1/2.
  test('ISID, TSIH and CID decide what a login makes', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      const replaced = await session.join(2)
      await second.end()
      await ping(replaced)
      await ping(first)
      const isid = Uint8Array.of(0x80, 0, 0, 0, 0, 7)
      assert.equal(await refused(bench, NAMES, { isid, tsih: session.tsih }), LoginStatus.sessionDoesNotExist)
      const unknown = { tsih: session.tsih + 1 }
      assert.equal(await refused(bench, NAMES, unknown), LoginStatus.sessionDoesNotExist)
      await bench.peer({ isid })
      assert.equal(bench.port.connections.sessions, 2)
    }))

  // Requirement: RFC 7143, 6.3.4/3.
  test('at level 2 the only connection that there may be is replaced', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, {
        MaxConnections: '1',
        ErrorRecoveryLevel: '2',
      })
      const again = await session.join(1)
      await first.end()
      await ping(again)
    }))

  // Requirement: RFC 7143, 13.9/1.
  test('the first response that follows the name of the target tells the portal group', () =>
    withBench({ tpgt: 7 }, async bench => {
      const peer = await bench.connect()
      const whole = text(NAMES)
      const sendPart = (part: Buffer, goesOn: boolean): void =>
        peer.sendPdu(
          LOGIN_REQUEST,
          {
            opcode: Opcode.loginRequest,
            immediate: 1,
            isid: ISID,
            cid: 1,
            csg: security,
            continue: goesOn ? 1 : 0,
          },
          part,
        )
      sendPart(whole.subarray(0, 20), true)
      assert.deepEqual(keysOf(await peer.receive(Opcode.loginResponse)), {})
      sendPart(whole.subarray(20), false)
      assert.equal(keysOf(await peer.receive(Opcode.loginResponse))['TargetPortalGroupTag'], '7')
      const next = await peer.loginRound({ csg: security, transit: 1, nsg: operational, cmdSn: 0 })
      assert.equal(keysOf(next)['TargetPortalGroupTag'], undefined)
    }))
})

describe('the same initiator port again', () => {
  // Requirement: RFC 7143, 4.4.3/1 and 6.3.5/1.
  test('a new login ends the session of the same name and ISID, and only that', () =>
    withBench({}, async bench => {
      const old = await bench.peer()
      const other = await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      const neighbour = await bench.peer({ initiator: `${INITIATOR}.2` })
      const again = await bench.peer()
      await old.end()
      for (const peer of [other, neighbour, again]) await ping(peer)
      assert.equal(bench.port.connections.sessions, 3)
    }))

  // Requirement: RFC 7143, 6.3.5/2.
  test('the login waits for the tasks of the old session, and its first command hears of the loss', () =>
    withBench({}, async bench => {
      const old = await bench.peer()
      bench.store.held = true
      read(old, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      const peer: RawPeer = await bench.connect()
      peer.sendPdu(
        LOGIN_REQUEST,
        {
          opcode: Opcode.loginRequest,
          immediate: 1,
          transit: 1,
          csg: 1,
          nsg: 3,
          isid: ISID,
          cid: 1,
          cmdSn: 1,
        },
        text(NAMES),
      )
      await old.end()
      assert.equal(peer.waiting, 0)
      bench.store.release()
      assert.equal(statusOf(await peer.receive(Opcode.loginResponse)), LoginStatus.success)
      peer.command(new Uint8Array(6))
      assert.equal((await response(peer)).sense.slice(0, 4), '0629')
    }))
})
