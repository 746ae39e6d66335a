// SPDX-License-Identifier: Apache-2.0
// RFC 7143, section 13: each key of login by its rule.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KEYS, LOGIN_RESPONSE, LoginStage } from '@lunkit/spec'
import { type IscsiBench, TARGET, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf } from '../../kit/raw-peer.ts'
import { ping, read, textRound } from '../../kit/raw-requests.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const DISCOVERY = { InitiatorName: INITIATOR, SessionType: 'Discovery' }

/** The target's own wishes in these tests. */
const LIMITS = {
  maxBurst: 65_536,
  firstBurst: 32_768,
  maxOutstandingR2T: 4,
  maxRecvDataSegmentLength: 16_384,
}

interface Case {
  readonly name: string
  /** Offers with their answers; several answers where the standard allows them. */
  readonly offers: readonly (readonly [offer: string, ...answers: string[]])[]
}

const CASES: readonly Case[] = [
  // Requirement: RFC 7143, 13.1/1.
  {
    name: 'HeaderDigest',
    offers: [
      ['None', 'None'],
      ['CRC32C', 'CRC32C'],
      ['None,CRC32C', 'None'],
      ['CRC32C,None', 'CRC32C'],
    ],
  },
  // Requirement: RFC 7143, 13.1/1.
  {
    name: 'DataDigest',
    offers: [
      ['None', 'None'],
      ['CRC32C', 'CRC32C'],
      ['None,CRC32C', 'None'],
      ['CRC32C,None', 'CRC32C'],
    ],
  },
  // Requirement: RFC 7143, 13.2/1.
  {
    name: 'MaxConnections',
    offers: [
      ['1', '1'],
      ['0', 'Reject'],
      ['65536', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.10/1.
  {
    name: 'InitialR2T',
    offers: [
      ['Yes', 'Yes'],
      ['No', 'No', 'Yes'],
    ],
  },
  // Requirement: RFC 7143, 13.11/1.
  {
    name: 'ImmediateData',
    offers: [
      ['No', 'No'],
      ['Yes', 'Yes', 'No'],
    ],
  },
  // Requirement: RFC 7143, 13.13/1 and 6.1/10.
  {
    name: 'MaxBurstLength',
    offers: [
      ['512', '512'],
      ['65537', '65536'],
      ['16777215', '65536'],
      ['16777216', 'Reject'],
      ['18446744073709551615', 'Reject'],
      ['18446744073709551616', 'Reject'],
      ['0x10000000000000200', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.14/1.
  {
    name: 'FirstBurstLength',
    offers: [
      ['512', '512'],
      ['32769', '32768'],
      ['511', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.15/1.
  {
    name: 'DefaultTime2Wait',
    offers: [
      ['0', '0', '2'],
      ['2', '2'],
      ['30', '30'],
      ['3600', '3600'],
      ['3601', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.16/1.
  {
    name: 'DefaultTime2Retain',
    offers: [
      ['0', '0'],
      ['3601', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.17/1.
  {
    name: 'MaxOutstandingR2T',
    offers: [
      ['1', '1'],
      ['4', '4'],
      ['5', '4'],
      ['65535', '4'],
      ['65536', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.18/1.
  {
    name: 'DataPDUInOrder',
    offers: [
      ['Yes', 'Yes'],
      ['No', 'No', 'Yes'],
    ],
  },
  // Requirement: RFC 7143, 13.19/1.
  {
    name: 'DataSequenceInOrder',
    offers: [
      ['Yes', 'Yes'],
      ['No', 'No', 'Yes'],
    ],
  },
  // Requirement: RFC 7143, 13.20/1 and 7.1.5/1.
  {
    name: 'ErrorRecoveryLevel',
    offers: [
      ['0', '0'],
      ['3', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.23/1.
  {
    name: 'TaskReporting',
    offers: [
      ['RFC3720', 'RFC3720'],
      ['X-other,RFC3720', 'RFC3720'],
    ],
  },
  // Requirement: RFC 7143, 13.24/1.
  {
    name: 'iSCSIProtocolLevel',
    offers: [
      ['0', '0'],
      ['1', '1'],
      ['2', '2', '1'],
      ['31', '2', '1'],
      ['32', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.25/1.
  {
    name: 'IFMarker',
    offers: [
      ['Yes', 'Reject', 'No'],
      ['No', 'Reject', 'No'],
    ],
  },
  // Requirement: RFC 7143, 13.25/1.
  {
    name: 'OFMarker',
    offers: [
      ['Yes', 'Reject', 'No'],
      ['No', 'Reject', 'No'],
    ],
  },
  // Requirement: RFC 7143, 13.25/1 and 13.25/3 and 6.2.2/3.
  {
    name: 'IFMarkInt',
    offers: [
      ['1~65535', 'Reject'],
      ['2048', 'Reject'],
      ['65535~1', 'Reject'],
      ['No', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.25/1 and 13.25/3.
  {
    name: 'OFMarkInt',
    offers: [
      ['1~65535', 'Reject'],
      ['65535~1', 'Reject'],
      ['No', 'Reject'],
    ],
  },
  // Requirement: RFC 7143, 13.22/1.
  { name: 'X-org.example.key', offers: [['anything', 'NotUnderstood']] },
]

async function answered(
  bench: IscsiBench,
  keys: Readonly<Record<string, string>>,
  names: Readonly<Record<string, string>> = NAMES,
): Promise<Record<string, string>> {
  const peer = await bench.connect()
  const pdu = await peer.loginRound({ csg: LoginStage.operational }, { ...names, ...keys })
  assert.equal(fieldsOf(LOGIN_RESPONSE, pdu).statusClass, 0)
  await peer.close()
  return keysOf(pdu)
}

async function isRefused(bench: IscsiBench, keys: Readonly<Record<string, string>>): Promise<boolean> {
  const peer = await bench.connect()
  const pdu = await peer.loginRound({ csg: LoginStage.operational }, keys)
  return fieldsOf(LOGIN_RESPONSE, pdu).statusClass === 2
}

describe('keys of login', () => {
  for (const { name, offers } of CASES) {
    test(name, () =>
      withBench({ limits: LIMITS }, async bench => {
        for (const [offer, ...answers] of offers) {
          const answer = (await answered(bench, { [name]: offer }))[name]
          assert.ok(
            answer !== undefined && answers.includes(answer),
            `${name}=${offer} is answered ${answer}`,
          )
        }
      }),
    )
  }

  // Requirement: RFC 7143, 13.14/2.
  test('FirstBurstLength is held below MaxBurstLength, in whatever order they come', () =>
    withBench({}, async bench => {
      for (const keys of [
        { FirstBurstLength: '8192', MaxBurstLength: '1024' },
        { MaxBurstLength: '1024', FirstBurstLength: '8192' },
      ]) {
        const answer = await answered(bench, keys)
        assert.ok(Number(answer['FirstBurstLength']) <= Number(answer['MaxBurstLength']))
      }
    }))

  // Requirement: RFC 7143, 13.12/1.
  test('MaxRecvDataSegmentLength: the target declares its own, and an illegal one of the initiator ends the login', () =>
    withBench({ limits: LIMITS }, async bench => {
      const answer = await answered(bench, { MaxRecvDataSegmentLength: '512' })
      assert.equal(answer['MaxRecvDataSegmentLength'], '16384')
      for (const value of ['511', '16777216', 'much']) {
        assert.ok(await isRefused(bench, { ...NAMES, MaxRecvDataSegmentLength: value }), value)
      }
    }))

  // Requirement: RFC 7143, 13.6/1.
  test('TargetAlias is told once, and is not for an initiator to send', () =>
    withBench({}, async bench => {
      assert.equal((await answered(bench, {}))['TargetAlias'], 'bench')
      for (const key of ['TargetAlias', 'TargetPortalGroupTag', 'TargetAddress']) {
        assert.ok(await isRefused(bench, { ...NAMES, [key]: '1' }), key)
      }
    }))

  // Requirement: RFC 7143, 13.21/1 and 4.3/2.
  test('SessionType: Normal, Discovery, Normal without a word, and nothing else', () =>
    withBench({}, async bench => {
      await answered(bench, { SessionType: 'Normal' })
      await answered(bench, { SessionType: 'Discovery' })
      assert.ok(await isRefused(bench, { ...NAMES, SessionType: 'Other' }))
      const peer = await bench.peer()
      read(peer, 0, 1)
      await peer.receive(0x25)
      assert.equal(bench.of('session-opened').at(-1)?.kind, 'normal')
    }))

  // Requirement: RFC 7143, 13.26/1.
  test('X#NodeArchitecture is taken and changes nothing', () =>
    withBench({}, async bench => {
      const plain = await answered(bench, {})
      const { 'X#NodeArchitecture': own, ...told } = await answered(bench, { 'X#NodeArchitecture': 'vax' })
      assert.ok(own === undefined || own === 'NotUnderstood')
      assert.deepEqual(told, plain)
    }))

  // Requirement: RFC 7143, 6.2/12 and 13.21/4.
  test('keys that mean nothing in a discovery session are irrelevant there, each by its name', () =>
    withBench({}, async bench => {
      const keys = {
        MaxConnections: '4',
        InitialR2T: 'Yes',
        ImmediateData: 'Yes',
        MaxBurstLength: '1024',
        FirstBurstLength: '1024',
        MaxOutstandingR2T: '2',
        DataPDUInOrder: 'Yes',
        DataSequenceInOrder: 'No',
        TaskReporting: 'RFC3720,ResponseFence',
        iSCSIProtocolLevel: '2',
      }
      const answer = await answered(bench, keys, DISCOVERY)
      for (const key of Object.keys(keys)) assert.equal(answer[key], 'Irrelevant', key)
    }))

  // Requirement: RFC 7143, 13.21/3.
  test('a discovery session has one connection, whatever is offered', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const round = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature }
      const first = await peer.loginRound(round, { ...DISCOVERY, MaxConnections: '4' })
      const { tsih } = fieldsOf(LOGIN_RESPONSE, first)
      for (const names of [DISCOVERY, NAMES]) {
        const other = await bench.connect()
        const pdu = await other.loginRound({ ...round, tsih, cid: 2 }, names)
        const { statusClass, transit } = fieldsOf(LOGIN_RESPONSE, pdu)
        assert.deepEqual([statusClass, transit], [2, 0])
        await other.end()
      }
      assert.equal((await textRound(peer, { SendTargets: 'All' })).keys['TargetName'], TARGET)
    }))

  // Requirement: RFC 7143, 13.26/2 and 9.4/2 and 9.4/3.
  test('X#NodeArchitecture: 255 bytes at most, told by no event, and not sent', () =>
    withBench({ vendorKey: () => 'mine' }, async bench => {
      const value = `${'b'.repeat(127)},${'c'.repeat(127)}`
      const answer = await answered(bench, { 'X#NodeArchitecture': value })
      assert.equal('X#NodeArchitecture' in answer, false)
      assert.ok(await isRefused(bench, { ...NAMES, 'X#NodeArchitecture': `${value}c` }))
      assert.doesNotMatch(JSON.stringify(bench.events), /bbb/)
    }))

  // Requirement: RFC 7143, 13.22/3.
  test('private keys mean nothing in a discovery session, and nobody is asked', () => {
    const asked: string[] = []
    const vendorKey = (key: string): string => {
      asked.push(key)
      return 'mine'
    }
    return withBench({ vendorKey }, async bench => {
      const key = 'X-org.example.key'
      assert.equal((await answered(bench, { [key]: '1' }))[key], 'mine')
      assert.deepEqual(asked.splice(0), [key])
      assert.equal((await answered(bench, { [key]: '1' }, DISCOVERY))[key], 'NotUnderstood')
      const peer = await bench.connect()
      await peer.login()
      assert.equal((await textRound(peer, { SendTargets: 'All', [key]: '1' })).keys[key], 'NotUnderstood')
      assert.deepEqual(asked, [])
    })
  })

  // Requirement: RFC 7143, 14/2.
  test('names with X# are nothing that the application is asked for, but for the one of the standard', () =>
    withBench({ vendorKey: () => 'mine' }, async bench => {
      assert.equal((await answered(bench, { 'X#Registered': '1' }))['X#Registered'], 'NotUnderstood')
    }))

  // Requirement: RFC 7143, 6.1/9.
  test('names of keys begin with a capital letter, but for the one of RFC 7144', () =>
    withBench({}, async bench => {
      const small = KEYS.map(({ name }) => name).filter(name => !/^[A-Z]/.test(name))
      assert.deepEqual(small, ['iSCSIProtocolLevel'])
      const told = await answered(bench, { MaxBurstLength: '512', iSCSIProtocolLevel: '2' })
      const others = Object.keys(told).filter(name => !/^[A-Z]/.test(name))
      assert.deepEqual(others, ['iSCSIProtocolLevel'])
    }))

  // Requirement: RFC 7143, 13.1/2.
  test('digests on: pings and reads have them in both directions, each kind for itself', () =>
    withBench({}, async bench => {
      for (const keys of [
        { HeaderDigest: 'CRC32C' },
        { DataDigest: 'CRC32C' },
        { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' },
      ]) {
        const peer = await bench.peer({ keys })
        assert.equal((await ping(peer, {}, Buffer.from('12345'))).data.toString(), '12345')
        read(peer, 0, 3)
        assert.equal((await peer.receive(0x25)).data.length, 3 * 512)
        await peer.close()
      }
    }))
})
