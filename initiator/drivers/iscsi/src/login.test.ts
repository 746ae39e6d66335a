// SPDX-License-Identifier: Apache-2.0
// Logins with a scripted target: long ones, redirected ones, and those that break the rules.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeText, LOGIN_REQUEST, LOGIN_RESPONSE, LoginStage, Opcode, REJECT } from '@lunkit/spec'
import { connect, openSession } from './connect.ts'
import { NAME, type Pdu, type Peer, pairsOf, ScriptedTarget } from './scripted-target.test-kit.ts'
import type { SessionEvent } from './session-event.ts'

const text = (pairs: Record<string, string>): Uint8Array =>
  encodeText(Object.entries(pairs).map(([key, value]) => ({ key, value })))
const request = (pdu: Pdu) => LOGIN_REQUEST.read(pdu.header)

test('answers in pieces, rounds without an end in sight, and keys that nobody knows', async () => {
  let extra = 0
  let pieces = 0
  const answered: string[] = []
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (peer.courtesy(pdu)) return
    const { csg, transit, itt, continue: more } = request(pdu)
    const open = { transit: 0, nsg: 0 }
    if (csg === LoginStage.security) return peer.login(pdu)
    for (const [key, value] of pairsOf(pdu)) if (key.startsWith('X-')) answered.push(`${key}=${value}`)
    assert.equal(more, 0)
    if (extra < 20) {
      extra++
      return peer.login(pdu, { [`X-org.example.k${extra}`]: 'v' }, open)
    }
    if (pieces < 3) {
      const whole = text({ MaxBurstLength: '4096', TargetAlias: 'a'.repeat(100) })
      const cut = [0, 40, 41, whole.length]
      const data = whole.subarray(cut[pieces], cut[pieces + 1])
      const last = ++pieces === 3
      const fields = { opcode: Opcode.loginResponse, itt, csg, continue: last ? 0 : 1, transit: 0 }
      assert.equal(transit, pieces === 1 ? 1 : 0)
      return peer.sendStatus(LOGIN_RESPONSE, fields, data)
    }
    return peer.login(pdu)
  })
  const session = await openSession(target.options)
  assert.equal(session.settings.maxBurstLength, 4096)
  assert.equal(session.settings.keys.get('TargetAlias'), 'a'.repeat(100))
  assert.equal(answered.length, 20)
  assert.ok(answered.every(pair => pair.endsWith('=NotUnderstood')))
  await session.close()
})

test('the first request names the initiator, the target and the kind of session', async () => {
  await using target = await ScriptedTarget.logsIn(() => {})
  const options = { ...target.options, initiatorName: 'iqn.2000-01.org.example:me', initiatorAlias: 'me' }
  const session = await openSession(options)
  await session.close()
  const pairs = Object.fromEntries(pairsOf(target.heard[0]!))
  assert.deepEqual(pairs, {
    InitiatorName: 'iqn.2000-01.org.example:me',
    InitiatorAlias: 'me',
    SessionType: 'Normal',
    TargetName: NAME,
    AuthMethod: 'None',
  })
})

// Requirement: RFC 7143, 6.2/19 and 6.2/22 and 6.2/29 and 11.12/7.
test('a text longer than a segment goes in pieces', async () => {
  const names = Array.from({ length: 200 }, (_, i) => `X-org.example.${'k'.repeat(40)}.${i}`)
  const offers = text(Object.fromEntries(names.map(name => [name, '1'])))
  let sent = 0
  let whole = ''
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (peer.courtesy(pdu)) return
    const { csg, itt, continue: more, transit } = request(pdu)
    if (csg === LoginStage.security) return peer.login(pdu)
    assert.ok(pdu.data.length <= 8192)
    const fields = { opcode: Opcode.loginResponse, itt, csg }
    if (sent < offers.length) {
      const data = offers.subarray(sent, sent + 8000)
      sent += data.length
      return peer.sendStatus(LOGIN_RESPONSE, { ...fields, continue: sent < offers.length ? 1 : 0 }, data)
    }
    whole += pdu.data.toString()
    if (more === 0) return peer.login(pdu)
    assert.equal(transit, 0)
    peer.sendStatus(LOGIN_RESPONSE, fields)
  })
  const session = await openSession(target.options)
  await session.close()
  assert.ok(offers.length > 8192 && whole.length > 8192)
  assert.equal(whole, names.map(name => `${name}=NotUnderstood\0`).join(''))
})

