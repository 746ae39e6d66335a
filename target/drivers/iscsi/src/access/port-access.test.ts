// SPDX-License-Identifier: Apache-2.0
// Access as raw peers meet it: rules at login and in discovery, read-only LUNs, and rules that change under sessions.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  LOGIN_RESPONSE,
  LoginStage,
  LoginStatus,
  MODE_SENSE_6,
  Opcode,
  REPORT_LUNS,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import type { TargetDevice } from '@lunkit/target-engine'
import {
  BLOCK,
  type IscsiBench,
  senseOf,
  TARGET,
  testUnitReady,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import type { Access, AccessRule } from './options.ts'
import { attempt, enter, listed, statusOf } from './proof.test-kit.ts'

const OTHER = 'iqn.2026-11.test.lunkit:other'
const TWO = { isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) }
const alice = { user: 'alice', secret: 'the secret of alice' }
const bob = { user: 'bob', secret: 'the secret of bob' }

/** A bench whose peers are closed at its end, however they came. */
async function withAccess(
  access: Access,
  run: (bench: IscsiBench, from: (address: string, portal?: number) => Promise<RawPeer>) => Promise<void>,
  options: Parameters<typeof withBench>[0] = {},
): Promise<void> {
  await withBench({ access: { [TARGET]: access }, ...options }, async bench => {
    const peers: RawPeer[] = []
    try {
      await run(bench, async (address, portal = 0) => {
        const { host, port } = bench.port.portals[portal]!
        const peer = await RawPeer.connect(port, host, address)
        peers.push(peer)
        return peer
      })
    } finally {
      await Promise.all(peers.map(peer => peer.close()))
    }
  })
}

const device = (bench: IscsiBench): TargetDevice => bench.engine.findTarget(TARGET) as TargetDevice

const at = (lun: number): never => Uint8Array.of(0, lun, 0, 0, 0, 0, 0, 0) as never

/** What a peer hears at a LUN until it is ready: sense key, ASC and ASCQ. */
async function hears(peer: RawPeer, lun = 0): Promise<string[]> {
  const heard: string[] = []
  for (;;) {
    peer.command(testUnitReady(), { lun: at(lun) })
    const pdu = await peer.receive(Opcode.scsiResponse)
    if (fieldsOf(SCSI_RESPONSE, pdu).status === Status.good) return heard
    heard.push(senseOf(pdu))
    if (heard.at(-1) === '052500') return heard
    assert.ok(heard.length < 10)
  }
}

/** `good`, or the sense of a write of one block. */
async function writes(peer: RawPeer): Promise<string> {
  const data = Buffer.alloc(BLOCK, 7)
  peer.command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK }, data)
  const pdu = await peer.receive(Opcode.scsiResponse)
  return fieldsOf(SCSI_RESPONSE, pdu).status === Status.good ? 'good' : senseOf(pdu)
}

/** WP of the mode parameter header. */
async function isProtected(peer: RawPeer, lun = 0): Promise<boolean> {
  const cdb = MODE_SENSE_6.cdb.write({
    opcode: MODE_SENSE_6.opcode,
    pageCode: 0x3f,
    allocation: 255,
  } as never)
  peer.command(cdb, { read: 1, expectedDataTransferLength: 255, lun: at(lun) })
  const { data } = await peer.receive(Opcode.dataIn)
  return (data[2]! & 0x80) !== 0
}

/** LUNs that REPORT LUNS tells. */
async function lunsOf(peer: RawPeer): Promise<number[]> {
  const cdb = REPORT_LUNS.cdb.write({ opcode: REPORT_LUNS.opcode, allocation: 1024 } as never)
  peer.command(cdb, { read: 1, expectedDataTransferLength: 1024 })
  const { data } = await peer.receive(Opcode.dataIn)
  return Array.from({ length: data.readUInt32BE(0) / 8 }, (_, i) => data[9 + 8 * i]!)
}

