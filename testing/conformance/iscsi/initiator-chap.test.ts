// SPDX-License-Identifier: Apache-2.0
// The initiator's half of CHAP with scripted targets: what it sends in which step, and targets that leave the steps or cheat.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import {
  encodeHexBinary,
  encodeText,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  parseBinary,
} from '@lunkit/spec'
import {
  type Pdu,
  type Peer,
  pairsOf,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

const SECRET = 'the-secret-of-anna'
const OTHER = 'the-secret-of-disk'
const chap = { user: 'anna', secret: SECRET }
const mutual = { user: 'disk', secret: OTHER }
const CHALLENGE = '0x0123456789abcdef0123456789abcdef'

type Keys = Readonly<Record<string, string>>
/** Makes the target's keys for a step from those of the request; null says nothing. */
type Steps = readonly ((request: Map<string, string>) => Keys)[]

/** A hash of algorithm 5 in the form of CHAP_R. */
const respond = (identifier: number, secret: string | Uint8Array, challenge: Uint8Array): string =>
  encodeHexBinary(
    createHash('md5').update(Uint8Array.of(identifier)).update(secret).update(challenge).digest(),
  )

const challenged =
  (keys: Keys = {}) =>
  (): Keys => ({ CHAP_A: '5', CHAP_I: '7', CHAP_C: CHALLENGE, ...keys })
const chosen = (): Keys => ({ AuthMethod: 'CHAP' })
/** The proof that mutual CHAP asks for, with a secret that is the right one or not. */
const proof =
  (secret: string) =>
  (request: Map<string, string>): Keys => {
    const challenge = parseBinary(request.get('CHAP_C')!, 1024)!
    return { CHAP_N: 'disk', CHAP_R: respond(Number(request.get('CHAP_I')), secret, challenge) }
  }

/** A target that takes these steps in the security stage, each in answer to one request. */
const steppingThrough = (steps: Steps): Promise<ScriptedTarget> =>
  ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode !== Opcode.loginRequest) return void peer.courtesy(pdu)
    if (LOGIN_REQUEST.field.csg.get(pdu.header, 0) !== LoginStage.security) return peer.login(pdu)
    take(pdu, peer, steps)
  })

function take(pdu: Pdu, peer: Peer, steps: Steps): void {
  const { itt, header } = pdu
  const { transit } = LOGIN_REQUEST.read(header)
  const keys = steps[peer.statSn - 1]?.(pairsOf(pdu)) ?? {}
  const data = encodeText(Object.entries(keys).map(([key, value]) => ({ key, value })))
  peer.sendStatus(LOGIN_RESPONSE, { opcode: Opcode.loginResponse, itt, transit, nsg: transit, tsih: 7 }, data)
}

/** The keys of each login request up to the end of the security stage. */
const asked = ({ heard }: ScriptedTarget): Map<string, string>[] =>
  heard
    .filter(({ opcode, header }) => {
      return opcode === Opcode.loginRequest && LOGIN_REQUEST.field.csg.get(header, 0) === LoginStage.security
    })
    .map(pairsOf)

async function ended({ socket }: Peer): Promise<void> {
  while (!socket.readableEnded && !socket.destroyed) await new Promise(resolve => setImmediate(resolve))
}

// Requirement: RFC 7143, 12.1/3 and 12.1.3/10 and 12.1.3/11 and 12.1.3/13.
test('the steps of CHAP follow each other from the choice of the method on', async () => {
  await using target = await steppingThrough([chosen, challenged(), proof(OTHER)])
  await using session = await openSession({ ...target.options, chap, mutual })
  assert.equal(session.settings.tsih, 7)
  const [first, second, third, ...more] = asked(target)
  assert.equal(first!.get('AuthMethod'), 'CHAP')
  assert.deepEqual([...second!.keys()], ['CHAP_A'])
  assert.ok(second!.get('CHAP_A')!.split(',').includes('5'))
  assert.deepEqual([...third!.keys()], ['CHAP_N', 'CHAP_R', 'CHAP_I', 'CHAP_C'])
  assert.equal(third!.get('CHAP_N'), 'anna')
  assert.equal(third!.get('CHAP_R'), respond(7, SECRET, parseBinary(CHALLENGE, 1024)!))
  assert.match(third!.get('CHAP_I')!, /^\d{1,3}$/)
  assert.ok(parseBinary(third!.get('CHAP_C')!, 1024) !== null)
  assert.deepEqual(more, [])
})

// Requirement: RFC 7143, 12.1/4.
test('CHAP goes before None, which is not offered where the target has to prove itself', async () => {
  for (const [options, offer] of [
    [{}, 'None'],
    [{ chap }, 'CHAP,None'],
    [{ chap, mutual }, 'CHAP'],
  ] as const) {
    await using target = await steppingThrough([() => ({ AuthMethod: 'None' })])
    await openSession({ ...target.options, ...options }).then(
      session => session.close(),
      () => undefined,
    )
    assert.equal(asked(target)[0]!.get('AuthMethod'), offer)
  }
})