test('redirects are followed, for now and for good', async () => {
  await using home = await ScriptedTarget.logsIn(() => {})
  for (const permanent of [false, true]) {
    const events: SessionEvent[] = []
    await using real = await ScriptedTarget.start((pdu, peer) => {
      const status = { statusClass: 1, statusDetail: permanent ? 2 : 1 }
      const fields = { opcode: Opcode.loginResponse, itt: pdu.itt, ...status }
      peer.sendStatus(LOGIN_RESPONSE, fields, text({ TargetAddress: `${home.portal},1` }))
    })
    const session = await openSession({ ...real.options, onEvent: event => events.push(event) })
    assert.equal(session.portal.port, home.port)
    assert.deepEqual(events[0], { type: 'redirected', portal: session.portal, permanent })
    await session.close()
  }
})

test('a circle of redirects ends', async () => {
  await using target: ScriptedTarget = await ScriptedTarget.start((pdu, peer) => {
    const fields = { opcode: Opcode.loginResponse, itt: pdu.itt, statusClass: 1, statusDetail: 1 }
    peer.sendStatus(LOGIN_RESPONSE, fields, text({ TargetAddress: target.portal }))
  })
  await assert.rejects(openSession(target.options), { code: 'LOGIN_REDIRECTED' })
  assert.equal(target.peers.length, 5)
})

const status = (statusClass: number, statusDetail: number) => (pdu: Pdu, peer: Peer) =>
  peer.login(pdu, {}, { statusClass, statusDetail, transit: 0, statSn: 99 })
const operational =
  (values: Record<string, unknown>, keys: Record<string, string> = {}) =>
  (pdu: Pdu, peer: Peer) =>
    request(pdu).csg === LoginStage.security ? peer.login(pdu) : peer.login(pdu, keys, values)

const REFUSED: Readonly<Record<string, readonly [code: string, script: (pdu: Pdu, peer: Peer) => void]>> = {
  'authentication failure': ['LOGIN_AUTHENTICATION', status(2, 1)],
  'authorization failure': ['LOGIN_FORBIDDEN', status(2, 2)],
  'not found': ['LOGIN_NOT_FOUND', status(2, 3)],
  'an unknown refusal': ['LOGIN_REFUSED', status(2, 77)],
  'a target in trouble': ['LOGIN_TARGET_ERROR', status(3, 1)],
  'an unknown class': ['LOGIN_REFUSED', status(9, 9)],
  'a redirect to nowhere': ['LOGIN_PROTOCOL', status(1, 1)],
  'another opcode': ['LOGIN_PROTOCOL', (pdu, peer) => peer.respond(pdu)],
  'a reject': [
    'LOGIN_PROTOCOL',
    (_, peer) => peer.sendStatus(REJECT, { opcode: Opcode.reject, final: 1, itt: 0xffff_ffff, reason: 4 }),
  ],
  'another tag': ['LOGIN_PROTOCOL', (pdu, peer) => peer.login(pdu, {}, { itt: 1234 })],
  'a jump back': [
    'LOGIN_PROTOCOL',
    (pdu, peer) => peer.login(pdu, {}, { transit: 1, nsg: LoginStage.security }),
  ],
  'a jump to full feature': [
    'LOGIN_PROTOCOL',
    (pdu, peer) => peer.login(pdu, {}, { nsg: LoginStage.fullFeature }),
  ],
  'a stage that is not the one at hand': ['LOGIN_PROTOCOL', (pdu, peer) => peer.login(pdu, {}, { csg: 1 })],
  'another version': ['LOGIN_PROTOCOL', (pdu, peer) => peer.login(pdu, {}, { versionActive: 1 })],
  'T and C at once': ['LOGIN_PROTOCOL', (pdu, peer) => peer.login(pdu, {}, { transit: 1, continue: 1 })],
  'a gap in StatSN': ['LOGIN_PROTOCOL', operational({ statSn: 77 })],
  'a key twice': [
    'LOGIN_PROTOCOL',
    (pdu, peer) => {
      const data = Buffer.concat([text({ TargetAlias: 'a' }), text({ TargetAlias: 'b' })])
      const { itt } = pdu
      peer.sendStatus(LOGIN_RESPONSE, { opcode: Opcode.loginResponse, itt, transit: 1, nsg: 1 }, data)
    },
  ],
  'bytes that are no text': [
    'LOGIN_PROTOCOL',
    ({ itt }, peer) =>
      peer.sendStatus(LOGIN_RESPONSE, { opcode: Opcode.loginResponse, itt }, Buffer.alloc(64, 0xff)),
  ],
  'CHAP after the security stage': ['LOGIN_PROTOCOL', operational({}, { CHAP_A: '5' })],
  'a move with an offer still open': ['LOGIN_PROTOCOL', operational({}, { 'X-org.example.a': '1' })],
  'an answer above the offer': ['LOGIN_PROTOCOL', operational({}, { MaxBurstLength: '16777215' })],
  'an endless answer': [
    'LOGIN_PROTOCOL',
    ({ itt }, peer) =>
      peer.sendStatus(
        LOGIN_RESPONSE,
        { opcode: Opcode.loginResponse, itt, continue: 1 },
        Buffer.alloc(8000, 0x41),
      ),
  ],
  'endless rounds': ['LOGIN_PROTOCOL', operational({ transit: 0, nsg: 0 })],
  'a closed connection': ['TRANSPORT_CONNECTION_LOST', (_, peer) => peer.socket.end()],
  'a segment that is too long': [
    'TRANSPORT_PROTOCOL',
    ({ itt }, peer) => {
      peer.sendStatus(LOGIN_RESPONSE, { opcode: Opcode.loginResponse, itt, dataSegmentLength: 0xff_ffff })
    },
  ],
  silence: ['LOGIN_TIMEOUT', () => {}],
}

