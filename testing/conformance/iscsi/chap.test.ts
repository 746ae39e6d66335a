// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 9.2 and 12.1: authentication by CHAP as a target does it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { LOGIN_RESPONSE, LoginStage, LoginStatus } from '@lunkit/spec'
import { driver } from '@lunkit/target-driver-iscsi'
import { type BenchOptions, type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, type RawPdu, type RawPeer } from '../../kit/raw-peer.ts'
import { ping } from '../../kit/raw-requests.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const { security, operational, fullFeature } = LoginStage
const SECRET = 'the initiator knows'
const OWN_SECRET = 'the target knows this'
const ONE_WAY: BenchOptions = { access: { [TARGET]: { chap: { user: 'alice', secret: SECRET } } } }
const BOTH_WAYS: BenchOptions = {
  access: {
    [TARGET]: { chap: { user: 'alice', secret: SECRET, mutual: { user: 'bob', secret: OWN_SECRET } } },
  },
}

type Keys = Readonly<Record<string, string>>

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}
const secured = (peer: RawPeer, keys: Keys, transit = 0): Promise<RawPdu> =>
  peer.loginRound({ csg: security, transit, nsg: transit === 1 ? operational : 0 }, keys)

/** CHAP_R for a challenge, by code of its own: MD5 over identifier, secret and challenge. */
const responseTo = (identifier: string, challenge: string, secret: string, hash = 'md5'): Buffer =>
  createHash(hash)
    .update(Uint8Array.of(Number(identifier)))
    .update(secret)
    .update(Buffer.from(challenge.slice(2), 'hex'))
    .digest()
const hex = (bytes: Buffer): string => `0x${bytes.toString('hex')}`

/** A connection that has got as far as the challenge of the target. */
async function challenged(
  bench: IscsiBench,
  algorithms = '5',
): Promise<{ peer: RawPeer; keys: Record<string, string> }> {
  const peer = await bench.connect()
  const first = keysOf(await secured(peer, { ...NAMES, AuthMethod: 'CHAP' }))
  assert.equal(first['AuthMethod'], 'CHAP')
  return { peer, keys: keysOf(await secured(peer, { CHAP_A: algorithms })) }
}

/** What the target says to the last step, after which it has to close where it refuses. */
async function lastStep(bench: IscsiBench, make: (keys: Record<string, string>) => Keys): Promise<number> {
  const { peer, keys } = await challenged(bench)
  const status = statusOf(await secured(peer, make(keys), 1))
  if (status === LoginStatus.success) await peer.close()
  else await peer.end()
  return status
}

const rightAnswer = (keys: Record<string, string>): Record<string, string> => ({
  CHAP_N: 'alice',
  CHAP_R: hex(responseTo(keys['CHAP_I']!, keys['CHAP_C']!, SECRET)),
})

describe('AuthMethod', () => {
  // Requirement: RFC 7143, 12.1/1.
  test('the first method that suits is taken', () =>
    withBench(ONE_WAY, async bench => {
      const peer = await bench.connect()
      const pdu = await secured(peer, { ...NAMES, AuthMethod: 'KRB5,SRP,CHAP,None' })
      assert.equal(keysOf(pdu)['AuthMethod'], 'CHAP')
      for (const AuthMethod of ['KRB5,SRP', 'None', 'X-org.example.method']) {
        const other = await bench.connect()
        assert.equal(
          statusOf(await secured(other, { ...NAMES, AuthMethod })),
          LoginStatus.authenticationFailure,
        )
        await other.end()
      }
    }))

  // Requirement: RFC 7143, 6.3.2/1.
  test('a list of which nothing suits is answered Reject, and the login ends as a failure of authentication', () =>
    withBench(ONE_WAY, async bench => {
      for (const AuthMethod of ['KRB5,SRP', 'None', 'Z-org.example.method', '']) {
        const peer = await bench.connect()
        const pdu = await secured(peer, { ...NAMES, AuthMethod }, 1)
        assert.equal(statusOf(pdu), LoginStatus.authenticationFailure)
        assert.deepEqual(keysOf(pdu), { AuthMethod: 'Reject' })
        await peer.end()
      }
    }))

  // Requirement: RFC 7143, 15/3.
  test('methods that were given up are passed over, and nothing of their keys is known', () =>
    withBench(ONE_WAY, async bench => {
      const peer = await bench.connect()
      const pdu = await secured(peer, { ...NAMES, AuthMethod: 'SPKM1,SPKM2,CHAP', SPKM_REQ: '0x00' })
      assert.deepEqual([keysOf(pdu)['AuthMethod'], keysOf(pdu)['SPKM_REQ']], ['CHAP', 'NotUnderstood'])
      const other = await bench.connect()
      const refused = await secured(other, { ...NAMES, AuthMethod: 'SPKM1,SPKM2' })
      assert.equal(statusOf(refused), LoginStatus.authenticationFailure)
    }))

  // Requirement: RFC 7143, 9.2/6.
  test('no method sends a password: what is offered comes to CHAP, and the secret is in nothing that is sent', () =>
    withBench(BOTH_WAYS, async bench => {
      const { peer, keys } = await challenged(bench)
      const own = { CHAP_I: '77', CHAP_C: `0x${'5a'.repeat(24)}` }
      const last = keysOf(await secured(peer, { ...rightAnswer(keys), ...own }, 1))
      const said = JSON.stringify([keys, last, bench.events])
      for (const secret of [SECRET, OWN_SECRET]) {
        assert.ok(!said.includes(secret))
        assert.ok(!said.includes(Buffer.from(secret).toString('hex')))
      }
    }))

  // Requirement: RFC 7143, 12.1/2.
  test('an open target answers None, and keys of CHAP do not fit', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const pdu = await secured(peer, { ...NAMES, AuthMethod: 'CHAP,None' })
      assert.equal(keysOf(pdu)['AuthMethod'], 'None')
      assert.equal(statusOf(await secured(peer, { CHAP_A: '5' })), LoginStatus.initiatorError)
      await peer.end()
    }))
})

