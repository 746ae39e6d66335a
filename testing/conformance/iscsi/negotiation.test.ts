// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 6.1, 6.2 and 13: texts and keys of login as the target answers them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KEYS, LOGIN_REQUEST, LOGIN_RESPONSE, LoginStage, LoginStatus, Opcode } from '@lunkit/spec'
import { BLOCK, type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, ISID, keysOf, type RawPeer, text } from '../../kit/raw-peer.ts'
import { dataOut, response, write } from '../../kit/raw-requests.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const { operational, fullFeature } = LoginStage

/** One round in the operational stage, on a connection of its own: the answer to these keys, and whether it went well. */
async function answer(
  bench: IscsiBench,
  keys: Readonly<Record<string, string>>,
  names: Readonly<Record<string, string>> = NAMES,
): Promise<{ keys: Record<string, string>; status: number }> {
  const peer = await bench.connect()
  const pdu = await peer.loginRound({ csg: operational }, { ...names, ...keys })
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  await peer.close()
  return { keys: keysOf(pdu), status: (statusClass << 8) | statusDetail }
}

const sendLogin = (peer: RawPeer, fields: object, data: Uint8Array): void =>
  peer.sendPdu(
    LOGIN_REQUEST,
    { opcode: Opcode.loginRequest, immediate: 1, isid: ISID, cid: 1, cmdSn: 1, csg: operational, ...fields },
    data,
  )

describe('text', () => {
  // Requirement: RFC 7143, 6.1/1 and 6.2/1 and 6.1/2.
  test('unknown keys are not understood, and a known one in small letters is unknown', () =>
    withBench({}, async bench => {
      const long = `X-${'k'.repeat(61)}`
      const { keys } = await answer(bench, {
        Unheard: '1',
        initialr2t: 'Yes',
        'X-org.example.a': '2',
        [long]: '3',
      })
      for (const key of ['Unheard', 'initialr2t', 'X-org.example.a', long]) {
        assert.equal(keys[key], 'NotUnderstood', key)
      }
    }))

  // Requirement: RFC 7143, 6.1/3.
  test('hexadecimal numbers mean the same as decimal ones', () =>
    withBench({}, async bench => {
      for (const value of ['8192', '0x2000', '0X2000', '0x00002000']) {
        assert.equal(
          Number((await answer(bench, { MaxBurstLength: value })).keys['MaxBurstLength']),
          8192,
          value,
        )
      }
      for (const value of ['0xAbCd', '0XaBcD']) {
        assert.equal(Number((await answer(bench, { MaxBurstLength: value })).keys['MaxBurstLength']), 0xabcd)
      }
    }))

  // Requirement: RFC 7143, 6.1/4 and 6.2/9.
  test('a text that is cut in the middle of a pair counts as a whole, and its parts are answered by nothing', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const whole = text({ ...NAMES, MaxBurstLength: '4096', InitialR2T: 'Yes' })
      for (let at = 0; at < whole.length - 7; at += 7) {
        sendLogin(peer, { continue: 1 }, whole.subarray(at, at + 7))
        const pdu = await peer.receive(Opcode.loginResponse)
        const { statusClass, transit } = fieldsOf(LOGIN_RESPONSE, pdu)
        assert.deepEqual([statusClass, transit, pdu.data.length], [0, 0, 0])
      }
      const rest = whole.subarray(Math.floor((whole.length - 1) / 7) * 7)
      sendLogin(peer, {}, rest)
      const keys = keysOf(await peer.receive(Opcode.loginResponse))
      assert.deepEqual([keys['MaxBurstLength'], keys['InitialR2T']], ['4096', 'Yes'])
    }))

  // Requirement: RFC 7143, 6.1/5.
  test('values of 255 bytes are taken', () =>
    withBench({}, async bench => {
      const { status } = await answer(bench, { InitiatorAlias: 'a'.repeat(255) })
      assert.equal(status, LoginStatus.success)
    }))

  // Requirement: RFC 7143, 6.1/6.
  test('what is no text ends the login as an error of the initiator', () =>
    withBench({}, async bench => {
      for (const bytes of ['NoEqualsSign\0', '=value\0', 'a b=c\0', `${'K'.repeat(64)}=1\0`]) {
        const peer = await bench.connect()
        sendLogin(peer, {}, Buffer.concat([text(NAMES), Buffer.from(bytes)]))
        const { statusClass, statusDetail } = fieldsOf(
          LOGIN_RESPONSE,
          await peer.receive(Opcode.loginResponse),
        )
        assert.deepEqual([statusClass, statusDetail], [2, 0], bytes)
        await peer.end()
      }
    }))

  // Requirement: RFC 7143, 6.2/11.
  test('a text of 64 KiB is taken', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const filler = Object.fromEntries(
        Array.from({ length: 8 }, (_, i) => [`X-filler.${i}`, 'v'.repeat(8100)]),
      )
      const whole = text({ ...NAMES, ...filler })
      assert.ok(whole.length > 64_000 && whole.length <= 65_536)
      for (let at = 0; at < whole.length; at += 8192) {
        const goesOn = at + 8192 < whole.length
        sendLogin(peer, { continue: goesOn ? 1 : 0 }, whole.subarray(at, at + 8192))
        assert.equal(fieldsOf(LOGIN_RESPONSE, await peer.receive(Opcode.loginResponse)).statusClass, 0)
      }
    }))

  // Requirement: RFC 7143, 6.2/10.
  test('C together with T ends the login', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      sendLogin(peer, { continue: 1, transit: 1, nsg: fullFeature }, text(NAMES))
      assert.equal(fieldsOf(LOGIN_RESPONSE, await peer.receive(Opcode.loginResponse)).statusClass, 2)
      await peer.end()
    }))
})

