// SPDX-License-Identifier: Apache-2.0
// Login: every row taken, everything that is no row refused, each refusal with its status.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { encodeHexBinary, encodeText, LoginStatus, parseBinary, parseText, type TextPair } from '@lunkit/spec'
import type { Target } from '@lunkit/target-api'
import type { Arrival } from '../access/facts.ts'
import type { Access, Chap } from '../access/options.ts'
import { settle } from '../options.ts'
import { chapResponse } from './chap.ts'
import { type JoinableSession, Login, type LoginPolicy, type LoginReply, type LoginRequest } from './login.ts'
import { type SessionParameters, wishes } from './parameters.ts'
import { LOGIN_EVENTS, LOGIN_ROWS, LOGIN_STATES, loginEvent, loginRow } from './rows.ts'

const TARGET = 'iqn.2026-11.test.lunkit:disk'
const chap: Chap = { user: 'alice', secret: 'alice has a secret' }
const NAMES = { InitiatorName: 'iqn.2026-11.test.lunkit:me', TargetName: TARGET }

const target: Target = {
  name: TARGET,
  alias: 'nickname',
  ports: [],
  portGroups: null,
  groupOf: () => null,
  lunsOf: () => [{ lun: 0, readonly: false }],
}

const FROM: Arrival = {
  address: '192.0.2.1',
  portal: { tag: 1, host: '192.0.2.9', port: 3260 },
  certificate: null,
}

function policy(access: Access = {}, discoveryChap?: Chap, more: Partial<LoginPolicy> = {}): LoginPolicy {
  const settings = settle(
    {
      portals: [{ host: '127.0.0.1', port: 0 }],
      access: { '*': access },
      ...(discoveryChap && { discoveryChap }),
    },
    () => undefined,
  )
  return {
    settings,
    wishes: wishes(settings.limits),
    closedTo: () => false,
    mayMove: () => false,
    access: { table: settings.access },
    targets: [target],
    findTarget: name => (name === TARGET ? target : null),
    findSession: (_initiator, _isid, tsih) => (tsih === 5 ? JOINABLE : null),
    ...more,
  }
}

/** A session with all the connections that it may have. */
const JOINABLE: JoinableSession = {
  target,
  admission: { who: { initiator: NAMES.InitiatorName, ...FROM }, user: null, view: {} },
  parameters: { maxConnections: 1 } as SessionParameters,
  connections: new Map([[7, null]]),
}

const taken = new Set<string>()

/** A login that is spoken to in short: stage bits as `0`, `0>1`, `0>3`, `1`, `1>3`, and keys. */
class Script {
  readonly login: Login
  constructor(by: LoginPolicy = policy()) {
    this.login = new Login(by, FROM)
  }

  send(
    stages: string,
    keys: Readonly<Record<string, string>> | Buffer = {},
    more: Partial<LoginRequest> = {},
  ): LoginReply {
    const [csg, nsg] = stages.split('>')
    const pairs = keys instanceof Buffer ? [] : Object.entries(keys).map(([key, value]) => ({ key, value }))
    const text = keys instanceof Buffer ? keys : Buffer.from(encodeText(pairs))
    const from = this.login.state
    const request = {
      transit: nsg !== undefined,
      continues: false,
      csg: Number(csg),
      nsg: Number(nsg ?? 0),
      versionMin: 0,
      isid: '800000000001',
      tsih: 0,
      itt: 1,
      cid: 1,
      cmdSn: 1,
      text: text.length === 0 ? [] : [text],
      ...more,
    }
    const reply = this.login.receive(request)
    const event = loginEvent(request.transit, request.csg, request.nsg)
    if (reply.status === LoginStatus.success && event !== null) {
      const row = loginRow(from, event)
      if (row !== undefined && this.login.state === row.to) taken.add(`${row.from} ${row.on}`)
    }
    return reply
  }
}

function pairsOf(reply: LoginReply): TextPair[] {
  const text = parseText(reply.text)
  assert.ok(text.ok)
  return [...text.pairs]
}
const keysOf = (reply: LoginReply): Record<string, string> =>
  Object.fromEntries(pairsOf(reply).map(({ key, value }) => [key, value]))

/** The initiator's answer to a challenge. */
function respond(challenge: Record<string, string>, account: Chap = chap): Record<string, string> {
  assert.equal(challenge['CHAP_A'], '7')
  const bytes = parseBinary(challenge['CHAP_C']!, 1024)!
  const response = chapResponse('sha256', Number(challenge['CHAP_I']), account.secret, bytes)
  return { CHAP_N: account.user, CHAP_R: encodeHexBinary(response) }
}

