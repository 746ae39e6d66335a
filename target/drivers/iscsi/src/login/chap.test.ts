// SPDX-License-Identifier: Apache-2.0
// CHAP: known responses of each algorithm, and every way in which it must fail.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeBase64Binary, encodeHexBinary, parseBinary } from '@lunkit/spec'
import type { Chap } from '../access/options.ts'
import { CHAP_ALGORITHMS, ChapExchange, type ChapStep, chapResponse } from './chap.ts'

// Made with Python's hashlib over the bytes 2a, "lunkit secret 1" and ten times a5.
const VECTORS = {
  md5: 'f3f538c7a475170dac700365ab6c1f14',
  sha1: '1e866f3158ff96a01cde1e35edbf289d65d382b8',
  sha256: '5c48604ffe3b51b7006768ae9d48810f9fb5cb7d9c51ff41bd68462cd22de3c0',
  'sha3-256': 'fee939041e5512fc04f9cadfde18edd26e42317274cbc6cfc58c32ec3b08a561',
} as const

const chap: Chap = { user: 'alice', secret: 'lunkit secret 1' }
const mutual: Chap = { ...chap, mutual: { user: 'target', secret: 'another secret' } }

/** Keys of a step, or its failure. */
function keys(step: ChapStep): Record<string, string> {
  assert.ok(step.ok, step.ok ? '' : step.failure)
  return Object.fromEntries(step.reply)
}
const failure = (step: ChapStep): string => (step.ok ? '' : step.failure)

/** An exchange whose challenge is out, with the right response to it. */
function begun(config: Chap, algorithm = '7'): { exchange: ChapExchange; right: string; challenge: string } {
  const exchange = new ChapExchange([config])
  const { CHAP_A, CHAP_I, CHAP_C } = keys(exchange.choose(algorithm))
  const row = CHAP_ALGORITHMS.find(one => one.number === Number(CHAP_A))!
  const response = chapResponse(row.name, Number(CHAP_I), config.secret, parseBinary(CHAP_C!, 1024)!)
  return { exchange, right: encodeHexBinary(response), challenge: CHAP_C! }
}