describe('login', () => {
  test('by address, by name, and by the portal that was come to', () =>
    withAccess(
      {
        rules: [
          { addresses: ['127.0.0.5'], hide: true },
          { portals: ['127.0.0.3'], initiators: ['*:other'] },
          { addresses: ['127.0.0.0/24', '!127.0.0.6'], portals: ['127.0.0.1'] },
        ],
      },
      async (bench, from) => {
        const came = async (address: string, initiator: string, portal: number) =>
          statusOf(await attempt(await from(address, portal), { target: TARGET, initiator }))
        const { success, notFound, authorizationFailure } = LoginStatus
        assert.equal(await came('127.0.0.1', INITIATOR, 0), success)
        assert.equal(await came('127.0.0.6', INITIATOR, 0), authorizationFailure)
        assert.equal(await came('127.0.0.5', INITIATOR, 0), notFound)
        assert.equal(await came('127.0.0.1', INITIATOR, 1), authorizationFailure)
        assert.equal(await came('127.0.0.6', OTHER, 1), success)
        assert.deepEqual(
          bench.of('login-failed').map(({ reason }) => reason),
          [
            'No rule of the target lets it in (decided by the end of the rules)',
            'The rule hides the target (decided by rule 1)',
            'No rule of the target lets it in (decided by the end of the rules)',
          ],
        )
      },
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '127.0.0.3', port: 0 },
        ],
      },
    ))

  test('a hidden target is answered as one that there is not', () =>
    withAccess({ rules: [{ hide: true }] }, async (bench, from) => {
      const hidden = await attempt(await from('127.0.0.1'), { target: TARGET })
      const absent = await attempt(await from('127.0.0.1'), { target: `${TARGET}2` })
      assert.deepEqual(hidden.header, absent.header)
      assert.deepEqual(hidden.data, absent.data)
      const [first, second] = bench.of('login-failed').map(({ reason }) => reason)
      assert.notEqual(first, second)
    }))

  test('an unknown user and a wrong secret get one answer, and two reasons', () =>
    withAccess({ chap: [alice, bob] }, async (bench, from) => {
      const wrong = await attempt(await from('127.0.0.1'), {
        target: TARGET,
        account: { ...alice, secret: bob.secret },
      })
      const unknown = await attempt(await from('127.0.0.1'), {
        target: TARGET,
        account: { ...bob, user: 'carol' },
      })
      assert.equal(statusOf(wrong), LoginStatus.authenticationFailure)
      assert.deepEqual([wrong.header, wrong.data], [unknown.header, unknown.data])
      assert.deepEqual(
        bench.of('login-failed').map(({ reason }) => reason),
        ['CHAP response of user "alice" is wrong', 'CHAP user "carol" is unknown'].map(
          why => `${why} (asked for by the target's own settings)`,
        ),
      )
      for (const account of [alice, bob])
        await enter(await from('127.0.0.1'), { target: TARGET, account, isid: TWO.isid })
    }))

  test('trusted addresses prove nothing, but may', () =>
    withAccess({ chap: alice, rules: [{ addresses: ['127.0.0.2'], chap: 'none' }, {}] }, async (_, from) => {
      const came = async (address: string, account?: typeof alice) =>
        statusOf(
          await attempt(await from(address), { target: TARGET, ...(account !== undefined && { account }) }),
        )
      assert.equal(await came('127.0.0.2'), LoginStatus.success)
      assert.equal(await came('127.0.0.2', alice), LoginStatus.success)
      assert.equal(await came('127.0.0.2', bob), LoginStatus.authenticationFailure)
      assert.equal(await came('127.0.0.1'), LoginStatus.authenticationFailure)
      assert.equal(await came('127.0.0.1', alice), LoginStatus.success)
    }))

  test('a connection joins no session of another user, or by a rule that gives something else', () =>
    withAccess(
      { chap: [alice, bob], rules: [{ addresses: ['127.0.0.2'], readonly: true }, {}] },
      async (bench, from) => {
        const first = await from('127.0.0.1')
        const pdu = await enter(first, { target: TARGET, account: alice, keys: { MaxConnections: '4' } })
        const { tsih } = fieldsOf(LOGIN_RESPONSE, pdu)
        const joins = async (address: string, account: typeof alice) =>
          statusOf(await attempt(await from(address), { target: TARGET, account, tsih, cid: 2 }))
        assert.equal(await joins('127.0.0.1', bob), LoginStatus.authorizationFailure)
        assert.equal(await joins('127.0.0.2', alice), LoginStatus.authorizationFailure)
        assert.equal(await joins('127.0.0.3', alice), LoginStatus.success)
        assert.equal(bench.port.connections.sessions, 1)
      },
    ))
})

test('who proved nothing joins no session of somebody who did', () =>
  withAccess({ chap: alice, rules: [{ addresses: ['127.0.0.2'], chap: 'none' }, {}] }, async (_, from) => {
    const first = await from('127.0.0.2')
    const pdu = await enter(first, { target: TARGET, account: alice, keys: { MaxConnections: '4' } })
    const { tsih } = fieldsOf(LOGIN_RESPONSE, pdu)
    const joins = async (options: { account?: typeof alice }) =>
      statusOf(await attempt(await from('127.0.0.2'), { target: TARGET, tsih, cid: 2, ...options }))
    assert.equal(await joins({}), LoginStatus.authorizationFailure)
    assert.equal(await joins({ account: alice }), LoginStatus.success)
  }))