for (const [name, [code, script]] of Object.entries(REFUSED)) {
  test(`login fails on ${name}`, async () => {
    await using target = await ScriptedTarget.start(script)
    await assert.rejects(
      openSession({ ...target.options, loginTimeoutMs: name === 'silence' ? 100 : 10_000 }),
      { code },
    )
  })
}

test('a signal ends a login', async () => {
  const stop = new AbortController()
  await using target = await ScriptedTarget.start(() => stop.abort(new Error('no more')))
  await assert.rejects(openSession({ ...target.options, signal: stop.signal }), { message: 'no more' })
  await assert.rejects(openSession({ ...target.options, signal: stop.signal }), { message: 'no more' })
})

test('a URL that says too little says what is missing', async () => {
  const host = 'iscsi://127.0.0.1:1'
  for (const [url, code, message] of [
    [host, 'URL_INVALID', /names no LUN/],
    [`${host}/${NAME}`, 'URL_INVALID', /names no LUN/],
    [`iscsi://anna@127.0.0.1:1/${NAME}/0`, 'CHAP_SECRET_INVALID', /The user of the iSCSI URL has no secret/],
  ] as const) {
    await assert.rejects(connect(url), { code, message })
  }
  await assert.rejects(openSession(host), { code: 'URL_INVALID', message: /names no target/ })
})

test('options that cannot be are refused by name', async () => {
  const base = { portal: '127.0.0.1', target: NAME }
  const secret = 'same-secret-1234'
  for (const [options, code] of [
    [{ queueDepth: 0 }, 'OPTION_INVALID'],
    [{ firstBurstLength: 100 }, 'OPTION_INVALID'],
    [{ isid: new Uint8Array(5) }, 'OPTION_INVALID'],
    [{ isid: Uint8Array.of(0xc0, 0, 0, 0, 0, 1) }, 'OPTION_INVALID'],
    [{ isid: Uint8Array.of(0x81, 0, 0, 0, 0, 1) }, 'OPTION_INVALID'],
    [{ initiatorAlias: 'x'.repeat(256) }, 'OPTION_INVALID'],
    [{ initiatorAlias: 'two\nlines' }, 'OPTION_INVALID'],
    [{ chap: { user: 'ü'.repeat(128), secret } }, 'OPTION_INVALID'],
    [{ initiatorName: 'me' }, 'OPTION_INVALID'],
    [{ mutual: { secret } }, 'OPTION_INVALID'],
    [{ chap: { user: 'a', secret: '' } }, 'CHAP_SECRET_INVALID'],
    [{ chap: { user: 'a', secret }, mutual: { secret } }, 'CHAP_SECRET_INVALID'],
    [{ portal: 'a b' }, 'OPTION_INVALID'],
    [{ target: 'disk' }, 'OPTION_INVALID'],
    [{ target: 'iqn.2000-01.org.example:a\0b' }, 'OPTION_INVALID'],
    [{ target: `iqn.2000-01.org.example:${'x'.repeat(200)}` }, 'OPTION_INVALID'],
    [{ reconnect: { attempts: 1, delays: [] } }, 'OPTION_INVALID'],
  ] as const) {
    await assert.rejects(openSession({ ...base, ...options }), { code }, JSON.stringify(options))
  }
})