describe('CHAP', () => {
  for (const { name, length } of CHAP_ALGORITHMS) {
    test(`${name} gives its known response`, () => {
      const response = chapResponse(name, 0x2a, 'lunkit secret 1', Buffer.alloc(10, 0xa5))
      assert.equal(response.toString('hex'), VECTORS[name])
      assert.equal(response.length, length)
    })
  }

  test('the first algorithm of the initiator that is allowed is taken', () => {
    assert.equal(keys(new ChapExchange([chap]).choose('99,8,5'))['CHAP_A'], '8')
    const only: Chap = { ...chap, algorithms: ['sha1', 'md5'] }
    assert.equal(keys(new ChapExchange([only]).choose('8,7,5,6'))['CHAP_A'], '5')
    assert.match(failure(new ChapExchange([only]).choose('8,7')), /no algorithm/)
    assert.match(failure(new ChapExchange([chap]).choose('md5')), /no algorithm/)
  })

  test('each exchange has a challenge of its own', () => {
    const seen = new Set(
      Array.from({ length: 50 }, () => keys(new ChapExchange([chap]).choose('5'))['CHAP_C']),
    )
    assert.equal(seen.size, 50)
  })

  for (const { number, name } of CHAP_ALGORITHMS) {
    test(`${name}: the right response passes, in both binary forms`, () => {
      for (const encode of [encodeHexBinary, encodeBase64Binary]) {
        const { exchange, right } = begun(chap, String(number))
        const text = encode(parseBinary(right, 1024)!)
        assert.deepEqual(keys(exchange.verify('alice', text, null, null)), {})
        assert.equal(exchange.stage, 'done')
      }
    })
  }

  test('a wrong name, secret or length fails, all with the same words; what is no binary fails otherwise', () => {
    const words = new Set<string>()
    for (const [name, change] of [
      ['alice', (text: string) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')],
      ['alice', (text: string) => text.slice(0, -2)],
      ['alice', (text: string) => `${text}00`],
      ['Alice', (text: string) => text],
      ['', (text: string) => text],
    ] as const) {
      const { exchange, right } = begun(chap)
      words.add(failure(exchange.verify(name, change(right), null, null)))
      assert.equal(exchange.stage, 'response')
    }
    assert.deepEqual(
      [...words],
      ['CHAP response of user "alice" is wrong', 'CHAP user "Alice" is unknown', 'CHAP user "" is unknown'],
    )
    for (const text of ['no binary', '']) {
      assert.match(failure(begun(chap).exchange.verify('alice', text, null, null)), /not a binary/)
    }
  })

  test('each of several accounts passes by its own secret, and proves its own name', () => {
    const accounts: Chap[] = [
      chap,
      { user: 'bob', secret: 'the secret of bob' },
      { user: 'carol', secret: 'the secret of carol', mutual: mutual.mutual! },
    ]
    for (const { user } of accounts) {
      for (const other of accounts) {
        const exchange = new ChapExchange(accounts)
        const { CHAP_I, CHAP_C } = keys(exchange.choose('7'))
        const right = chapResponse('sha256', Number(CHAP_I), other.secret, parseBinary(CHAP_C!, 1024)!)
        const step = exchange.verify(user, encodeHexBinary(right), null, null)
        assert.deepEqual([step.ok, exchange.user], user === other.user ? [true, user] : [false, null])
      }
    }
  })

  test('accounts of one name that differ in their secrets pass by either', () => {
    const accounts: Chap[] = [chap, { user: 'alice', secret: 'another secret 2' }]
    for (const { secret } of accounts) {
      const exchange = new ChapExchange(accounts)
      const { CHAP_I, CHAP_C } = keys(exchange.choose('5'))
      const right = chapResponse('md5', Number(CHAP_I), secret, parseBinary(CHAP_C!, 1024)!)
      assert.ok(exchange.verify('alice', encodeHexBinary(right), null, null).ok)
    }
  })

  test('an algorithm that all accounts allow goes before one that some do', () => {
    const strict: Chap = { user: 'bob', secret: 'the secret of bob', algorithms: ['sha256'] }
    assert.equal(keys(new ChapExchange([chap, strict]).choose('5,7'))['CHAP_A'], '7')
    const exchange = new ChapExchange([chap, strict])
    const { CHAP_A, CHAP_I, CHAP_C } = keys(exchange.choose('5'))
    assert.equal(CHAP_A, '5')
    const right = chapResponse('md5', Number(CHAP_I), strict.secret, parseBinary(CHAP_C!, 1024)!)
    assert.match(failure(exchange.verify('bob', encodeHexBinary(right), null, null)), /may not use md5/)
    assert.equal(exchange.user, null)
  })

  test('mutual: challenges of 1 to 1024 bytes are answered with the own secret', () => {
    for (const length of [1, 16, 1024]) {
      const { exchange, right } = begun(mutual)
      const challenge = Buffer.alloc(length, 0x5a)
      const reply = keys(exchange.verify('alice', right, '200', encodeHexBinary(challenge)))
      assert.equal(reply['CHAP_N'], 'target')
      const wanted = chapResponse('sha256', 200, 'another secret', challenge)
      assert.equal(reply['CHAP_R'], encodeHexBinary(wanted))
    }
  })

  test('mutual: what cannot be answered fails', () => {
    const tries: [config: Chap, id: string | null, challenge: string | null, failure: RegExp][] = [
      [chap, '1', '0x00', /not set up/],
      [mutual, '1', null, /without each other/],
      [mutual, null, '0x00', /without each other/],
      [mutual, '256', '0x00', /CHAP_I/],
      [mutual, 'x', '0x00', /CHAP_I/],
      [mutual, '1', `0x${'00'.repeat(1025)}`, /CHAP_C/],
      [mutual, '1', '0x', /CHAP_C/],
      [mutual, '1', 'zz', /CHAP_C/],
    ]
    for (const [config, id, challenge, words] of tries) {
      const { exchange, right } = begun(config)
      assert.match(failure(exchange.verify('alice', right, id, challenge)), words)
    }
  })

  test("mutual: the target's own challenge is not answered", () => {
    const { exchange, right, challenge } = begun(mutual)
    assert.match(failure(exchange.verify('alice', right, '1', challenge)), /own challenge/)
  })
})