describe('read-only', () => {
  // Requirement: SPC-4, MODE SENSE: WP tells each initiator whether it may write, and WRITE PROTECTED keeps it to that.
  test('is told to and kept from one initiator, while another writes', () =>
    withAccess({ rules: [{ name: 'backup', initiators: ['*:other'], readonly: true }, {}] }, async bench => {
      const writer = await bench.peer()
      const reader = await bench.peer({ initiator: OTHER, ...TWO })
      assert.deepEqual([await isProtected(writer), await isProtected(reader)], [false, true])
      assert.deepEqual([await writes(writer), await writes(reader)], ['good', '072700'])
      bench.port.access.set({ access: { [TARGET]: { rules: [{ readonly: true }] } } })
      assert.deepEqual([await hears(writer), await hears(reader)], [['062a01'], []])
      assert.deepEqual([await isProtected(writer), await writes(writer)], [true, '072700'])
    }))

  test('may be a matter of the account', () =>
    withAccess({ chap: [alice, { ...bob, readonly: [0] }] }, async (_, from) => {
      for (const [account, outcome] of [
        [alice, 'good'],
        [bob, '072700'],
      ] as const) {
        const peer = await from('127.0.0.1')
        await enter(peer, { target: TARGET, account })
        await hears(peer)
        assert.equal(await writes(peer), outcome)
      }
    }))
})

describe('discovery', () => {
  // Requirement: RFC 7143, Appendix C: SendTargets=All is about the targets that concern the initiator.
  test('lists what the initiator may log in to, at the portals where it may', () =>
    withAccess(
      { rules: [{ initiators: ['*:other'], portals: ['127.0.0.3'] }, { initiators: [INITIATOR] }] },
      async (bench, from) => {
        const [one, two] = bench.port.portals.map(({ host, port }) => `TargetAddress=${host}:${port},1`)
        const name = `TargetName=${TARGET}`
        const asked = async (initiator: string) => {
          const peer = await from('127.0.0.1')
          await enter(peer, { initiator })
          assert.deepEqual(await listed(peer, TARGET), await listed(peer))
          return listed(peer)
        }
        assert.deepEqual(await asked(INITIATOR), [name, one, two])
        assert.deepEqual(await asked(OTHER), [name, two])
        assert.deepEqual(await asked('iqn.2026-11.test.lunkit:third'), [])
      },
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '127.0.0.3', port: 0 },
        ],
      },
    ))

  test('lists what its user may log in to', () =>
    withAccess(
      { chap: alice },
      async (bench, from) => {
        const second = bench.engine.addTarget({ name: OTHER })
        second.map(0, device(bench).unitAt(0)!)
        const names = async (account?: typeof alice) => {
          const peer = await from('127.0.0.1')
          await enter(peer, { ...(account !== undefined && { account }) })
          return (await listed(peer)).filter(pair => pair.startsWith('TargetName'))
        }
        const scout = { user: 'scout', secret: 'the secret of a scout' }
        const both = [`TargetName=${TARGET}`, `TargetName=${OTHER}`]
        const chaps = { [TARGET]: { chap: alice }, [OTHER]: { chap: [bob, alice] } }
        bench.port.access.set({ access: chaps })
        assert.deepEqual(await names(), both)
        assert.deepEqual(await names(bob), both.slice(1))
        assert.deepEqual(await names(alice), both)
        bench.port.access.set({ access: chaps, discoveryChap: [alice, bob, scout] })
        assert.deepEqual([await names(bob), await names(scout)], [both.slice(1), both])
        await assert.rejects(names())
        await assert.rejects(names({ ...bob, secret: alice.secret }))
      },
      { discoveryChap: alice },
    ))

  test('leaves out a group without LUNs, until it has one', () =>
    withAccess({ rules: [{ group: 'few' }] }, async (bench, from) => {
      const peer = await from('127.0.0.1')
      await enter(peer)
      assert.deepEqual(await listed(peer), [])
      device(bench).addGroup('few', [])
      assert.deepEqual(await listed(peer), [])
      assert.equal(statusOf(await attempt(await from('127.0.0.1'), { target: TARGET })), LoginStatus.notFound)
      device(bench).map(5, device(bench).unitAt(0)!, 'few')
      assert.equal((await listed(peer)).length, 2)
      const member = await from('127.0.0.1')
      await enter(member, { target: TARGET })
      assert.deepEqual(await lunsOf(member), [5])
    }))
})

