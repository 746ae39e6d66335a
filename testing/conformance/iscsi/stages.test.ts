// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.4, 6.2, 6.3, 12 and 13: which key may come when, and what it means where it may not.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  KEYS,
  keyByName,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  LoginStatus,
  Opcode,
  RejectReason,
} from '@lunkit/spec'
import { BLOCK, type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, ISID, keysOf, type RawPdu, type RawPeer, text } from '../../kit/raw-peer.ts'
import {
  dataOut,
  ping,
  read,
  rejected,
  response,
  sendText,
  textRound,
  write,
} from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const { security, operational, fullFeature } = LoginStage
type Keys = Readonly<Record<string, string>>

const head = (pdu: RawPdu): ReturnType<typeof LOGIN_RESPONSE.read> => fieldsOf(LOGIN_RESPONSE, pdu)
const statusOf = (pdu: RawPdu): number => (head(pdu).statusClass << 8) | head(pdu).statusDetail

/** The status of a round with these keys, on a connection of its own; if it is no success, the connection has to close. */
async function statusIn(bench: IscsiBench, csg: number, keys: Keys): Promise<number> {
  const peer = await bench.connect()
  const status = statusOf(await peer.loginRound({ csg }, { ...NAMES, ...keys }))
  if (status === LoginStatus.success) await peer.close()
  else await peer.end()
  return status
}

const VALUES: Keys = { boolean: 'Yes', number: '1024', range: '512~1024', list: 'None', text: 'All' }

describe('keys in login', () => {
  // Requirement: RFC 7143, 6.3/16 and 12/2.
  test('a key of the operational stage ends the login where it comes in the security stage', () =>
    withBench({}, async bench => {
      const keys = KEYS.filter(({ stages, sender }) => !stages.includes('security') && sender !== 'target')
      assert.ok(keys.length > 15)
      for (const { name, type } of keys) {
        const status = await statusIn(bench, security, { [name]: VALUES[type]! })
        assert.equal(status, LoginStatus.initiatorError, name)
      }
    }))

  // Requirement: RFC 7143, 6.3/16 and 13/3.
  test('a key of authentication, or of full feature phase, ends the login in the operational stage', () =>
    withBench({}, async bench => {
      for (const keys of [
        { AuthMethod: 'None' },
        { CHAP_A: '5' },
        { CHAP_N: 'alice' },
        { SendTargets: 'All' },
      ]) {
        assert.equal(
          await statusIn(bench, operational, keys),
          LoginStatus.initiatorError,
          JSON.stringify(keys),
        )
      }
      assert.equal(await statusIn(bench, security, { SendTargets: 'All' }), LoginStatus.initiatorError)
    }))

  // Requirement: RFC 7143, 12/3.
  test('in the security stage the target has no other keys than those that may come there', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const keys = { ...NAMES, InitiatorAlias: 'me', SessionType: 'Normal', AuthMethod: 'None' }
      const answer = keysOf(await peer.loginRound({ csg: security, transit: 1, nsg: operational }, keys))
      for (const key of Object.keys(answer)) assert.ok(keyByName(key)!.stages.includes('security'), key)
      assert.deepEqual(Object.keys(answer).sort(), ['AuthMethod', 'TargetAlias', 'TargetPortalGroupTag'])
    }))

  // Requirement: RFC 7143, 6.2/2 and 6.4/3.
  test('after login each key of the standard is known: refused, taken or answered', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const { name, kind, type, sender } of KEYS) {
        if (sender === 'target' || type === 'iscsi-name') continue
        const { keys } = await textRound(peer, { [name]: VALUES[type] ?? '0x00' })
        assert.notEqual(keys[name], 'NotUnderstood', name)
        if (kind === 'negotiated') assert.equal(keys[name], 'Reject', name)
      }
    }))

  // Requirement: RFC 7143, 6.3/17.
  test('keys of authentication are refused after login, and the session goes on', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const { keys } = await textRound(peer, { AuthMethod: 'CHAP', CHAP_A: '5' })
      assert.deepEqual(keys, { AuthMethod: 'Reject', CHAP_A: 'Reject' })
      await ping(peer)
    }))

  // Requirement: RFC 7143, 6.3/19.
  test('a declaration that comes again and is no name ends the login', () =>
    withBench({}, async bench => {
      for (const keys of [{ MaxRecvDataSegmentLength: '8192' }, { 'X#NodeArchitecture': 'vax' }]) {
        const peer = await bench.connect()
        assert.equal(statusOf(await peer.loginRound({ csg: operational }, { ...NAMES, ...keys })), 0)
        assert.equal(statusOf(await peer.loginRound({ csg: operational }, keys)), LoginStatus.initiatorError)
        await peer.end()
      }
    }))

  // Requirement: RFC 7143, 6.2.1/2.
  test('an answer that nobody asked for ends the login, whatever key it has', () =>
    withBench({}, async bench => {
      for (const value of ['Reject', 'Irrelevant', 'NotUnderstood']) {
        for (const key of ['MaxConnections', 'IFMarker', 'TargetAlias', 'Unheard', 'X-org.example.a'])
          assert.equal(await statusIn(bench, operational, { [key]: value }), LoginStatus.initiatorError, key)
        assert.equal(await statusIn(bench, security, { AuthMethod: value }), LoginStatus.initiatorError)
      }
      const peer = await bench.peer()
      sendText(peer, {}, { 'X-org.example.a': 'NotUnderstood' })
      await rejected(peer, RejectReason.protocolError)
    }))

  // Requirement: RFC 7143, 13.21/5.
  test('a session does not become one of discovery after it has named its target', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.loginRound({ csg: operational }, NAMES)
      const pdu = await peer.loginRound({ csg: operational }, { SessionType: 'Discovery' })
      assert.equal(statusOf(pdu), LoginStatus.initiatorError)
      await peer.end()
    }))

  // Requirement: RFC 7143, 13.4/3.
  test('TargetName comes from the target in answers to SendTargets alone', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const rounds = [
        [{ csg: security, transit: 1, nsg: operational }, NAMES],
        [{ csg: operational }, { MaxBurstLength: '1024' }],
        [{ csg: operational, transit: 1, nsg: fullFeature }, {}],
      ] as const
      for (const [fields, keys] of rounds)
        assert.equal('TargetName' in keysOf(await peer.loginRound(fields, keys)), false)
      assert.deepEqual((await textRound(peer, { InitiatorAlias: 'me' })).keys, {})
      assert.equal((await textRound(peer, { SendTargets: '' })).keys['TargetName'], TARGET)
    }))
})