describe('login', () => {
  test('in one request from the operational stage', () => {
    const one = new Script()
    const reply = one.send('1>3', { ...NAMES, MaxRecvDataSegmentLength: '65536', ImmediateData: 'Yes' })
    assert.equal(reply.transit, true)
    assert.deepEqual(keysOf(reply), {
      ImmediateData: 'Yes',
      MaxRecvDataSegmentLength: '262144',
      TargetAlias: 'nickname',
      TargetPortalGroupTag: '1',
    })
    assert.equal(one.login.complete, true)
    assert.equal(one.login.connectionParameters.sendLimit, 65_536)
    assert.equal(one.login.target?.name, TARGET)
  })

  test('in one request from the security stage, with the defaults', () => {
    const one = new Script()
    assert.equal(one.send('0>3', { ...NAMES, AuthMethod: 'CHAP,None' }).transit, true)
    assert.equal(one.login.complete, true)
    assert.equal(one.login.declared, false)
  })

  test('in many rounds', () => {
    const one = new Script()
    const first = one.send('0', { ...NAMES, AuthMethod: 'None' })
    assert.equal(first.transit, false)
    assert.equal(keysOf(first)['TargetPortalGroupTag'], '1')
    assert.equal(keysOf(first)['AuthMethod'], 'None')
    assert.equal(one.send('0').transit, false)
    assert.equal(one.send('0>1').transit, true)
    for (const [key, value] of [
      ['HeaderDigest', 'None'],
      ['MaxBurstLength', '65536'],
      ['InitialR2T', 'No'],
    ] as const) {
      const reply = one.send('1', { [key]: value })
      assert.equal(reply.transit, false)
      assert.equal(keysOf(reply)[key], value)
      assert.equal('MaxRecvDataSegmentLength' in keysOf(reply), key === 'HeaderDigest', 'declared once')
    }
    assert.equal(one.send('1>3').transit, true)
    assert.equal(one.login.parameters.maxBurst, 65_536)
  })

  test('the other ways through the rows', () => {
    const direct = new Script()
    assert.equal(direct.send('0>1', NAMES).transit, true)
    assert.equal(direct.send('1>3').transit, true)
    const slow = new Script()
    slow.send('1', NAMES)
    assert.equal(slow.send('1>3').transit, true)
    const skip = new Script()
    skip.send('0', NAMES)
    assert.equal(skip.send('0>3').transit, true)
  })

  test('every order that is no row is refused', () => {
    const ways: Record<string, string[]> = {
      start: [],
      security: ['0'],
      operational: ['1'],
    }
    const shorts = { security: '0', securityToOperational: '0>1', securityToFullFeature: '0>3' }
    const all = { ...shorts, operational: '1', operationalToFullFeature: '1>3' }
    let refused = 0
    for (const state of LOGIN_STATES) {
      if (state === 'fullFeature') continue
      for (const event of LOGIN_EVENTS) {
        if (loginRow(state, event) !== undefined) continue
        const one = new Script()
        for (const stage of ways[state]!) one.send(stage, NAMES)
        assert.equal(one.send(all[event]).status, LoginStatus.initiatorError, `${event} in ${state}`)
        refused++
      }
    }
    assert.equal(refused, 5)
    for (const stages of ['0>0', '1>1', '1>0', '2', '3', '0>2', '2>3', '3>3']) {
      assert.equal(new Script().send(stages, NAMES).status, LoginStatus.initiatorError, stages)
    }
  })

  test('text over several requests and several responses', () => {
    const one = new Script()
    const text = Buffer.from(encodeText([...Object.entries(NAMES)].map(([key, value]) => ({ key, value }))))
    const empty = one.send('1', text.subarray(0, 20), { continues: true })
    assert.deepEqual([empty.transit, empty.continues, empty.text.length], [false, false, 0])
    const many = Object.fromEntries(Array.from({ length: 800 }, (_, i) => [`X-${i}`, '1']))
    const rest = Buffer.concat([
      text.subarray(20),
      Buffer.from(encodeText(Object.entries(many).map(([key, value]) => ({ key, value })))),
    ])
    let reply = one.send('1>3', rest)
    const parts: Buffer[] = []
    while (reply.continues) {
      assert.equal(reply.transit, false)
      assert.ok(reply.text.length <= 8192)
      parts.push(reply.text)
      reply = one.send('1>3')
    }
    parts.push(reply.text)
    assert.ok(parts.length > 1)
    assert.equal(reply.transit, true)
    const whole = parseText(Buffer.concat(parts))
    assert.ok(whole.ok)
    assert.equal(whole.pairs.filter(({ value }) => value === 'NotUnderstood').length, 800)
  })

  test('text while an answer goes on, or without an end, is refused', () => {
    const one = new Script()
    const many = Object.fromEntries(Array.from({ length: 800 }, (_, i) => [`X-${i}`, '1']))
    assert.equal(one.send('1>3', { ...NAMES, ...many }).continues, true)
    assert.equal(one.send('1>3', { ImmediateData: 'No' }).status, LoginStatus.initiatorError)
    const two = new Script()
    let reply = two.send('1', NAMES, { continues: true })
    for (let i = 0; reply.status === LoginStatus.success; i++) {
      assert.ok(i < 20)
      reply = two.send('1', Buffer.alloc(8000, 0x41), { continues: true })
    }
    assert.match(reply.failure, /too long/)
  })

  const refusals: [what: string, status: number, run: (one: Script) => LoginReply, by?: () => LoginPolicy][] =
    [
      ['a newer version', LoginStatus.unsupportedVersion, one => one.send('1>3', NAMES, { versionMin: 1 })],
      ['no InitiatorName', LoginStatus.missingParameter, one => one.send('1>3', { TargetName: TARGET })],
      [
        'no TargetName',
        LoginStatus.missingParameter,
        one => one.send('1>3', { InitiatorName: NAMES.InitiatorName }),
      ],
      [
        'an unknown target',
        LoginStatus.notFound,
        one => one.send('1>3', { ...NAMES, TargetName: `${TARGET}2` }),
      ],
      ['broken text', LoginStatus.initiatorError, one => one.send('1>3', Buffer.from('no equals sign\0'))],
      ['T and C', LoginStatus.initiatorError, one => one.send('1>3', NAMES, { continues: true })],
      [
        'a key twice',
        LoginStatus.initiatorError,
        one => one.send('1>3', Buffer.from('MaxBurstLength=512\0MaxBurstLength=512\0')),
      ],
      [
        'a session that is not there',
        LoginStatus.sessionDoesNotExist,
        one => one.send('1>3', NAMES, { tsih: 4 }),
      ],
      [
        'a connection too many',
        LoginStatus.tooManyConnections,
        one => one.send('1>3', NAMES, { tsih: 5, cid: 8 }),
      ],
      [
        'an initiator that is not on the list',
        LoginStatus.authorizationFailure,
        one => one.send('1>3', NAMES),
        () => policy({ initiators: ['iqn.2026-11.test.lunkit:other*'] }),
      ],
      [
        'a type of session that there is not',
        LoginStatus.sessionTypeNotSupported,
        one => one.send('1>3', { ...NAMES, SessionType: 'Other' }),
      ],
      [
        'a target that stops',
        LoginStatus.serviceUnavailable,
        one => one.send('1>3', NAMES),
        () => policy({}, undefined, { closedTo: () => true }),
      ],
      [
        'no AuthMethod None',
        LoginStatus.authenticationFailure,
        one => one.send('0', { ...NAMES, AuthMethod: 'CHAP' }),
      ],
      [
        'CHAP left out',
        LoginStatus.authenticationFailure,
        one => one.send('1>3', NAMES),
        () => policy({ chap }),
      ],
      [
        'CHAP left out by going on',
        LoginStatus.authenticationFailure,
        one => one.send('0>1', NAMES),
        () => policy({ chap }),
      ],
      [
        'None where CHAP is wanted',
        LoginStatus.authenticationFailure,
        one => one.send('0', { ...NAMES, AuthMethod: 'None' }),
        () => policy({ chap }),
      ],
      [
        'CHAP keys without the method',
        LoginStatus.initiatorError,
        one => one.send('0', { ...NAMES, CHAP_A: '5' }),
        () => policy({ chap }),
      ],
      [
        'a response before the challenge',
        LoginStatus.initiatorError,
        one => one.send('0', { ...NAMES, AuthMethod: 'CHAP', CHAP_N: 'alice', CHAP_R: '0x00' }),
        () => policy({ chap }),
      ],
      [
        'discovery without its CHAP',
        LoginStatus.authenticationFailure,
        one => one.send('1>3', { InitiatorName: NAMES.InitiatorName, SessionType: 'Discovery' }),
        () => policy({}, chap),
      ],
    ]
  for (const [what, status, run, by] of refusals) {
    test(`refuses ${what}`, () => {
      const reply = run(new Script(by?.() ?? policy()))
      assert.equal(reply.status, status, reply.failure)
      assert.notEqual(reply.failure, '')
      const isOffered = reply.failure.startsWith('AuthMethod offers')
      assert.deepEqual(keysOf(reply), isOffered ? { AuthMethod: 'Reject' } : {})
      assert.equal(reply.transit, false)
    })
  }

  for (const field of ['itt', 'cid', 'tsih'] as const) {
    test(`refuses requests that differ in ${field}`, () => {
      const one = new Script()
      one.send('0', NAMES)
      assert.equal(one.send('0>1', {}, { [field]: 9 }).status, LoginStatus.initiatorError)
    })
  }

  test('refuses requests that differ in ISID', () => {
    const one = new Script()
    one.send('0', NAMES)
    assert.equal(one.send('0>1', {}, { isid: '800000000002' }).status, LoginStatus.initiatorError)
  })

  test('CHAP in three rounds, and no transit before its end', () => {
    const one = new Script(policy({ chap }))
    assert.equal(keysOf(one.send('0', { ...NAMES, AuthMethod: 'CHAP,None' }))['AuthMethod'], 'CHAP')
    const challenge = one.send('0>1', { CHAP_A: '7,5' })
    assert.equal(challenge.transit, false)
    assert.equal(one.login.state, 'security')
    const end = one.send('0>1', respond(keysOf(challenge)))
    assert.equal(end.transit, true)
    assert.equal(one.login.state, 'operational')
    assert.equal(one.send('1>3').transit, true)
  })

  test('CHAP cannot be left while it is under way', () => {
    const one = new Script(policy({ chap }))
    one.send('0', { ...NAMES, AuthMethod: 'CHAP' })
    one.send('0', { CHAP_A: '7' })
    assert.equal(one.send('1>3').status, LoginStatus.initiatorError)
    const two = new Script(policy({ chap }))
    two.send('0', { ...NAMES, AuthMethod: 'CHAP' })
    two.send('0', { CHAP_A: '7' })
    assert.equal(two.send('0>3').status, LoginStatus.missingParameter)
    assert.equal(two.login.complete, false)
    const three = new Script(policy({ chap }))
    three.send('0', { ...NAMES, AuthMethod: 'CHAP' })
    assert.equal(three.send('0', { AuthMethod: 'None' }).status, LoginStatus.initiatorError)
  })

  // Requirement: RFC 7143, 12.1.3: a wrong response ends the login with Login Failure, authentication failed.
  test('a wrong CHAP response fails, and only the event says why', () => {
    for (const [account, why] of [
      [{ user: 'alice', secret: 'another secret' }, 'CHAP response of user "alice" is wrong'],
      [{ user: 'bob', secret: chap.secret }, 'CHAP user "bob" is unknown'],
    ] as const) {
      const one = new Script(policy({ chap }))
      one.send('0', { ...NAMES, AuthMethod: 'CHAP' })
      const reply = one.send('0>1', respond(keysOf(one.send('0', { CHAP_A: '7' })), account))
      assert.equal(reply.status, LoginStatus.authenticationFailure)
      assert.equal(reply.failure, `${why} (asked for by the target's own settings)`)
      assert.equal(reply.text.length, 0)
    }
  })

  test('discovery needs no target, and has its own CHAP', () => {
    const names = { InitiatorName: NAMES.InitiatorName, SessionType: 'Discovery' }
    const one = new Script(policy({ chap }))
    const reply = one.send('1>3', { ...names, MaxBurstLength: '8192' })
    assert.equal(reply.transit, true)
    assert.equal(keysOf(reply)['MaxBurstLength'], 'Irrelevant')
    assert.equal(keysOf(reply)['TargetPortalGroupTag'], '1')
    const two = new Script(policy({}, chap))
    two.send('0', { ...names, AuthMethod: 'CHAP' })
    assert.equal(two.send('0>1', respond(keysOf(two.send('0', { CHAP_A: '7' })))).transit, true)
  })

  test('discovery without an account of its own is open, and does CHAP with who insists on it', () => {
    const names = { InitiatorName: NAMES.InitiatorName, SessionType: 'Discovery' }
    const open = new Script(policy({ chap }))
    assert.equal(open.send('0>1', { ...names, AuthMethod: 'None,CHAP' }).transit, true)
    const right = new Script(policy({ chap }))
    right.send('0', { ...names, AuthMethod: 'CHAP' })
    assert.equal(right.send('0>1', respond(keysOf(right.send('0', { CHAP_A: '7' })))).transit, true)
    const wrong = new Script(policy({ chap }))
    wrong.send('0', { ...names, AuthMethod: 'CHAP' })
    const challenge = keysOf(wrong.send('0', { CHAP_A: '7' }))
    const reply = wrong.send('0>1', respond(challenge, { user: 'alice', secret: 'another secret' }))
    assert.equal(reply.status, LoginStatus.authenticationFailure)
    const early = new Script(policy({ chap }))
    early.send('0', { ...names, AuthMethod: 'CHAP' })
    assert.equal(early.send('0>1', {}).status, LoginStatus.missingParameter)
  })

  test('names that are declared again in the next stage are taken', () => {
    const one = new Script()
    one.send('0>1', { ...NAMES, SessionType: 'Normal', AuthMethod: 'None' })
    assert.equal(one.send('1>3', { ...NAMES, SessionType: 'Normal' }).transit, true)
  })

  after(() => {
    const missing = LOGIN_ROWS.map(row => `${row.from} ${row.on}`).filter(row => !taken.has(row))
    assert.deepEqual(missing, [], 'rows that no test has taken')
  })
})