describe('other rules while sessions run', () => {
  test('end those that may no longer be there, change those that see something else, and leave the others', () =>
    withAccess({}, async bench => {
      const third = 'iqn.2026-11.test.lunkit:third'
      const stays = await bench.peer()
      const moves = await bench.peer({ initiator: OTHER, ...TWO })
      const goes = await bench.peer({ initiator: third, isid: Uint8Array.of(0x80, 0, 0, 0, 0, 3) })
      device(bench).addGroup('few', [])
      device(bench).map(5, device(bench).unitAt(0)!, 'few')
      const changes = bench.port.access.set({
        access: {
          [TARGET]: { rules: [{ initiators: ['*:other'], group: 'few' }, { initiators: [INITIATOR] }] },
        },
      })
      assert.deepEqual(
        changes.map(({ initiator, ended }) => [initiator, ended]),
        [
          [OTHER, ''],
          [third, 'No rule of the target lets it in'],
        ],
      )
      const { asyncEvent } = fieldsOf(ASYNC_MESSAGE, await goes.receive(Opcode.asyncMessage))
      assert.equal(asyncEvent, AsyncEvent.sessionDropped)
      await goes.end()
      assert.deepEqual(
        bench.of('session-closed').map(({ initiator, cause }) => [initiator, cause]),
        [[third, 'access']],
      )
      assert.deepEqual(await hears(stays), [])
      assert.deepEqual(await hears(moves, 5), ['062900', '063f0e'])
      assert.deepEqual(await hears(moves, 0), ['052500'])
      assert.equal(await writes(stays), 'good')
      assert.deepEqual(
        bench.port.access.set({}).map(({ ended }) => ended),
        [''],
      )
      assert.deepEqual(await hears(moves, 0), ['062900', '063f0e'])
    }))

  test('end a session with all its connections if one of them may no longer be there', () =>
    withAccess({}, async (bench, from) => {
      const [first, second] = [await from('127.0.0.1'), await from('127.0.0.2')]
      const pdu = await enter(first, { target: TARGET, keys: { MaxConnections: '4' } })
      const { tsih } = fieldsOf(LOGIN_RESPONSE, pdu)
      await enter(second, { target: TARGET, tsih, cid: 2 })
      const set = (...addresses: string[]) =>
        bench.port.access.set({ access: { [TARGET]: { addresses } } }).map(({ ended }) => ended)
      assert.deepEqual(set('127.0.0.0/8'), [])
      assert.deepEqual(set('127.0.0.1'), ['Address 127.0.0.2 is not on the list (127.0.0.1)'])
      await Promise.all([first.end(), second.end()])
      assert.deepEqual(
        bench.of('session-closed').map(({ cause }) => cause),
        ['access'],
      )
    }))

  test('keep a user whose secret is another one, and end one who is gone, or who was never asked', () =>
    withAccess({ rules: [{ chap: 'none' }] }, async (bench, from) => {
      const open = await from('127.0.0.1')
      await enter(open, { target: TARGET })
      const set = (...chap: (typeof alice)[]) =>
        bench.port.access.set({ access: { [TARGET]: { chap } } }).map(({ ended }) => ended)
      assert.deepEqual(set(alice, bob), ['CHAP is wanted'])
      await open.end()
      const peer = await from('127.0.0.1')
      await enter(peer, { target: TARGET, account: alice })
      assert.deepEqual(set({ ...alice, secret: 'a secret that is new' }, bob), [])
      await hears(peer)
      assert.deepEqual(set(bob), ['User "alice" has no account for it'])
      await peer.end()
      assert.equal(bench.port.connections.sessions, 0)
    }))

  test('count for discovery sessions, too', () =>
    withAccess({}, async (bench, from) => {
      const peer = await from('127.0.0.1')
      await enter(peer)
      assert.deepEqual(
        bench.port.access.set({ discoveryChap: alice }).map(({ ended }) => ended),
        ['Discovery wants another proof'],
      )
      await peer.end()
      const next = await from('127.0.0.1')
      await enter(next, { account: alice })
      assert.deepEqual(bench.port.access.set({ discoveryChap: [bob, alice] }), [])
      assert.equal((await listed(next)).length, 2)
    }))

  test('break off logins that were decided otherwise, and no others', () =>
    withAccess({}, async (bench, from) => {
      const keys = { InitiatorName: INITIATOR, TargetName: TARGET }
      const peer = await from('127.0.0.1')
      await peer.loginRound({ csg: LoginStage.operational }, keys)
      bench.port.access.set({ access: { [OTHER]: { initiators: [] } } })
      await peer.loginRound({ csg: LoginStage.operational }, {})
      bench.port.access.set({ access: { [TARGET]: { chap: alice } } })
      await assert.rejects(
        peer.loginRound({ transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature }, {}),
      )
      assert.match(bench.of('login-failed')[0]!.reason, /changed during the login/)
    }))

  test('that cannot be meant change nothing', () =>
    withAccess({}, async bench => {
      const peer = await bench.peer()
      assert.throws(
        () => bench.port.access.set({ access: { [TARGET]: { addresses: ['x'] } } }),
        OperatorError,
      )
      assert.deepEqual(await hears(peer), [])
      await bench.peer({ initiator: OTHER, ...TWO })
    }))
})