// Requirement: RFC 7143, 12.1/5.
test('a method that was not offered ends the login', async () => {
  for (const [options, method] of [
    [{}, 'CHAP'],
    [{ chap }, 'KRB5'],
    [{ chap }, 'Reject'],
    [{ chap, mutual }, 'None'],
  ] as const) {
    await using target = await steppingThrough([() => ({ AuthMethod: method })])
    await assert.rejects(openSession({ ...target.options, ...options }), { code: 'LOGIN_AUTHENTICATION' })
    await ended(target.peers[0]!)
  }
})

const ASTRAY: Readonly<Record<string, Steps>> = {
  'a challenge with the method': [() => ({ ...chosen(), ...challenged()() })],
  'a challenge without a method': [challenged()],
  'the method again': [chosen, challenged({ AuthMethod: 'CHAP' })],
  'a name with the challenge': [chosen, challenged({ CHAP_N: 'disk' })],
  'a challenge without its algorithm': [chosen, () => ({ CHAP_I: '7', CHAP_C: CHALLENGE })],
  'a challenge after the challenge': [chosen, challenged(), challenged()],
  'a proof of which nobody spoke': [chosen, challenged(), () => ({ CHAP_N: 'disk', CHAP_R: CHALLENGE })],
  'CHAP after None': [() => ({ AuthMethod: 'None', CHAP_A: '5' })],
  'a challenge of 1025 bytes': [chosen, challenged({ CHAP_C: `0x${'ab'.repeat(1025)}` })],
  'a challenge of no bytes': [chosen, challenged({ CHAP_C: '0x' })],
  'an identifier of two bytes': [chosen, challenged({ CHAP_I: '256' })],
}
for (const [name, steps] of Object.entries(ASTRAY)) {
  // Requirement: RFC 7143, 9.2/3 and 12.1.3/10 and 12.1.3/13.
  test(`a step that is not due ends the login: ${name}`, async () => {
    await using target = await steppingThrough(steps)
    await assert.rejects(openSession({ ...target.options, chap }), { code: 'LOGIN_PROTOCOL' })
    await ended(target.peers[0]!)
  })
}

// Requirement: RFC 7143, 9.2.1/8 and 12.1.3/9.
test('a target that answers as this side would is none, nor is one that sends back what it got', async () => {
  for (const prove of [
    proof(SECRET),
    proof('another-secret-quite'),
    (request: Map<string, string>): Keys => ({ CHAP_N: 'disk', CHAP_R: request.get('CHAP_R')! }),
    (): Keys => ({}),
  ]) {
    await using target = await steppingThrough([chosen, challenged(), prove])
    await assert.rejects(openSession({ ...target.options, chap, mutual }), { code: 'LOGIN_AUTHENTICATION' })
    await ended(target.peers[0]!)
  }
})

// Requirement: RFC 7143, 9.2.1/9.
test('the challenge of this side is a new one each time, and never that of the target', async () => {
  const seen = new Set<string>()
  let challenge = CHALLENGE
  for (let i = 0; i < 8; i++) {
    await using target = await steppingThrough([chosen, challenged({ CHAP_C: challenge }), proof(OTHER)])
    await using session = await openSession({ ...target.options, chap, mutual })
    assert.equal(session.settings.tsih, 7)
    // The target of the next login sends what this one got.
    challenge = asked(target)[2]!.get('CHAP_C')!
    assert.ok(!seen.has(challenge))
    seen.add(challenge)
  }
})

// Requirement: RFC 7143, 9.2.1/13.
test('a secret is whole bytes, each of which counts', async () => {
  const secret = Uint8Array.from({ length: 16 }, (_, i) => i * 17)
  await using target = await steppingThrough([chosen, challenged()])
  await (await openSession({ ...target.options, chap: { user: 'anna', secret } })).close()
  const challenge = parseBinary(CHALLENGE, 1024)!
  const own = asked(target)[2]!.get('CHAP_R')
  assert.equal(own, respond(7, secret, challenge))
  for (const other of [secret.subarray(1), secret.subarray(0, 15), secret.with(0, 1)]) {
    assert.notEqual(own, respond(7, other, challenge))
  }
})

// Requirement: RFC 7143, 9.2/4.
test('no secret goes over the wire', async () => {
  await using target = await steppingThrough([chosen, challenged(), proof(OTHER)])
  await (await openSession({ ...target.options, chap, mutual })).close()
  const wire = Buffer.concat(target.heard.map(({ header, data }) => Buffer.concat([header, data]))).toString(
    'latin1',
  )
  assert.ok(wire.includes('anna'))
  for (const secret of [SECRET, OTHER]) {
    for (const form of ['latin1', 'hex', 'base64'] as const) {
      assert.ok(!wire.includes(Buffer.from(secret).toString(form)), form)
    }
  }
})