describe('the end of a login', () => {
  // Requirement: RFC 7143, 6.3.2/2 and 11.13/12.
  test('straight from the security stage the last response has the TSIH, and no other has', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      assert.equal(head(await peer.loginRound({ csg: security }, { ...NAMES, AuthMethod: 'None' })).tsih, 0)
      const last = head(await peer.loginRound({ csg: security, transit: 1, nsg: fullFeature }))
      assert.deepEqual([last.statusClass, last.transit, last.nsg], [0, 1, fullFeature])
      assert.notEqual(last.tsih, 0)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 6.2/25.
  test('each request has one response, and StatSN tells of no other', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const rounds = [
        [{ csg: security }, NAMES],
        [{ csg: security, transit: 1, nsg: operational }, { AuthMethod: 'None' }],
        [{ csg: operational }, { MaxBurstLength: '4096', Unheard: '1' }],
        [{ csg: operational, transit: 1, nsg: fullFeature }, {}],
      ] as const
      const numbers: number[] = []
      for (const [fields, keys] of rounds) {
        numbers.push(head(await peer.loginRound(fields, keys)).statSn)
        assert.equal(peer.waiting, 0)
      }
      assert.equal((await ping(peer)).statSn, numbers[0]! + rounds.length)
    }))

  // Requirement: RFC 7143, 11.13/12.
  test('a refusal and a response that goes on tell no TSIH', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const whole = text({ ...NAMES, MaxBurstLength: '1024' })
      const fields = { opcode: Opcode.loginRequest, immediate: 1, isid: ISID, cid: 1, csg: operational }
      peer.sendPdu(LOGIN_REQUEST, { ...fields, continue: 1 }, whole.subarray(0, 30))
      assert.equal(head(await peer.receive(Opcode.loginResponse)).tsih, 0)
      peer.sendPdu(LOGIN_REQUEST, { ...fields, transit: 1, nsg: fullFeature }, Buffer.from('no text\0'))
      const refused = await peer.receive(Opcode.loginResponse)
      assert.deepEqual([head(refused).tsih, head(refused).statusClass], [0, 2])
    }))

  // Requirement: RFC 7143, 11.13/13 and 6.3/18.
  test('a response whose text goes on has T=0, and the last has T=1 only where it was asked for', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const many = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`X-org.example.n${i}`, '1']))
      const wish = { csg: operational, transit: 1, nsg: fullFeature }
      const whole = text({ ...NAMES, ...many })
      const send = (fields: object, data?: Uint8Array): void =>
        peer.sendPdu(
          LOGIN_REQUEST,
          { opcode: Opcode.loginRequest, immediate: 1, isid: ISID, cid: 1, ...fields },
          data,
        )
      for (let at = 0; at < whole.length; at += 8192) {
        const goesOn = at + 8192 < whole.length
        send(goesOn ? { csg: operational, continue: 1 } : wish, whole.subarray(at, at + 8192))
        if (goesOn) await peer.receive(Opcode.loginResponse)
      }
      let answer = head(await peer.receive(Opcode.loginResponse))
      assert.deepEqual([answer.continue, answer.transit, answer.tsih], [1, 0, 0])
      while (answer.continue === 1) {
        // Without T, the end of the text is not the end of the login.
        send({ csg: operational })
        answer = head(await peer.receive(Opcode.loginResponse))
        assert.equal(answer.transit, 0)
      }
      send(wish)
      assert.equal(head(await peer.receive(Opcode.loginResponse)).transit, 1)
    }))

  // Requirement: RFC 7143, 11.12/1.
  test('versions of later requests mean nothing: those of the first count', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.loginRound({ csg: operational }, NAMES)
      const other = { versionMin: 7, versionMax: 9 }
      const last = head(await peer.loginRound({ csg: operational, transit: 1, nsg: fullFeature, ...other }))
      assert.deepEqual([last.statusClass, last.transit, last.versionActive, last.versionMax], [0, 1, 0, 0])
    }))
})