describe('explained', () => {
  const RULES: readonly AccessRule[][] = [
    [],
    [{}],
    [{ hide: true }],
    [{ addresses: ['127.0.0.2'], readonly: true }, { initiators: ['!*:other'] }],
    [{ portals: ['127.0.0.3'], chap: 'none', group: 'few' }, { chap: [alice, { ...bob, group: 'few' }] }],
    [{ portals: ['!127.0.0.3'], users: ['bob'] }, { group: 'empty' }],
    [
      { addresses: ['127.0.0.1'], group: 'gone' },
      { initiators: ['*:other'], chap: { ...bob, readonly: [5] }, group: 'few' },
      {},
    ],
  ]
  test('is what logins and discovery come to', () =>
    withAccess(
      {},
      async (bench, from) => {
        device(bench).addGroup('few', [])
        device(bench).addGroup('empty', [])
        device(bench).map(5, device(bench).unitAt(0)!, 'few')
        let visible = 0
        for (const rules of RULES) {
          bench.port.access.set({ access: { [TARGET]: { chap: [alice, bob], rules } } })
          for (const address of ['127.0.0.1', '127.0.0.2'])
            for (const portal of [0, 1])
              for (const initiator of [INITIATOR, OTHER])
                for (const account of [undefined, alice, bob]) {
                  const [told] = bench.port.access.explain({
                    initiator,
                    address,
                    portal: bench.port.portals[portal]!,
                    ...(account !== undefined && { user: account.user }),
                  })
                  const peer = await from(address, portal)
                  const asked = told!.proof === 'required' ? account : undefined
                  const pdu = await attempt(peer, {
                    target: TARGET,
                    initiator,
                    ...(asked !== undefined && { account: asked }),
                  })
                  const answer = {
                    [LoginStatus.success]: 'login',
                    [LoginStatus.notFound]: 'not found',
                    [LoginStatus.authorizationFailure]: 'authorization failure',
                    [LoginStatus.authenticationFailure]: 'authentication failure',
                  }[statusOf(pdu)]
                  const what = JSON.stringify({ rules, address, portal, initiator, user: account?.user })
                  // Without a user all accounts are told of; a login without one proves nothing.
                  if (account === undefined && told!.proof === 'required')
                    assert.equal(answer, 'authentication failure', what)
                  else assert.equal(answer, told!.answer, what)
                  if (answer === 'login') {
                    visible++
                    assert.deepEqual(
                      await lunsOf(peer),
                      told!.luns.map(({ lun }) => lun),
                      what,
                    )
                    await hears(peer, told!.luns[0]!.lun)
                    const cdbLun = told!.luns[0]!.lun
                    assert.equal(await isProtected(peer, cdbLun), told!.luns[0]!.readonly, what)
                  }
                  await peer.close()
                  const scout = await from(address, portal)
                  await enter(scout, { initiator, ...(asked !== undefined && { account: asked }) }).catch(
                    () => null,
                  )
                  const { host, port } = bench.port.portals[portal]!
                  const list = scout.closed ? [] : await listed(scout).catch(() => [])
                  if (asked === undefined || told!.visible)
                    assert.equal(list.includes(`TargetAddress=${host}:${port},1`), told!.visible, what)
                  await scout.close()
                }
        }
        assert.ok(visible > 20)
      },
      {
        portals: [
          { host: '127.0.0.1', port: 0 },
          { host: '127.0.0.3', port: 0 },
        ],
      },
    ))
})
