// SPDX-License-Identifier: Apache-2.0
// CHAP: known answers, and a target that cheats in each way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeHexBinary, parseBinary } from '@lunkit/spec'
import { Authentication, CHAP_ALGORITHMS, type ChapAlgorithm, chapResponse } from './chap.ts'
import type { Chap, Mutual } from './options.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const CHAP: Chap = { user: 'anna', secret: bytes('secret-of-anna-12'), algorithms: CHAP_ALGORITHMS }
const MUTUAL: Mutual = { user: 'disk', secret: bytes('secret-of-disk-34') }
const map = (values: Record<string, string>): Map<string, string> => new Map(Object.entries(values))

// Made with openssl: printf '\x2asecret-of-anna-12challenge' | openssl dgst -<name>
const VECTORS: Readonly<Record<ChapAlgorithm, string>> = {
  MD5: 'cbf40c7ac776f95d1632f230606e826e',
  'SHA-1': 'b612a9d174fc11855b65141823b3aed0cd991d73',
  'SHA-256': 'd6db82f36a9b17dbad016e39115ac52e9d85bca66065711d5e6dbfb172a878e0',
  'SHA3-256': '9f9decd562ee21c3f8062c9d0a303c34f6037e336068e932cc47c14c93f9e353',
}

for (const algorithm of CHAP_ALGORITHMS) {
  test(`the answer of ${algorithm}`, () => {
    const response = chapResponse(algorithm, 0x2a, CHAP.secret, bytes('challenge'))
    assert.equal(Buffer.from(response).toString('hex'), VECTORS[algorithm])
  })
}

const CODES: Readonly<Record<string, ChapAlgorithm>> = { 5: 'MD5', 6: 'SHA-1', 7: 'SHA-256', 8: 'SHA3-256' }

/** Brings an authentication to the point where the target has sent its challenge; returns what is sent then. */
function challenged(
  auth: Authentication,
  code = '7',
  challenge = '0x6368616c6c656e6765',
): Map<string, string> {
  auth.begin()
  const offer = auth.receive(map({ AuthMethod: 'CHAP' }))
  assert.deepEqual(
    offer.send.map(({ key }) => key),
    ['CHAP_A'],
  )
  const turn = auth.receive(map({ CHAP_A: code, CHAP_I: '42', CHAP_C: challenge }))
  assert.equal(turn.ready, true)
  return new Map(turn.send.map(({ key, value }) => [key, value]))
}

for (const [code, algorithm] of Object.entries(CODES)) {
  test(`one-way with algorithm ${code}`, () => {
    const sent = challenged(new Authentication(CHAP, null), code)
    assert.equal(sent.get('CHAP_N'), 'anna')
    assert.equal(sent.get('CHAP_R'), `0x${VECTORS[algorithm]}`)
  })

  test(`mutual with algorithm ${code}`, () => {
    const auth = new Authentication(CHAP, MUTUAL)
    const sent = challenged(auth, code)
    const challenge = parseBinary(sent.get('CHAP_C')!, 1024)!
    const proof = chapResponse(algorithm, Number(sent.get('CHAP_I')), MUTUAL.secret, challenge)
    assert.throws(() => auth.finish(), { code: 'LOGIN_AUTHENTICATION' })
    auth.receive(map({ CHAP_N: 'disk', CHAP_R: encodeHexBinary(proof) }))
    auth.finish()
  })
}

test('a challenge in Base64 and of up to 1024 bytes is taken', () => {
  assert.equal(
    challenged(new Authentication(CHAP, null), '7', '0bY2hhbGxlbmdl').get('CHAP_R'),
    `0x${VECTORS['SHA-256']}`,
  )
  challenged(new Authentication(CHAP, null), '5', `0x${'ab'.repeat(1024)}`)
  assert.throws(() => challenged(new Authentication(CHAP, null), '5', `0x${'ab'.repeat(1025)}`), {
    code: 'LOGIN_PROTOCOL',
  })
})

test('no secret is asked for where the target wants none', () => {
  const auth = new Authentication(CHAP, null)
  assert.deepEqual(auth.begin().send, [{ key: 'AuthMethod', value: 'CHAP,None' }])
  assert.deepEqual(auth.receive(map({ AuthMethod: 'None' })), { send: [], ready: true })
  auth.finish()
})

test('a target that has to prove itself is offered nothing but CHAP, and None is refused', () => {
  const auth = new Authentication(CHAP, MUTUAL)
  assert.deepEqual(auth.begin().send, [{ key: 'AuthMethod', value: 'CHAP' }])
  assert.throws(() => auth.finish(), { code: 'LOGIN_AUTHENTICATION' })
  assert.throws(() => auth.receive(map({ AuthMethod: 'None' })), { code: 'LOGIN_AUTHENTICATION' })
})

test('methods and algorithms that were not offered are refused', () => {
  const noChap = new Authentication(null, null)
  noChap.begin()
  assert.throws(() => noChap.receive(map({ AuthMethod: 'CHAP' })), { code: 'LOGIN_AUTHENTICATION' })
  const only = new Authentication({ ...CHAP, algorithms: ['SHA-256'] }, null)
  assert.throws(() => challenged(only, '5'), { code: 'LOGIN_AUTHENTICATION' })
  const auth = new Authentication(CHAP, null)
  auth.begin()
  assert.throws(() => auth.receive(map({ AuthMethod: 'KRB5' })), { code: 'LOGIN_AUTHENTICATION' })
})

// Requirement: RFC 7143, 9.2/3.
test('missing and illegal parts of a challenge are refused', () => {
  for (const keys of [
    { CHAP_A: '5', CHAP_C: '0x01' },
    { CHAP_A: '5', CHAP_I: '256', CHAP_C: '0x01' },
    { CHAP_A: '5', CHAP_I: '1' },
    { CHAP_A: '5', CHAP_I: '1', CHAP_C: '0x' },
    { CHAP_A: '5', CHAP_I: '1', CHAP_C: 'hello' },
  ]) {
    const auth = new Authentication(CHAP, null)
    auth.begin()
    auth.receive(map({ AuthMethod: 'CHAP' }))
    assert.throws(() => auth.receive(map(keys)), { code: 'LOGIN_PROTOCOL' }, JSON.stringify(keys))
  }
})

// Requirement: RFC 7143, 12.1.3/9.
test('a proof that is missing, reflected, of another user or wrong is refused', () => {
  for (const answer of [
    () => ({}),
    () => ({ CHAP_N: 'disk' }),
    (sent: Map<string, string>) => ({ CHAP_N: 'disk', CHAP_R: sent.get('CHAP_R')! }),
    () => ({ CHAP_N: 'disk', CHAP_R: `0x${'00'.repeat(32)}` }),
    () => ({ CHAP_N: 'disk', CHAP_R: '0x00' }),
    (sent: Map<string, string>) => {
      const challenge = parseBinary(sent.get('CHAP_C')!, 1024)!
      const proof = chapResponse('SHA-256', Number(sent.get('CHAP_I')), MUTUAL.secret, challenge)
      return { CHAP_N: 'other', CHAP_R: encodeHexBinary(proof) }
    },
  ]) {
    const auth = new Authentication(CHAP, MUTUAL)
    const sent = challenged(auth)
    assert.throws(() => auth.receive(map(answer(sent) as Record<string, string>)), {
      code: 'LOGIN_AUTHENTICATION',
    })
  }
})

test('two challenges are never the same', () => {
  const one = challenged(new Authentication(CHAP, MUTUAL)).get('CHAP_C')
  const two = challenged(new Authentication(CHAP, MUTUAL)).get('CHAP_C')
  assert.notEqual(one, two)
})
