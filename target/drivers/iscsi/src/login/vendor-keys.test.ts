// SPDX-License-Identifier: Apache-2.0
// Extension keys: what the application is asked, what it may answer, and what its failures do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  encodeText,
  LOGIN_RESPONSE,
  LoginStage,
  LoginStatus,
  Opcode,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { TARGET, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, type RawPdu, type RawPeer, text } from '@lunkit/testing/kit/raw-peer.ts'
import type { VendorKeyFacts } from './vendor-keys.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const LAST = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const
const EARLY = { transit: 1, csg: LoginStage.security, nsg: LoginStage.operational } as const
const COLOR = 'X-org.example.color'

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

async function ask(peer: RawPeer, data: Uint8Array): Promise<RawPdu> {
  const fields = { opcode: Opcode.textRequest, final: 1, itt: 5, ttt: RESERVED_TAG, cmdSn: peer.cmdSn++ }
  peer.sendPdu(TEXT_REQUEST, fields, data)
  const pdu = await peer.receive()
  if (pdu.opcode === Opcode.reject) peer.cmdSn = fieldsOf(REJECT, pdu).expCmdSn
  return pdu
}

describe('extension keys', () => {
  test('go to the application with who sends them and when', async () => {
    const asked: [string, string, VendorKeyFacts][] = []
    const vendorKey = (key: string, value: string, from: VendorKeyFacts): string | undefined => {
      asked.push([key, value, from])
      return key === COLOR ? `not ${value}` : undefined
    }
    await withBench({ vendorKey }, async bench => {
      const peer = await bench.connect()
      const keys = {
        ...NAMES,
        [COLOR]: 'red',
        'X#number': '7',
        MaxBurstLength: '8192',
        'X#NodeArchitecture': 'a',
      }
      const answers = keysOf(await peer.loginRound(EARLY, { ...NAMES, [COLOR]: 'early' }))
      assert.equal(answers[COLOR], 'NotUnderstood')
      const { InitiatorName: _i, TargetName: _t, ...operational } = keys
      const last = keysOf(await peer.loginRound(LAST, operational))
      assert.deepEqual(
        [last[COLOR], last['X#number'], last['MaxBurstLength'], last['X#NodeArchitecture']],
        ['not red', 'NotUnderstood', '8192', undefined],
      )
      assert.deepEqual(keysOf(await ask(peer, text({ [COLOR]: 'blue' }))), { [COLOR]: 'not blue' })
      const from = { initiator: INITIATOR, target: TARGET }
      assert.deepEqual(asked, [
        [COLOR, 'red', { ...from, stage: 'operational' }],
        [COLOR, 'blue', { ...from, stage: 'full-feature' }],
      ])
    })
  })

  test('of who has not proved himself are not asked for', async () => {
    let asked = 0
    await withBench(
      {
        vendorKey: () => String(++asked),
        access: { [TARGET]: { chap: { user: 'alice', secret: 'a secret of hers' } } },
      },
      async bench => {
        const early = await bench.connect()
        const keys = { ...NAMES, AuthMethod: 'CHAP', [COLOR]: 'red' }
        const answers = keysOf(await early.loginRound({ csg: LoginStage.security }, keys))
        assert.equal(answers[COLOR], 'NotUnderstood')
        const straight = await bench.connect()
        const pdu = await straight.loginRound({ csg: LoginStage.operational }, { ...NAMES, [COLOR]: 'red' })
        assert.equal(statusOf(pdu), LoginStatus.authenticationFailure)
        assert.deepEqual([pdu.data.length, asked], [0, 0])
      },
    )
  })

  test('are not understood where nobody asks for them, nor beyond the first 64', async () => {
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`X-org.example.n${i}`, '1']))
    await withBench({}, async bench => {
      const answers = keysOf(await (await bench.connect()).loginRound(LAST, { ...NAMES, ...many }))
      assert.ok(Object.keys(many).every(key => answers[key] === 'NotUnderstood'))
    })
    await withBench({ vendorKey: () => 'yes' }, async bench => {
      const answers = keysOf(await (await bench.connect()).loginRound(LAST, { ...NAMES, ...many }))
      const given = Object.keys(many).map(key => answers[key])
      assert.deepEqual(given, [...new Array(64).fill('yes'), ...new Array(6).fill('NotUnderstood')])
    })
  })

  test('that come twice are a fault', () =>
    withBench({ vendorKey: () => 'yes' }, async bench => {
      const peer = await bench.connect()
      await peer.loginRound({ csg: LoginStage.operational }, { ...NAMES, [COLOR]: 'red' })
      assert.equal(statusOf(await peer.loginRound(LAST, { [COLOR]: 'blue' })), LoginStatus.initiatorError)
    }))

  const failures: readonly (readonly [string, () => string])[] = [
    [
      'that throws',
      () => {
        throw new Error('no color')
      },
    ],
    ['too long', () => 'x'.repeat(256)],
    ['with a zero byte', () => 'a\0TargetAddress=b'],
    ['with a line end', () => 'dark\nred'],
    ['that is no text', () => 7 as never],
  ]
  for (const [what, vendorKey] of failures) {
    test(`an answer ${what} fails the login as an error of the target`, () =>
      withBench({ vendorKey }, async bench => {
        const peer = await bench.connect()
        assert.equal(
          statusOf(await peer.loginRound(LAST, { ...NAMES, [COLOR]: 'red' })),
          LoginStatus.targetError,
        )
        await peer.end()
        assert.match(bench.of('login-failed')[0]!.reason, /extension key/)
      }))
  }

  test('an answer that throws later is a Reject and a warning, and the session lives', () =>
    withBench({ vendorKey: failures[0]![1] }, async bench => {
      const peer = await bench.peer()
      const pdu = await ask(peer, Buffer.from(encodeText([{ key: COLOR, value: 'red' }])))
      assert.equal(fieldsOf(REJECT, pdu).reason, RejectReason.protocolError)
      assert.match(bench.of('warning')[0]!.reason, /no color/)
      const odd = await ask(peer, text({ 'X-org.example.other': 'NotUnderstood' }))
      assert.equal(fieldsOf(REJECT, odd).reason, RejectReason.protocolError)
    }))
})

