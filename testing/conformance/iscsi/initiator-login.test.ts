// SPDX-License-Identifier: Apache-2.0
// What the initiator says in its logins, of sessions of every kind: each request is held against the rules, one by one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { discover, openSession } from '@lunkit/initiator-driver-iscsi'
import {
  isExtensionKey,
  keyByName,
  LOGIN_REQUEST,
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

/** A login request, with the number of its connection. */
interface Asked {
  readonly connection: number
  readonly header: Buffer
  readonly pairs: ReadonlyMap<string, string>
}

const read = ({ header }: Asked) => LOGIN_REQUEST.read(header)
const first = (logins: readonly Asked[]): Asked[] =>
  logins.filter(({ connection }, at) => logins.findIndex(one => one.connection === connection) === at)
const byConnection = (logins: readonly Asked[]): Asked[][] =>
  first(logins).map(({ connection }) => logins.filter(one => one.connection === connection))
const names = (logins: readonly Asked[]): string[] => logins.flatMap(({ pairs }) => [...pairs.keys()])
const isDiscovery = ([{ pairs }]: readonly [Asked, ...Asked[]] | Asked[]): boolean =>
  pairs!.get('SessionType') === 'Discovery'

/** Each rule throws on logins that do not hold it. */
const CHECKS = {
  versions(logins: readonly Asked[]) {
    for (const one of logins) assert.deepEqual([read(one).versionMin, read(one).versionMax], [0, 0])
  },
  constants(logins: readonly Asked[]) {
    for (const login of byConnection(logins)) {
      const constant = (one: Asked) => [
        read(one).isid.toString(),
        read(one).tsih,
        read(one).cid,
        read(one).itt,
      ]
      for (const one of login) assert.deepEqual(constant(one), constant(login[0]!))
    }
  },
  authority(logins: readonly Asked[]) {
    for (const one of logins) {
      const [type] = read(one).isid
      assert.ok(
        type === 0x80 || (type! >> 6 < 3 && (type! >> 6 === 0 || (type! & 0x3f) === 0)),
        `type ${type}`,
      )
    }
  },
  introduction(logins: readonly Asked[]) {
    for (const [head, ...rest] of byConnection(logins)) {
      assert.ok(head!.pairs.has('InitiatorName'))
      assert.ok(isDiscovery([head!]) || head!.pairs.has('TargetName'))
      for (const key of ['InitiatorName', 'TargetName', 'SessionType', 'InitiatorAlias']) {
        assert.ok(!names(rest).includes(key), key)
      }
    }
  },
  once(logins: readonly Asked[]) {
    for (const login of byConnection(logins)) assert.equal(new Set(names(login)).size, names(login).length)
  },
  stages(logins: readonly Asked[]) {
    for (const one of logins) {
      const stage = read(one).csg === LoginStage.security ? 'security' : 'operational'
      for (const key of one.pairs.keys()) {
        const row = keyByName(key)
        if (row !== undefined)
          assert.ok((row.initiatorStages ?? row.stages).includes(stage), `${key} in ${stage}`)
      }
    }
  },
  leading(logins: readonly Asked[]) {
    for (const one of logins.filter(one => read(one).tsih !== 0)) {
      for (const key of one.pairs.keys()) assert.notEqual(keyByName(key)?.use, 'leading-only', key)
    }
  },
  understanding(logins: readonly Asked[]) {
    for (const { pairs } of logins) {
      for (const [key, value] of pairs)
        assert.ok(value !== 'NotUnderstood' || keyByName(key) === undefined, key)
    }
  },
  forms(logins: readonly Asked[]) {
    for (const { pairs } of logins) {
      for (const [key, value] of pairs) {
        assert.match(key, /^[A-Z]/)
        assert.ok(key.length <= 63 && Buffer.byteLength(value) <= 255, key)
        const row = keyByName(key)
        if (row?.type === 'number') assert.match(value, /^(0|[1-9]\d{0,7})$/)
      }
    }
  },
  extensions(logins: readonly Asked[]) {
    for (const { pairs } of logins) {
      for (const [key, value] of pairs) {
        assert.ok(!isExtensionKey(key) || value === 'NotUnderstood', key)
        if (['AuthMethod', 'HeaderDigest', 'DataDigest'].includes(key))
          assert.doesNotMatch(value, /[XYZ][-#]/)
      }
    }
  },
  obsolete(logins: readonly Asked[]) {
    for (const { pairs } of logins) {
      for (const [key, value] of pairs)
        assert.ok(keyByName(key)?.rule !== 'refuse' || value === 'Reject', key)
    }
  },
  transit(logins: readonly Asked[]) {
    for (const one of logins) assert.ok(read(one).continue === 0 || read(one).transit === 0)
  },
} as const

/** Keeps the login requests of a target, which come one at a time and before all else on their connection. */
class Watch {
  readonly logins: Asked[] = []
  readonly #busy = new Set<Peer>()
  #connections = 0
  readonly #numbers = new Map<Peer, number>()

  /** Answers a login request as `answer` does, a little later. */
  take(pdu: Pdu, peer: Peer, answer: () => void): void {
    assert.ok(!this.#busy.has(peer), 'a request before the last one was answered')
    assert.ok(!peer.loggedIn, 'a login request after login')
    if (!this.#numbers.has(peer)) this.#numbers.set(peer, ++this.#connections)
    this.logins.push({ connection: this.#numbers.get(peer)!, header: pdu.header, pairs: pairsOf(pdu) })
    this.#busy.add(peer)
    setImmediate(() => {
      this.#busy.delete(peer)
      answer()
    })
  }

  started(
    watch: (pdu: Pdu, peer: Peer) => void,
    keys: (pdu: Pdu) => Record<string, string> = () => ({}),
  ): Promise<ScriptedTarget> {
    return ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode === Opcode.loginRequest) return this.take(pdu, peer, () => peer.login(pdu, keys(pdu)))
      assert.ok(peer.loggedIn, 'a request before login')
      if (!peer.courtesy(pdu)) watch(pdu, peer)
    })
  }
}

/** Grants of what is offered the connections and the recovery level. */
const grant = (pdu: Pdu): Record<string, string> => {
  const granted = ['MaxConnections', 'ErrorRecoveryLevel']
  return Object.fromEntries([...pairsOf(pdu)].filter(([key]) => granted.includes(key)))
}

/** Logins of many kinds: plain, with all that can be wished for, of further connections, and for discovery. */
async function varied(): Promise<Asked[]> {
  const watch = new Watch()
  await using target = await watch.started((pdu, peer) => {
    const fields = { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG }
    peer.sendStatus(TEXT_RESPONSE, fields, Buffer.from(`TargetName=${NAME}\0`))
  }, grant)
  const wishes = {
    connections: 3,
    errorRecoveryLevel: 2,
    headerDigest: 'prefer',
    dataDigest: 'prefer',
  } as const
  for (const options of [
    {},
    wishes,
    {
      ...wishes,
      initiatorAlias: 'ä'.repeat(127),
      initiatorName: `iqn.2000-01.org.example:${'x'.repeat(199)}`,
    },
    { immediateData: false, initialR2T: true, maxBurstLength: 512, firstBurstLength: 512 },
    { isid: Uint8Array.of(0x40, 0, 0, 9, 0, 1), maxRecvDataSegmentLength: 16_777_215 },
  ]) {
    const session = await openSession({ ...target.options, ...options })
    await session.close()
  }
  await discover(target.portal)
  return watch.logins
}

const forged = (one: Asked, values: Record<string, unknown>, pairs: Record<string, string> = {}): Asked => ({
  connection: one.connection,
  header: Buffer.from(LOGIN_REQUEST.write({ ...read(one), ...values } as never)),
  pairs: new Map([...one.pairs, ...Object.entries(pairs)]),
})

/** For each rule a change to a login request that breaks it. */
const BREACHES: Readonly<
  Record<keyof typeof CHECKS, readonly [Record<string, unknown>, Record<string, string>]>
> = {
  versions: [{ versionMax: 1 }, {}],
  constants: [{ cid: 77 }, {}],
  authority: [{ isid: Uint8Array.of(0xc0, 0, 0, 0, 0, 0) }, {}],
  introduction: [{}, { TargetName: NAME }],
  once: [{}, { InitiatorName: 'iqn.2000-01.org.example:x' }],
  stages: [{}, { AuthMethod: 'None' }],
  leading: [{ tsih: 7 }, { MaxConnections: '2' }],
  understanding: [{}, { TaskReporting: 'NotUnderstood' }],
  forms: [{}, { MaxBurstLength: '0x200' }],
  extensions: [{}, { 'X-org.example.a': '1' }],
  obsolete: [{}, { IFMarker: 'Yes' }],
  transit: [{ transit: 1, continue: 1 }, {}],
}

describe('logins of every kind', async () => {
  const logins = await varied()

  // Requirement: RFC 7143, 4.2.4/1 and 6.2/24.
  test('there are several connections and sessions, each begun by a login that takes its turn', () => {
    assert.ok(byConnection(logins).length >= 10)
    assert.equal(logins.filter(({ pairs }) => pairs.get('SessionType') === 'Discovery').length, 1)
  })

  const RULES: readonly (readonly [what: string, rule: keyof typeof CHECKS])[] = [
    // Requirement: RFC 7143, 11.12/8.
    ['the lowest and the highest version are 0', 'versions'],
    // Requirement: RFC 7143, 11.12/12.
    ['ISID, TSIH, CID and tag are the same in a whole login', 'constants'],
    // Requirement: RFC 7143, 11.12/9.
    ['the ISID has the bits of its naming authority', 'authority'],
    // Requirement: RFC 7143, 11.12/13 and 13.4/2 and 13.5/2.
    [
      'the first request names the initiator and the target or the kind of session, no later one does',
      'introduction',
    ],
    // Requirement: RFC 7143, 6.3/15.
    ['no key comes twice', 'once'],
    // Requirement: RFC 7143, 12/1.
    ['each key comes in its stage', 'stages'],
    // Requirement: RFC 7143, 13/1.
    ['what holds for the session comes on its first connection alone', 'leading'],
    // Requirement: RFC 7143, 11.12/14.
    ['no key of the standard is answered NotUnderstood', 'understanding'],
    // Requirement: RFC 7143, 6.1/8.
    ['names, numbers and lengths have their forms', 'forms'],
    // Requirement: RFC 7143, 9.4/1 and 13.22/2 and 14/1.
    ['no extension is offered, whether key, digest or method', 'extensions'],
    // Requirement: RFC 7143, 13.25/2.
    ['no marker is offered', 'obsolete'],
    // Requirement: RFC 7143, 11.12/7.
    ['a text that goes on asks for no next stage', 'transit'],
  ]
  for (const [what, rule] of RULES) {
    test(what, () => {
      CHECKS[rule](logins)
      const [values, pairs] = BREACHES[rule]
      const at = logins.findIndex(one => read(one).csg === LoginStage.operational && read(one).tsih === 0)
      const broken = logins.with(at, forged(logins[at]!, values, pairs))
      assert.throws(() => CHECKS[rule](broken), { name: 'AssertionError' }, 'the check cannot fail')
    })
  }

  // Requirement: RFC 7143, 11.12/11.
  test('the TSIH is 0 where a session begins, and the one of the session where a connection joins it', () => {
    const tsihs = first(logins).map(one => read(one).tsih)
    assert.equal(tsihs.filter(tsih => tsih === 0).length, 6)
    assert.equal(tsihs.filter(tsih => tsih === 7).length, 4)
    assert.equal(tsihs.length, 10)
  })

  // Requirement: RFC 7143, 6.3.3/1.
  test('where the operational stage has nothing more to settle, full feature phase is asked for', () => {
    for (const login of byConnection(logins)) {
      const [last] = login.slice(-1).map(read)
      assert.deepEqual(
        [last!.transit, last!.csg, last!.nsg],
        [1, LoginStage.operational, LoginStage.fullFeature],
      )
      assert.equal(login.length, 2)
    }
  })

  // Requirement: RFC 7143, 7.4.1/2 and 13.21/2.
  test('a discovery session has level 0 and no key that it makes irrelevant', () => {
    const [login] = byConnection(logins).filter(isDiscovery)
    const pairs = new Map(login!.flatMap(one => [...one.pairs]))
    assert.equal(pairs.get('ErrorRecoveryLevel'), '0')
    for (const key of pairs.keys()) {
      assert.ok(!keyByName(key)!.irrelevantWhen.some(({ SessionType }) => SessionType === 'Discovery'), key)
    }
  })
})

// Requirement: RFC 7143, 11.12/10.
test('an ISID that is given is that of every login, and one that is not lasts as long as the session', async () => {
  const watch = new Watch()
  await using target = await watch.started((_, peer) => peer.socket.destroy())
  const isid = Uint8Array.of(0x00, 0x02, 0x3d, 1, 2, 3)
  for (const options of [{ isid }, { isid }, {}]) {
    const before = watch.logins.length
    const reconnect = { attempts: 2, delays: [0] }
    await using session = await openSession({ ...target.options, reconnect, ...options })
    await assert.rejects(session.execute({ lun: 0, cdb: new Uint8Array(6) }))
    while (watch.logins.length < before + 4) await new Promise(resolve => setImmediate(resolve))
    const own = watch.logins.slice(before).map(one => Buffer.from(read(one).isid).toString('hex'))
    assert.equal(new Set(own).size, 1)
    assert.equal(own[0] === '00023d010203', 'isid' in options)
  }
})

// Requirement: RFC 7143, 13.7/1.
test('an alias is declared, and no target may declare it', async () => {
  for (const keys of [{ InitiatorAlias: 'me' }, { SessionType: 'Normal' }] as Record<string, string>[]) {
    const watch = new Watch()
    await using target = await watch.started(
      () => {},
      () => keys,
    )
    await assert.rejects(openSession({ ...target.options, initiatorAlias: 'me' }), { code: 'LOGIN_PROTOCOL' })
    assert.equal(watch.logins[0]!.pairs.get('InitiatorAlias'), 'me')
  }
})
