// SPDX-License-Identifier: Apache-2.0
// The initiator in login with targets that answer other than the standard allows.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { discover, openSession } from '@lunkit/initiator-driver-iscsi'
import {
  encodeText,
  keyByName,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  RESERVED_TAG,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import {
  NAME,
  type Pdu,
  type Peer,
  pairsOf,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

type Script = (pdu: Pdu, peer: Peer) => void
type Options = Parameters<typeof openSession>[0] & object

const text = (pairs: Record<string, string>): Uint8Array =>
  encodeText(Object.entries(pairs).map(([key, value]) => ({ key, value })))
const stageOf = ({ header }: Pdu): number => LOGIN_REQUEST.field.csg.get(header, 0)

/** Answers a login request with these keys and fields, whatever it asks. */
function answer(
  pdu: Pdu,
  peer: Peer,
  keys: Record<string, string>,
  values: Record<string, unknown> = {},
): void {
  const { itt, header } = pdu
  const { csg, nsg, transit } = LOGIN_REQUEST.read(header)
  const fields = { opcode: Opcode.loginResponse, itt, csg, nsg: transit === 0 ? 0 : nsg, transit, tsih: 7 }
  peer.sendStatus(LOGIN_RESPONSE, { ...fields, ...values }, text(keys))
}

/** A target that does as it should, but for one stage. */
const inStage =
  (stage: number, script: Script): Script =>
  (pdu, peer) => {
    if (pdu.opcode !== Opcode.loginRequest) peer.courtesy(pdu)
    else if (stageOf(pdu) === stage) script(pdu, peer)
    else peer.login(pdu)
  }
const security = (script: Script): Script => inStage(LoginStage.security, script)
const operational = (script: Script): Script => inStage(LoginStage.operational, script)

/** The connection ends from the initiator's side, too. */
async function ended({ socket }: Peer): Promise<void> {
  while (!socket.readableEnded && !socket.destroyed) await new Promise(resolve => setImmediate(resolve))
}

async function refuses(script: Script, code: string, options: Partial<Options> = {}): Promise<void> {
  await using target = await ScriptedTarget.start(script)
  await assert.rejects(openSession({ ...target.options, ...options }), { code })
  await ended(target.peers[0]!)
}

describe('an answer that breaks the rules ends the login and the connection', () => {
  // Requirement: RFC 7143, 6.2.2/2 and 7.12/3.
  test('a value that was not offered, or is outside of what was', async () => {
    for (const keys of [
      { HeaderDigest: 'CRC32C' },
      { MaxBurstLength: '16777215' },
      { MaxBurstLength: '0x1000001' },
      { DefaultTime2Wait: '1' },
      { DefaultTime2Wait: '3601' },
      { ErrorRecoveryLevel: '1' },
      { MaxConnections: '0' },
      { ImmediateData: 'Maybe' },
      { DataPDUInOrder: 'No' },
      { DataSequenceInOrder: 'No' },
    ]) {
      const code = 'HeaderDigest' in keys ? 'LOGIN_REFUSED' : 'LOGIN_PROTOCOL'
      await refuses(
        operational((pdu, peer) => answer(pdu, peer, keys)),
        code,
        { headerDigest: 'refuse' },
      )
    }
  })

  // Requirement: RFC 7143, 6.2/18.
  test('NotUnderstood for a key that the standard had from its beginning', async () => {
    const asked: string[] = []
    await using target = await ScriptedTarget.start(
      operational((pdu, peer) => {
        asked.push(...pairsOf(pdu).keys())
        peer.login(pdu)
      }),
    )
    await (await openSession(target.options)).close()
    const negotiated = asked.filter(key => key !== 'MaxRecvDataSegmentLength')
    assert.ok(negotiated.length > 10)
    for (const key of negotiated) {
      await refuses(
        operational((pdu, peer) => answer(pdu, peer, { [key]: 'NotUnderstood' })),
        'LOGIN_PROTOCOL',
      )
    }
  })

  // Requirement: RFC 7143, 6.2/23.
  test('a digest that has to be there, and is refused, passed over or called irrelevant', async () => {
    for (const keys of [
      { HeaderDigest: 'Reject' },
      { HeaderDigest: 'Irrelevant' },
      { HeaderDigest: 'None' },
      {},
    ]) {
      await refuses(
        operational((pdu, peer) => answer(pdu, peer, keys)),
        'LOGIN_REFUSED',
        {
          headerDigest: 'require',
        },
      )
    }
  })

  // Requirement: RFC 7143, 6.3/13 and 12/1.
  test('a key outside of its stage', async () => {
    for (const keys of [
      { MaxBurstLength: '65536' },
      { HeaderDigest: 'None' },
      { MaxRecvDataSegmentLength: '65536' },
      { ErrorRecoveryLevel: '0' },
    ]) {
      await refuses(
        security((pdu, peer) => answer(pdu, peer, { AuthMethod: 'None', ...keys })),
        'LOGIN_PROTOCOL',
      )
    }
    for (const keys of [{ AuthMethod: 'None' }, { CHAP_A: '5' }, { SendTargets: 'All' }]) {
      await refuses(
        operational((pdu, peer) => answer(pdu, peer, keys)),
        'LOGIN_PROTOCOL',
      )
    }
  })

  // Requirement: RFC 7143, 6.3/11.
  test('a key that comes a second time, in the same answer or in a later one', async () => {
    for (const [key, value] of [
      ['MaxRecvDataSegmentLength', '65536'],
      ['TargetAlias', 'here'],
      ['MaxBurstLength', '65536'],
      ['X-org.example.key', 'any'],
    ] as const) {
      let answers = 0
      const again = operational((pdu, peer) => {
        answers++
        answer(pdu, peer, { [key]: value }, { transit: 0, nsg: 0 })
      })
      await refuses(again, 'LOGIN_PROTOCOL')
      assert.equal(answers, 2)
    }
  })

  // Requirement: RFC 7143, 6.2/31.
  test('a word that is an answer, where nothing was offered', async () => {
    for (const keys of [
      { TaskReporting: 'Reject' },
      { iSCSIProtocolLevel: 'NotUnderstood' },
      { IFMarker: 'Irrelevant' },
      { 'X-org.example.key': 'NotUnderstood' },
    ]) {
      const script = operational((pdu, peer) => answer(pdu, peer, keys))
      await refuses(script, 'LOGIN_PROTOCOL')
      await using target = await ScriptedTarget.start(script)
      await assert.rejects(openSession(target.options), /answers nothing/)
    }
  })

  // Requirement: RFC 7143, 6.3/14.
  test('the end of a stage that was not asked for', async () => {
    const offers = Array.from({ length: 200 }, (_, i) => [`X-org.example.${'k'.repeat(40)}.${i}`, '1'])
    let left = 2
    const scripts: Script[] = [
      // Behind the pieces of an answer, which empty requests have fetched.
      operational((pdu, peer) => {
        if (--left === 1) answer(pdu, peer, {}, { transit: 0, nsg: 0, continue: 1 })
        else answer(pdu, peer, {}, { transit: 1, nsg: LoginStage.fullFeature })
      }),
      // Before the whole of a request has come.
      operational((pdu, peer) => {
        const isFirst = pdu.data.includes('HeaderDigest=')
        if (isFirst) answer(pdu, peer, Object.fromEntries(offers), { transit: 0, nsg: 0 })
        else answer(pdu, peer, {}, { transit: 1, nsg: LoginStage.fullFeature })
      }),
      // Past a stage.
      security((pdu, peer) => answer(pdu, peer, { AuthMethod: 'None' }, { nsg: LoginStage.fullFeature })),
    ]
    for (const script of scripts) await refuses(script, 'LOGIN_PROTOCOL')
    assert.equal(left, 0)
  })

  // Requirement: RFC 7143, 6.2/22.
  test('words of a target that should wait for the rest of a text', async () => {
    const offers = Array.from({ length: 200 }, (_, i) => [`X-org.example.${'k'.repeat(40)}.${i}`, '1'])
    for (const [keys, values] of [
      [{ TargetAlias: 'early' }, {}],
      [{}, { continue: 1 }],
    ] as const) {
      let pieces = 0
      await refuses(
        operational((pdu, peer) => {
          if (pdu.data.includes('HeaderDigest=')) {
            return answer(pdu, peer, Object.fromEntries(offers), { transit: 0, nsg: 0 })
          }
          pieces++
          assert.equal(LOGIN_REQUEST.field.continue.get(pdu.header, 0), 1)
          answer(pdu, peer, keys, values)
        }),
        'LOGIN_PROTOCOL',
      )
      assert.equal(pieces, 1)
    }
  })
})

describe('answers that have to be taken', () => {
  // Requirement: RFC 7143, 6.2/20.
  test('keys that the target refuses or calls irrelevant keep their defaults', async () => {
    const asked: string[] = []
    await using plain = await ScriptedTarget.start(
      operational((pdu, peer) => {
        asked.push(...pairsOf(pdu).keys())
        peer.login(pdu)
      }),
    )
    await (await openSession(plain.options)).close()
    const negotiated = asked.filter(key => keyByName(key)!.kind === 'negotiated')
    assert.ok(negotiated.length > 10)
    const words = (value: unknown): string =>
      value === true ? 'Yes' : value === false ? 'No' : String(value)
    for (const word of ['Reject', 'Irrelevant']) {
      for (const key of negotiated) {
        await using target = await ScriptedTarget.logsIn(() => {}, { [key]: word })
        await using session = await openSession(target.options)
        assert.equal(session.settings.keys.get(key), words(keyByName(key)!.default), `${key}=${word}`)
      }
    }
  })

  // Requirement: RFC 7143, 6.2/20.
  test('a target that does not understand what it need not', async () => {
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode !== Opcode.loginRequest) peer.courtesy(pdu)
      else if (stageOf(pdu) === LoginStage.security) {
        answer(pdu, peer, { AuthMethod: 'None', InitiatorAlias: 'NotUnderstood' })
      } else answer(pdu, peer, { MaxRecvDataSegmentLength: 'NotUnderstood' })
    })
    await using session = await openSession({ ...target.options, initiatorAlias: 'me' })
    assert.equal(session.settings.maxSendDataLength, 8192)
  })

  // Requirement: RFC 7143, 6.2.2/1.
  test('a boolean need not be answered where the strict value was offered', async () => {
    await using target = await ScriptedTarget.logsIn(() => {})
    await using session = await openSession({ ...target.options, immediateData: false, initialR2T: true })
    const { immediateData, initialR2T, keys } = session.settings
    assert.deepEqual([immediateData, initialR2T], [false, true])
    assert.deepEqual([keys.get('DataPDUInOrder'), keys.get('DataSequenceInOrder')], ['Yes', 'Yes'])
  })

  // Requirement: RFC 7143, 11.13/9.
  test('the version of the first response holds, whatever later ones say', async () => {
    await using target = await ScriptedTarget.start(
      operational((pdu, peer) => answer(pdu, peer, {}, { versionActive: 9, versionMax: 9 })),
    )
    await (await openSession(target.options)).close()
    await refuses(
      security((pdu, peer) => answer(pdu, peer, { AuthMethod: 'None' }, { versionActive: 1 })),
      'LOGIN_PROTOCOL',
    )
  })
})