describe('a connection that joins a session', () => {
  // Requirement: RFC 7143, 13/2.
  test('keys for the leading connection alone are refused there, and change nothing', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, { MaxBurstLength: '4096', InitialR2T: 'Yes' })
      const more: Record<string, string> = {}
      for (const { name, kind, use, type } of KEYS) {
        if (kind === 'negotiated' && use === 'leading-only') more[name] = VALUES[type]!
      }
      const { peer, pdu } = await session.login(2, { ...more, MaxBurstLength: '512', ImmediateData: 'No' })
      const answer = keysOf(pdu)
      for (const name of Object.keys(more)) assert.equal(answer[name], 'Reject', name)
      for (const one of [first, peer]) {
        const itt = write(session.next(one), 0, 1, Buffer.alloc(BLOCK, 1))
        assert.equal((await response(one)).sense, '', `immediate data of ${itt}`)
        read(session.next(one), 0, 8)
        assert.equal((await one.receive(Opcode.dataIn)).data.length, 8 * BLOCK)
      }
    }))

  // Requirement: RFC 7143, 6.2/26.
  test('digests and sizes are its own: what another connection has agreed on is not taken over', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, { HeaderDigest: 'CRC32C' })
      assert.equal(first.headerDigest, true)
      const { peer } = await session.login(2, { HeaderDigest: 'None', MaxRecvDataSegmentLength: '512' })
      // Both peers check what they get: digests on one, none on the other, each with its size.
      await ping(peer)
      await ping(first)
      read(session.next(peer), 0, 2)
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 512)
      read(session.next(first), 0, 2)
      assert.equal((await first.receive(Opcode.dataIn)).data.length, 1024)
    }))
})

describe('a negotiation as a whole', () => {
  // Requirement: RFC 7143, 6.2/27.
  test('an exchange with a fault in it changes nothing, and a login with one leaves nothing', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const size = text({ MaxRecvDataSegmentLength: '512' })
      sendText(peer, {}, Buffer.concat([size, size]))
      await rejected(peer, RejectReason.protocolError)
      read(peer, 0, 2)
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 1024)
      const sessions = bench.port.connections.sessions
      const status = await statusIn(bench, operational, { MaxBurstLength: 'Reject', InitialR2T: 'Yes' })
      assert.equal(status, LoginStatus.initiatorError)
      assert.equal(bench.port.connections.sessions, sessions)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 6.2/26.
  test('what was not negotiated has its default, whatever the target would like', () =>
    withBench(
      { preferences: { initialR2T: false }, limits: { firstBurst: 4096, maxBurst: 4096 } },
      async bench => {
        const peer: RawPeer = await bench.peer()
        // InitialR2T is Yes without a word, and MaxBurstLength 262144.
        dataOut(peer, { itt: write(peer, 0, 1, undefined, { final: 0 }) }, Buffer.alloc(BLOCK))
        assert.equal((await response(peer)).sense, '0b0c0c')
        write(peer, 0, 16)
        const r2t = await peer.receive(Opcode.r2t)
        assert.equal(r2t.header.readUInt32BE(44), 16 * BLOCK)
      },
    ))

  // Requirement: RFC 7143, 6.2/25.
  test('there is one answer to each request, and none goes out unasked', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const keys of [{ SendTargets: '' }, { InitiatorAlias: 'me' }, { Unheard: '1' }]) {
        await textRound(peer, keys)
        await ping(peer)
      }
      assert.equal(peer.waiting, 0)
    }))

  // Requirement: RFC 7143, 6.2.1/1.
  test('None is the answer only where it was offered', () =>
    withBench({ preferences: { headerDigest: ['None'], dataDigest: ['None'] } }, async bench => {
      for (const key of ['HeaderDigest', 'DataDigest']) {
        for (const [offer, wanted] of [
          ['CRC32C', 'Reject'],
          ['Y-org.example.sum', 'Reject'],
          ['CRC32C,None', 'None'],
        ] as const) {
          const peer = await bench.connect()
          const pdu = await peer.loginRound({ csg: operational }, { ...NAMES, [key]: offer })
          assert.equal(keysOf(pdu)[key], wanted, `${key}=${offer}`)
          await peer.close()
        }
      }
    }))
})
