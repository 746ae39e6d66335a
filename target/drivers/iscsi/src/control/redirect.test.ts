// SPDX-License-Identifier: Apache-2.0
// Redirects: which addresses can be told, when they are, and what a decision that fails does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeHexBinary, LOGIN_RESPONSE, LoginStage, LoginStatus, parseBinary } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { TARGET, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, type RawPdu, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { chapResponse } from '../login/chap.ts'
import { type LoginFacts, type Redirect, readRedirect } from './redirect.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const LAST = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const

const login = (peer: RawPeer, fields = {}): Promise<RawPdu> => peer.loginRound({ ...LAST, ...fields }, NAMES)

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

describe('addresses', () => {
  const told: readonly (readonly [string, string])[] = [
    ['10.0.0.1', '10.0.0.1:3260'],
    ['10.0.0.1:3261', '10.0.0.1:3261'],
    ['storage-2.example.org', 'storage-2.example.org:3260'],
    ['storage', 'storage:3260'],
    ['[2001:db8::1]', '[2001:db8::1]:3260'],
    ['[2001:db8::1]:3261', '[2001:db8::1]:3261'],
  ]
  for (const [given, value] of told) {
    test(`${given} is told as ${value}`, () => {
      assert.deepEqual(readRedirect({ to: given }).addresses, [value])
    })
  }

  // Requirement: RFC 7143, 13.8/2.
  test('what no initiator can connect to is refused', () => {
    for (const to of [
      '',
      '10.0.0',
      '10.0.0.256',
      '0.0.0.0',
      '[::]',
      '2001:db8::1',
      '[10.0.0.1]',
      'a b',
      '-host',
      'host:0',
      'host:65536',
      'host:port',
      'host,1',
      '10.0.0.1:3261,7',
      '[2001:db8::1],7',
      'host:1,2,3',
      '[fe80::1%eth0]:3260',
      'host\0TargetName=iqn',
      `${'a'.repeat(64)}.org`,
    ]) {
      assert.throws(() => readRedirect({ to }), OperatorError, to)
    }
    assert.throws(() => readRedirect({ to: [] }), OperatorError)
    assert.throws(() => readRedirect({ to: new Array(17).fill('host') }), OperatorError)
  })
})