/** Offers and what has to be answered; a list holds all answers that the standard allows. */
const OFFERS: readonly [rule: string, key: string, offer: string, allowed: readonly string[]][] = [
  ['6.2/3', 'HeaderDigest', 'CRC32C,None', ['CRC32C']],
  ['6.2/3', 'HeaderDigest', 'None,CRC32C', ['None']],
  ['6.2/3', 'DataDigest', 'X-org.example.sum,CRC32C', ['CRC32C']],
  ['6.2/4', 'DataDigest', 'X-org.example.sum', ['Reject']],
  ['6.2/5', 'MaxBurstLength', '1024', ['1024']],
  ['6.2/5', 'DefaultTime2Wait', '3600', ['3600']],
  ['6.2/6', 'MaxBurstLength', '511', ['Reject', '512']],
  ['6.2/6', 'MaxBurstLength', '16777216', ['Reject']],
  ['6.2/6', 'MaxOutstandingR2T', '0', ['Reject', '1']],
  ['6.2/6', 'InitialR2T', 'Perhaps', ['Reject']],
  ['6.2/7', 'InitialR2T', 'Yes', ['Yes']],
  ['6.2/7', 'ImmediateData', 'No', ['No']],
  ['6.2/7', 'DataPDUInOrder', 'Yes', ['Yes']],
  ['6.2/7', 'DataSequenceInOrder', 'Yes', ['Yes']],
]

describe('negotiation', () => {
  // Requirement: RFC 7143, 6.2/15 and 6.2/3 and 6.2/4 and 6.2/5 and 6.2/6 and 6.2/7 and 13.1/1.
  test('each kind of key is answered by its rule', () =>
    withBench({}, async bench => {
      for (const [rule, key, offer, allowed] of OFFERS) {
        const { keys, status } = await answer(bench, { [key]: offer })
        assert.equal(status, LoginStatus.success)
        assert.ok(allowed.includes(keys[key]!), `${rule}: ${key}=${offer} is answered ${keys[key]}`)
      }
    }))

  // Requirement: RFC 7143, 6.2/2.
  test('no key of the standard is answered NotUnderstood', () =>
    withBench({}, async bench => {
      const value = (type: string): string =>
        ({ boolean: 'Yes', number: '1024', range: '512~1024' })[type] ?? 'None'
      for (const { name, kind, type, stages } of KEYS) {
        if (kind !== 'negotiated' || !stages.includes('operational')) continue
        const { keys } = await answer(bench, { [name]: value(type) })
        assert.notEqual(keys[name], undefined, name)
        assert.notEqual(keys[name], 'NotUnderstood', name)
      }
    }))

  // Requirement: RFC 7143, 6.2/8.
  test('after a refusal the default holds', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Maybe', HeaderDigest: 'MD5' } })
      // InitialR2T is Yes, and no digest is expected: this is unsolicited data, not a broken PDU.
      const itt = write(peer, 0, 1, undefined, { final: 0 })
      dataOut(peer, { itt }, Buffer.alloc(BLOCK))
      assert.equal((await response(peer)).sense, '0b0c0c')
    }))

  // Requirement: RFC 7143, 6.2/14.
  test('words that are answers end the login where they are offered', () =>
    withBench({}, async bench => {
      for (const value of ['Reject', 'Irrelevant', 'NotUnderstood']) {
        for (const key of ['MaxBurstLength', 'InitialR2T', 'HeaderDigest']) {
          assert.equal(
            (await answer(bench, { [key]: value })).status,
            LoginStatus.initiatorError,
            `${key}=${value}`,
          )
        }
      }
    }))

  // Requirement: RFC 7143, 6.2/12 and 13.14/3.
  test('keys without a meaning are irrelevant', () =>
    withBench({}, async bench => {
      const { keys } = await answer(bench, {
        FirstBurstLength: '512',
        InitialR2T: 'Yes',
        ImmediateData: 'No',
      })
      assert.equal(keys['FirstBurstLength'], 'Irrelevant')
    }))

  // Requirement: RFC 7143, 6.3/3.
  test('a key that comes twice, in one request or in two, ends the login', () =>
    withBench({}, async bench => {
      const one = await bench.connect()
      sendLogin(
        one,
        {},
        Buffer.concat([text({ ...NAMES, MaxBurstLength: '512' }), text({ MaxBurstLength: '512' })]),
      )
      assert.equal(fieldsOf(LOGIN_RESPONSE, await one.receive()).statusClass, 2)
      await one.end()
      const two = await bench.connect()
      await two.loginRound({ csg: operational }, { ...NAMES, ImmediateData: 'No' })
      const last = await two.loginRound({ csg: operational }, { ImmediateData: 'No' })
      assert.deepEqual(
        [fieldsOf(LOGIN_RESPONSE, last).statusClass, fieldsOf(LOGIN_RESPONSE, last).statusDetail],
        [2, 0],
      )
      await two.end()
    }))
})