describe('CHAP', () => {
  // Requirement: RFC 7143, 12.1.3/1 and 12.1.3/5 and 12.1.3/7.
  test('the challenge: an algorithm that was offered, an identifier of one byte, a challenge of 1 to 1024 bytes', () =>
    withBench(ONE_WAY, async bench => {
      for (const [offer, chosen] of [
        ['5', '5'],
        ['99,5', '5'],
        ['7,5', '7'],
        ['0x5', '5'],
      ] as const) {
        const { peer, keys } = await challenged(bench, offer)
        assert.equal(keys['CHAP_A'], chosen)
        assert.match(keys['CHAP_I']!, /^\d{1,3}$/)
        assert.ok(Number(keys['CHAP_I']) < 256)
        const bytes = (keys['CHAP_C']!.length - 2) / 2
        assert.ok(keys['CHAP_C']!.startsWith('0x') && bytes >= 1 && bytes <= 1024)
        await peer.close()
      }
    }))

  // Requirement: RFC 7143, 12.1.3/2.
  test('without an algorithm that suits, authentication has failed', () =>
    withBench(ONE_WAY, async bench => {
      const peer = await bench.connect()
      await secured(peer, { ...NAMES, AuthMethod: 'CHAP' })
      assert.equal(statusOf(await secured(peer, { CHAP_A: '99,100' })), LoginStatus.authenticationFailure)
      await peer.end()
    }))

  // Requirement: RFC 7143, 12.1.3/3 and 9.2.1/1 and 9.2.1/2.
  test('the right answer opens the way into full feature phase, with a secret of 128 bits as well', () =>
    withBench(ONE_WAY, async bench => {
      const { peer, keys } = await challenged(bench)
      assert.equal(statusOf(await secured(peer, rightAnswer(keys), 1)), LoginStatus.success)
      await peer.loginRound({ csg: operational, transit: 1, nsg: fullFeature })
      await ping(peer)
    }))

  // Requirement: RFC 7143, 12.1.3/3 and 9.2/2.
  test('a wrong response or name is a failure of authentication', () =>
    withBench(ONE_WAY, async bench => {
      const wrong = [
        (keys: Record<string, string>) => ({ ...rightAnswer(keys), CHAP_N: 'mallory' }),
        (keys: Record<string, string>) => ({
          CHAP_N: 'alice',
          CHAP_R: hex(responseTo(keys['CHAP_I']!, keys['CHAP_C']!, 'another secret 12')),
        }),
        () => ({ CHAP_N: 'alice', CHAP_R: hex(Buffer.alloc(16)) }),
      ]
      for (const make of wrong) assert.equal(await lastStep(bench, make), LoginStatus.authenticationFailure)
    }))

  // Requirement: RFC 7143, 12.1.3/6 and 6.1/7.
  test('a response in Base64 is as good as one in hexadecimal digits', () =>
    withBench(ONE_WAY, async bench => {
      const status = await lastStep(bench, keys => ({
        CHAP_N: 'alice',
        CHAP_R: `0b${responseTo(keys['CHAP_I']!, keys['CHAP_C']!, SECRET).toString('base64')}`,
      }))
      assert.equal(status, LoginStatus.success)
    }))

  // Requirement: RFC 7143, 9.2/1.
  test('a missing key is a missing parameter', () =>
    withBench(BOTH_WAYS, async bench => {
      const without = (name: string) => (keys: Record<string, string>) => {
        const all: Record<string, string> = {
          ...rightAnswer(keys),
          CHAP_I: '1',
          CHAP_C: '0x00112233445566778899',
        }
        delete all[name]
        return all
      }
      for (const name of ['CHAP_R', 'CHAP_N', 'CHAP_I', 'CHAP_C']) {
        assert.equal(await lastStep(bench, without(name)), LoginStatus.missingParameter, name)
      }
    }))

  // Requirement: RFC 7143, 9.2/5.
  test('whoever leaves out its response is told so, and gets none from the target', () =>
    withBench(BOTH_WAYS, async bench => {
      const tries: readonly ((keys: Record<string, string>) => Keys)[] = [
        () => ({}),
        () => ({ CHAP_N: 'alice' }),
        keys => ({ CHAP_I: keys['CHAP_I']!, CHAP_C: keys['CHAP_C']! }),
        keys => ({ CHAP_N: 'alice', CHAP_I: keys['CHAP_I']!, CHAP_C: keys['CHAP_C']! }),
      ]
      for (const make of tries) {
        for (const transit of [0, 1]) {
          const { peer, keys } = await challenged(bench)
          const pdu = await secured(peer, make(keys), transit)
          assert.equal(statusOf(pdu), LoginStatus.missingParameter)
          assert.equal(pdu.data.length, 0)
          await peer.end()
        }
      }
      const silent = await bench.connect()
      await secured(silent, { ...NAMES, AuthMethod: 'CHAP' })
      assert.equal(statusOf(await secured(silent, {})), LoginStatus.missingParameter)
    }))

  // Requirement: RFC 7143, 12.1.3/14.
  test('challenges and responses of 1024 bytes are taken, longer ones are errors', () =>
    withBench(BOTH_WAYS, async bench => {
      const long = (bytes: number): string => `0x${'5a'.repeat(bytes)}`
      const step = (more: Keys) => (keys: Record<string, string>) => ({ ...rightAnswer(keys), ...more })
      assert.equal(await lastStep(bench, step({ CHAP_I: '1', CHAP_C: long(1024) })), LoginStatus.success)
      assert.equal(
        await lastStep(bench, step({ CHAP_I: '1', CHAP_C: long(1025) })),
        LoginStatus.initiatorError,
      )
      assert.equal(await lastStep(bench, step({ CHAP_R: long(1024) })), LoginStatus.authenticationFailure)
      assert.equal(await lastStep(bench, step({ CHAP_R: long(1025) })), LoginStatus.initiatorError)
    }))

  // Requirement: RFC 7143, 9.2/1.
  test('keys out of their order and values that are none are errors of the initiator', () =>
    withBench(BOTH_WAYS, async bench => {
      const steps: readonly ((keys: Record<string, string>) => Keys)[] = [
        () => ({ CHAP_A: '5' }),
        keys => ({ ...rightAnswer(keys), CHAP_A: '5' }),
        keys => ({ ...rightAnswer(keys), CHAP_I: '256', CHAP_C: '0x0011' }),
        keys => ({ ...rightAnswer(keys), CHAP_I: 'one', CHAP_C: '0x0011' }),
        keys => ({ ...rightAnswer(keys), CHAP_I: '1', CHAP_C: '0xnothing' }),
        keys => ({ ...rightAnswer(keys), CHAP_R: 'no binary' }),
        keys => ({ ...rightAnswer(keys), AuthMethod: 'CHAP' }),
      ]
      for (const [at, make] of steps.entries()) {
        assert.equal(await lastStep(bench, make), LoginStatus.initiatorError, `step ${at}`)
      }
      const early = await bench.connect()
      await secured(early, { ...NAMES, AuthMethod: 'CHAP' })
      assert.equal(
        statusOf(await secured(early, { CHAP_N: 'alice', CHAP_R: '0x00' })),
        LoginStatus.initiatorError,
      )
      await early.end()
      const eager = await bench.connect()
      await secured(eager, { ...NAMES, AuthMethod: 'CHAP' })
      assert.equal(statusOf(await secured(eager, { CHAP_A: '5', CHAP_I: '1' })), LoginStatus.initiatorError)
      await eager.end()
    }))

  // Requirement: RFC 7143, 12.1.3/4 and 9.2.1/1.
  test('the target proves itself when it is asked to', () =>
    withBench(BOTH_WAYS, async bench => {
      const { peer, keys } = await challenged(bench)
      const own = { CHAP_I: '77', CHAP_C: `0x${'5a'.repeat(24)}` }
      const pdu = await secured(peer, { ...rightAnswer(keys), ...own }, 1)
      assert.equal(statusOf(pdu), LoginStatus.success)
      assert.equal(keysOf(pdu)['CHAP_N'], 'bob')
      assert.equal(keysOf(pdu)['CHAP_R'], hex(responseTo('77', own.CHAP_C, OWN_SECRET)))
    }))

  // Requirement: RFC 7143, 12.1.3/4.
  test('a target that has no account of its own refuses to be asked', () =>
    withBench(ONE_WAY, async bench => {
      const status = await lastStep(bench, keys => ({
        ...rightAnswer(keys),
        CHAP_I: '1',
        CHAP_C: '0x0011223344',
      }))
      assert.equal(status, LoginStatus.authenticationFailure)
    }))

  // Requirement: RFC 7143, 9.2.1/6.
  test('its own challenge sent back closes the connection, and is not answered', () =>
    withBench(BOTH_WAYS, async bench => {
      const { peer, keys } = await challenged(bench)
      const pdu = await secured(
        peer,
        { ...rightAnswer(keys), CHAP_I: keys['CHAP_I']!, CHAP_C: keys['CHAP_C']! },
        1,
      )
      assert.equal(statusOf(pdu) >> 8, 2)
      assert.equal(keysOf(pdu)['CHAP_R'], undefined)
      await peer.end()
    }))

  // Requirement: RFC 7143, 9.2.1/5.
  test('a response made with the secret of the target fails', () =>
    withBench(BOTH_WAYS, async bench => {
      const status = await lastStep(bench, keys => ({
        CHAP_N: 'alice',
        CHAP_R: hex(responseTo(keys['CHAP_I']!, keys['CHAP_C']!, OWN_SECRET)),
      }))
      assert.equal(status, LoginStatus.authenticationFailure)
    }))

  // Requirement: RFC 7143, 9.2.1/4.
  test('one secret for both directions is refused before anything listens', async () => {
    const chap = { user: 'alice', secret: SECRET, mutual: { user: 'bob', secret: SECRET } }
    await assert.rejects(
      withBench({ access: { [TARGET]: { chap } } }, async () => undefined),
      /one secret for both directions/,
    )
  })

  // Requirement: RFC 7143, 9.2.1/11.
  test('a secret of initiators is none of targets, over all targets, rules, discovery and ports', async () => {
    const alice = { user: 'alice', secret: SECRET }
    const proud = { user: 'carol', secret: 'carol has her own', mutual: { user: 'bob', secret: SECRET } }
    const other = 'iqn.2026-11.test.lunkit:other'
    const wrong: readonly BenchOptions[] = [
      { access: { [TARGET]: { chap: alice }, [other]: { chap: proud } } },
      { access: { [TARGET]: { chap: alice }, '*': { rules: [{ chap: proud }] } } },
      { access: { [TARGET]: { rules: [{ chap: [alice] }, { chap: [proud] }] } } },
      { access: { [TARGET]: { chap: proud } }, discoveryChap: alice },
      { access: { [TARGET]: { chap: alice } }, discoveryChap: [proud] },
    ]
    for (const options of wrong) {
      const opened = withBench(options, async () => undefined)
      await assert.rejects(opened, /one secret for both directions.*'alice'.*'bob'/, JSON.stringify(options))
    }
    await withBench({ access: { [TARGET]: { chap: alice } } }, async bench => {
      const options = { portals: [{ host: '127.0.0.1', port: 0 }], tpgt: 2, discoveryChap: proud }
      await assert.rejects(driver.start(bench.engine, options), /one secret for both directions/)
      assert.throws(() => bench.port.access.set({ discoveryChap: [alice, proud] }), /both directions/)
      assert.deepEqual(bench.port.access.set({ discoveryChap: proud }), [])
    })
  })

  // Requirement: RFC 7143, 9.2.1/10.
  test('a secret counts in whole bytes, those of its UTF-8 form', () => {
    const secret = 'ein gehütetes Wort'
    const bytes = Buffer.from(secret, 'utf8')
    assert.equal(bytes.length, secret.length + 1)
    return withBench({ access: { [TARGET]: { chap: { user: 'alice', secret } } } }, async bench => {
      const status = await lastStep(bench, keys => {
        const challenge = Buffer.from(keys['CHAP_C']!.slice(2), 'hex')
        const hash = createHash('md5').update(
          Buffer.concat([Buffer.of(Number(keys['CHAP_I'])), bytes, challenge]),
        )
        return { CHAP_N: 'alice', CHAP_R: hex(hash.digest()) }
      })
      assert.equal(status, LoginStatus.success)
    })
  })

  // Requirement: RFC 7143, 12.1.3/8.
  test('no challenge comes twice', () =>
    withBench(ONE_WAY, async bench => {
      const seen = new Set<string>()
      for (let i = 0; i < 20; i++) {
        const { peer, keys } = await challenged(bench)
        seen.add(keys['CHAP_C']!)
        await peer.close()
      }
      assert.equal(seen.size, 20)
    }))
})