describe('text after login', () => {
  test('a new size holds when the exchange has ended, not before', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const fields = { opcode: Opcode.textRequest, itt: 5, ttt: RESERVED_TAG }
      const size = text({ MaxRecvDataSegmentLength: '512' })
      peer.sendPdu(TEXT_REQUEST, { ...fields, cmdSn: peer.cmdSn++ }, size)
      const first = await peer.receive(Opcode.textResponse)
      const { ttt } = fieldsOf(TEXT_REQUEST, first)
      assert.notEqual(ttt, RESERVED_TAG)
      const port = bench.port as unknown as {
        sessions: Map<number, { anyConnection: { sendLimit: number } }>
      }
      const limit = (): number => [...port.sessions.values()][0]!.anyConnection.sendLimit
      assert.equal(limit(), 8192)
      peer.sendPdu(TEXT_REQUEST, { ...fields, final: 1, ttt, cmdSn: peer.cmdSn++ })
      await peer.receive(Opcode.textResponse)
      assert.equal(limit(), 512)
    }))

  test('a key that comes again in one exchange is rejected, in another it is not', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const fields = { opcode: Opcode.textRequest, itt: 5, ttt: RESERVED_TAG }
      peer.sendPdu(
        TEXT_REQUEST,
        { ...fields, cmdSn: peer.cmdSn++ },
        text({ MaxRecvDataSegmentLength: '512' }),
      )
      const { ttt } = fieldsOf(TEXT_REQUEST, await peer.receive(Opcode.textResponse))
      const again = text({ MaxRecvDataSegmentLength: '1024' })
      peer.sendPdu(TEXT_REQUEST, { ...fields, ttt, final: 1, cmdSn: peer.cmdSn++ }, again)
      peer.cmdSn = fieldsOf(REJECT, await peer.receive(Opcode.reject)).expCmdSn
      assert.equal((await ask(peer, again)).opcode, Opcode.textResponse)
    }))
})