describe('redirect', () => {
  // Requirement: RFC 7143, 11.13.5: a redirection names one or more TargetAddress, and the connection is closed.
  for (const [permanent, status] of [
    [false, LoginStatus.targetMovedTemporarily],
    [true, LoginStatus.targetMovedPermanently],
  ] as const) {
    // Requirement: RFC 7143, 11.13/7 and 13.8/2.
    test(`all targets have moved ${permanent ? 'permanently' : 'for a time'}`, () =>
      withBench({ redirect: { to: ['10.0.0.9:3261', '[::9]'], permanent } }, async bench => {
        const peer = await bench.connect()
        const pdu = await login(peer)
        assert.equal(statusOf(pdu), status)
        assert.deepEqual(pdu.data.toString('latin1').split('\0'), [
          'TargetAddress=10.0.0.9:3261',
          'TargetAddress=[::9]:3260',
          '',
        ])
        const { transit, tsih } = fieldsOf(LOGIN_RESPONSE, pdu)
        assert.deepEqual([transit, tsih], [0, 0])
        await peer.end()
        const [event] = bench.of('login-redirected')
        assert.deepEqual(
          [event?.target, event?.initiator, event?.to, event?.permanent],
          [TARGET, INITIATOR, ['10.0.0.9:3261', '[::9]:3260'], permanent],
        )
        assert.equal(bench.of('session-opened').length, 0)
        const { redirected, failed } = bench.port.watch.logins()
        assert.deepEqual([redirected, failed], [1, 0])
      }))
  }

  test('only its own target, and discovery is served', () =>
    withBench({ redirects: { 'iqn.2026-11.test.lunkit:other': { to: 'host' } } }, async bench => {
      await bench.peer()
      const discovery = await bench.connect()
      await discovery.login({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      bench.port.control.redirect({ to: 'host' }, TARGET)
      assert.equal(statusOf(await login(await bench.connect())), LoginStatus.targetMovedTemporarily)
      bench.port.control.redirect(null, TARGET)
      assert.equal(statusOf(await login(await bench.connect())), LoginStatus.success)
    }))

  test('who has not proved himself learns no address', () =>
    withBench(
      {
        redirect: { to: 'host' },
        access: { [TARGET]: { chap: { user: 'alice', secret: 'a secret of hers' } } },
      },
      async bench => {
        const peer = await bench.connect()
        const refused = await login(peer)
        assert.equal(statusOf(refused), LoginStatus.authenticationFailure)
        assert.equal(refused.data.length, 0)
        assert.equal(bench.of('login-redirected').length, 0)
      },
    ))

  test('a connection that joins a session stays with it', () =>
    withBench({}, async bench => {
      const first = await bench.connect()
      const pdu = await first.loginRound(LAST, { ...NAMES, MaxConnections: '4' })
      const { tsih } = fieldsOf(LOGIN_RESPONSE, pdu)
      bench.port.control.redirect({ to: 'host' })
      const second = await bench.connect()
      assert.equal(statusOf(await login(second, { cid: 2, tsih })), LoginStatus.success)
    }))
})

test('a login of several rounds is redirected with its last answer', () =>
  withBench({ redirect: { to: 'host' } }, async bench => {
    const peer = await bench.connect()
    const first = await peer.loginRound(
      { transit: 1, csg: LoginStage.security, nsg: LoginStage.operational },
      NAMES,
    )
    assert.equal(statusOf(first), LoginStatus.success)
    const last = await peer.loginRound(LAST, { MaxBurstLength: '8192' })
    assert.equal(statusOf(last), LoginStatus.targetMovedTemporarily)
    assert.deepEqual(keysOf(last), { TargetAddress: 'host:3260' })
  }))

test('with mutual CHAP the target proves itself before it sends anybody away', () =>
  withBench(
    {
      redirect: { to: 'host' },
      access: {
        [TARGET]: {
          chap: {
            user: 'alice',
            secret: 'a secret of hers',
            mutual: { user: 'bob', secret: 'a secret of his' },
          },
        },
      },
    },
    async bench => {
      const peer = await bench.connect()
      await peer.loginRound({ csg: LoginStage.security }, { ...NAMES, AuthMethod: 'CHAP' })
      const asked = keysOf(await peer.loginRound({ csg: LoginStage.security }, { CHAP_A: '7' }))
      const challenge = parseBinary(asked['CHAP_C']!, 1024)!
      const response = chapResponse('sha256', Number(asked['CHAP_I']), 'a secret of hers', challenge)
      const straight = { csg: LoginStage.security, transit: 1, nsg: LoginStage.fullFeature }
      const proved = await peer.loginRound(straight, {
        CHAP_N: 'alice',
        CHAP_R: encodeHexBinary(response),
        CHAP_I: '9',
        CHAP_C: '0x0102030405060708',
      })
      assert.deepEqual([statusOf(proved), fieldsOf(LOGIN_RESPONSE, proved).transit], [LoginStatus.success, 0])
      const own = chapResponse('sha256', 9, 'a secret of his', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))
      assert.equal(keysOf(proved)['CHAP_R'], encodeHexBinary(own))
      const last = await peer.loginRound(straight)
      assert.equal(statusOf(last), LoginStatus.targetMovedTemporarily)
      assert.deepEqual(keysOf(last), { TargetAddress: 'host:3260' })
    },
  ))

describe('decision', () => {
  test('gets the facts, and lets in whom it sends nowhere', async () => {
    const asked: LoginFacts[] = []
    const redirect = (facts: LoginFacts): undefined => void asked.push(facts)
    await withBench({ redirect, tpgt: 3 }, async bench => {
      const peer = await bench.peer()
      assert.deepEqual(asked, [
        {
          target: TARGET,
          initiator: INITIATOR,
          isid: '800000000001',
          address: `127.0.0.1:${peer.socket.localPort}`,
          localAddress: '127.0.0.1',
          tag: 3,
        },
      ])
    })
  })

  test('may take its time, and an older session of the initiator makes room after it', async () => {
    const release: ((redirect: Redirect | null) => void)[] = []
    const redirect = (): Promise<Redirect | null> => new Promise(resolve => void release.push(resolve))
    await withBench({ redirect }, async bench => {
      const first = await bench.connect()
      const firstIn = login(first)
      await bench.until(() => release.length === 1)
      assert.equal(bench.port.connections.pending, 1)
      release[0]!(null)
      assert.equal(statusOf(await firstIn), LoginStatus.success)
      const second = await bench.connect()
      const secondIn = login(second)
      await bench.until(() => release.length === 2)
      release[1]!(null)
      assert.equal(statusOf(await secondIn), LoginStatus.success)
      await first.end()
      const third = await bench.connect()
      const thirdIn = login(third)
      await bench.until(() => release.length === 3)
      release[2]!({ to: 'host' })
      assert.equal(statusOf(await thirdIn), LoginStatus.targetMovedTemporarily)
      assert.equal(bench.port.connections.sessions, 1)
    })
  })

  const failures: readonly (readonly [string, () => never | Promise<never> | Redirect])[] = [
    [
      'throws',
      () => {
        throw new Error('no idea')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no idea'))],
    ['names no address', () => ({ to: 'nowhere at all' })],
  ]
  for (const [what, redirect] of failures) {
    test(`one that ${what} refuses the login as an error of the target`, () =>
      withBench({ redirect }, async bench => {
        const peer = await bench.connect()
        assert.equal(statusOf(await login(peer)), LoginStatus.targetError)
        await peer.end()
        assert.match(bench.of('login-failed')[0]!.reason, /decision where to log in failed/)
      }))
  }

  test('one that never comes ends with the limit of the login', () =>
    withBench(
      { redirect: () => new Promise<never>(() => undefined), limits: { loginTimeoutMs: 80 } },
      async bench => {
        const peer = await bench.connect()
        await assert.rejects(login(peer), /closed/)
        await bench.until(() => bench.of('login-failed').length === 1)
        assert.match(bench.of('login-failed')[0]!.reason, /too long/)
      },
    ))

  test('a peer that goes away meanwhile is forgotten', async () => {
    let decide: (redirect: null) => void = () => undefined
    const redirect = (): Promise<null> =>
      new Promise(resolve => {
        decide = resolve
      })
    let asked = false
    await withBench(
      {
        redirect: () => {
          asked = true
          return redirect()
        },
      },
      async bench => {
        const peer = await bench.connect()
        const refused = assert.rejects(login(peer), /closed/)
        await bench.until(() => asked)
        await peer.close()
        await refused
        await bench.until(() => bench.port.connections.pending === 0)
        decide(null)
        await new Promise(resolve => setImmediate(resolve))
        assert.equal(bench.of('session-opened').length, 0)
      },
    )
  })
})

test('a drained target sends new sessions away where a redirect is set', () =>
  withBench({ redirects: { [TARGET]: { to: '10.0.0.9' } } }, async bench => {
    assert.deepEqual(await bench.port.control.drain(1), { sessions: 0, dropped: 0 })
    const pdu = await login(await bench.connect())
    assert.equal(statusOf(pdu), LoginStatus.targetMovedTemporarily)
    assert.deepEqual(keysOf(pdu), { TargetAddress: '10.0.0.9:3260' })
  }))

test('a drained target lets in nobody whom a decision sends nowhere', () =>
  withBench({ redirect: () => undefined }, async bench => {
    await bench.port.control.drain(0)
    assert.equal(statusOf(await login(await bench.connect())), LoginStatus.serviceUnavailable)
  }))

test('the last word on where all targets are counts: an address, a function, or nothing', () =>
  withBench({}, async bench => {
    const { control } = bench.port
    control.redirect({ to: 'one' })
    control.redirect(() => ({ to: 'two' }))
    assert.deepEqual(keysOf(await login(await bench.connect())), { TargetAddress: 'two:3260' })
    control.redirect({ to: 'three' })
    assert.deepEqual(keysOf(await login(await bench.connect())), { TargetAddress: 'three:3260' })
    assert.throws(() => control.redirect({ to: '' }), OperatorError)
    assert.deepEqual(keysOf(await login(await bench.connect())), { TargetAddress: 'three:3260' })
    assert.throws(() => control.redirect(() => null, TARGET), OperatorError)
    control.redirect(null)
    assert.equal(statusOf(await login(await bench.connect())), LoginStatus.success)
  }))