describe('how a login ends', () => {
  // Requirement: RFC 7143, 11.13/14.
  test('a new session without a handle is none, but for discovery', async () => {
    const nameless = operational((pdu, peer) => answer(pdu, peer, {}, { tsih: 0 }))
    await refuses(nameless, 'LOGIN_PROTOCOL')
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode !== Opcode.textRequest) return nameless(pdu, peer)
      const fields = { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG }
      peer.sendStatus(TEXT_RESPONSE, fields, text({ TargetName: NAME }))
    })
    assert.deepEqual(
      (await discover(target.portal)).map(({ name }) => name),
      [NAME],
    )
  })

  // Requirement: RFC 7143, 11.13/10.
  test('after a status class other than 0 the connection is closed', async () => {
    for (const [statusClass, statusDetail, code] of [
      [2, 0, 'LOGIN_REFUSED'],
      [2, 1, 'LOGIN_AUTHENTICATION'],
      [3, 1, 'LOGIN_TARGET_ERROR'],
      [7, 7, 'LOGIN_REFUSED'],
    ] as const) {
      await refuses(
        (pdu, peer) => answer(pdu, peer, {}, { transit: 0, nsg: 0, statusClass, statusDetail }),
        code,
      )
    }
  })

  // Requirement: RFC 7143, 11.13/10 and 11.13/11.
  test('a redirection is followed, also one that comes after authentication', async () => {
    await using home = await ScriptedTarget.logsIn(() => {})
    for (const inThatStage of [security, operational]) {
      const moved = { transit: 0, nsg: 0, statusClass: 1, statusDetail: 1 }
      await using away = await ScriptedTarget.start(
        inThatStage((pdu, peer) => answer(pdu, peer, { TargetAddress: home.portal }, moved)),
      )
      await using session = await openSession(away.options)
      assert.equal(session.portal.port, home.port)
      await ended(away.peers[0]!)
    }
  })

  // Requirement: RFC 7143, 8.1.2/1.
  test('a target that does not get on with the login is left', async () => {
    await using target = await ScriptedTarget.start(operational(() => {}))
    await assert.rejects(openSession({ ...target.options, loginTimeoutMs: 100 }), { code: 'LOGIN_TIMEOUT' })
    await ended(target.peers[0]!)
  })
})
