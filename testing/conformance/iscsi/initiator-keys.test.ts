// SPDX-License-Identifier: Apache-2.0
// The initiator and each operational key: what an answer makes of an offer, and what is in force then.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { buildCdb } from '@lunkit/initiator-core'
import { openSession, type SessionEvent, type SessionOptions } from '@lunkit/initiator-driver-iscsi'
import {
  BHS,
  BHS_LENGTH,
  crc32c,
  LOGIN_REQUEST,
  LoginStage,
  Opcode,
  READ_10,
  TEST_UNIT_READY,
  WRITE_10,
  writeDigest,
} from '@lunkit/spec'
import { pairsOf, ScriptedTarget } from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const ready = { lun: 0, cdb: READY }

interface Case {
  readonly options?: SessionOptions
  readonly offer: string
  /** Answers that are taken, with what is in force then; an empty answer says nothing. */
  readonly taken: Readonly<Record<string, string>>
  readonly refused: readonly string[]
}

const CASES: readonly (readonly [key: string, rules: Case])[] = [
  // Requirement: RFC 7143, 13.2/2.
  [
    'MaxConnections',
    {
      options: { connections: 4 },
      offer: '4',
      taken: { 4: '4', 2: '2', '': '1' },
      refused: ['5', '0', '2~4'],
    },
  ],
  // Requirement: RFC 7143, 13.10/3.
  [
    'InitialR2T',
    {
      offer: 'No',
      taken: { Yes: 'Yes', No: 'No', '': 'Yes' },
      refused: ['yes', '1', ''.padEnd(256, 'Y')],
    },
  ],
  // Requirement: RFC 7143, 13.11/4.
  ['ImmediateData', { offer: 'Yes', taken: { Yes: 'Yes', No: 'No', '': 'Yes' }, refused: ['no', 'None'] }],
  // Requirement: RFC 7143, 13.13/3.
  [
    'MaxBurstLength',
    {
      options: { maxBurstLength: 65_536 },
      offer: '65536',
      taken: { 65536: '65536', 512: '512', '0x1000': '4096' },
      refused: ['65537', '511', '-1', '1e3'],
    },
  ],
  // Requirement: RFC 7143, 13.14/4.
  [
    'FirstBurstLength',
    {
      options: { firstBurstLength: 4096 },
      offer: '4096',
      taken: { 4096: '4096', 512: '512' },
      refused: ['4097', '511'],
    },
  ],
  // Requirement: RFC 7143, 13.15/2.
  [
    'DefaultTime2Wait',
    {
      options: { time2Wait: 3 },
      offer: '3',
      taken: { 3: '3', 3600: '3600' },
      refused: ['2', '3601'],
    },
  ],
  // Requirement: RFC 7143, 13.16/2.
  [
    'DefaultTime2Retain',
    {
      options: { time2Retain: 9 },
      offer: '9',
      taken: { 9: '9', 0: '0' },
      refused: ['10', '3601'],
    },
  ],
  // Requirement: RFC 7143, 13.17/5.
  [
    'MaxOutstandingR2T',
    {
      options: { maxOutstandingR2T: 8 },
      offer: '8',
      taken: { 8: '8', 1: '1' },
      refused: ['9', '0'],
    },
  ],
  // Requirement: RFC 7143, 13.18/3.
  ['DataPDUInOrder', { offer: 'Yes', taken: { Yes: 'Yes', '': 'Yes' }, refused: ['No'] }],
  // Requirement: RFC 7143, 13.19/4.
  ['DataSequenceInOrder', { offer: 'Yes', taken: { Yes: 'Yes', '': 'Yes' }, refused: ['No'] }],
  // Requirement: RFC 7143, 13.20/2 and 7.1.5/3.
  [
    'ErrorRecoveryLevel',
    {
      options: { errorRecoveryLevel: 1 },
      offer: '1',
      taken: { 1: '1', 0: '0', '': '0' },
      refused: ['2', '3'],
    },
  ],
  // Requirement: RFC 7143, 13.1/5.
  [
    'HeaderDigest',
    {
      options: { headerDigest: 'prefer' },
      offer: 'CRC32C,None',
      taken: { CRC32C: 'CRC32C', None: 'None', '': 'None' },
      refused: ['CRC32', 'CRC32C,None', 'Y-other'],
    },
  ],
  // Requirement: RFC 7143, 13.1/5.
  [
    'DataDigest',
    {
      options: { dataDigest: 'refuse' },
      offer: 'None',
      taken: { None: 'None' },
      refused: ['CRC32C'],
    },
  ],
]

describe('each key is settled by its rule', () => {
  for (const [key, { options = {}, offer, taken, refused }] of CASES) {
    test(key, async () => {
      for (const [answer, value] of Object.entries(taken)) {
        await using target = await ScriptedTarget.logsIn(() => {}, answer === '' ? {} : { [key]: answer })
        await using session = await openSession({ ...target.options, ...options })
        assert.equal(session.settings.keys.get(key), value, answer)
        const offers = new Map(target.heard.flatMap(pdu => [...pairsOf(pdu)]))
        assert.equal(offers.get(key), offer)
      }
      for (const answer of refused) {
        await using target = await ScriptedTarget.logsIn(() => {}, { [key]: answer })
        await assert.rejects(openSession({ ...target.options, ...options }), /target/i, answer)
      }
    })
  }

  // Requirement: RFC 7143, 13.14/5.
  test('FirstBurstLength is never above MaxBurstLength, whatever was answered and in which order', async () => {
    for (const keys of [
      { MaxBurstLength: '1024', FirstBurstLength: '4096' },
      { FirstBurstLength: '4096', MaxBurstLength: '1024' },
    ]) {
      await using target = await ScriptedTarget.logsIn(() => {}, keys)
      await using session = await openSession(target.options)
      assert.equal(session.settings.firstBurstLength, 1024)
      const offers = new Map(target.heard.flatMap(pdu => [...pairsOf(pdu)]))
      assert.ok(Number(offers.get('FirstBurstLength')) <= Number(offers.get('MaxBurstLength')))
    }
  })

  // Requirement: RFC 7143, 13.17/6.
  test('above level 0 one R2T at a time is wished for', async () => {
    await using target = await ScriptedTarget.logsIn(() => {})
    await using _ = await openSession({ ...target.options, errorRecoveryLevel: 1, maxOutstandingR2T: 8 })
    const offers = new Map(target.heard.flatMap(pdu => [...pairsOf(pdu)]))
    assert.equal(offers.get('MaxOutstandingR2T'), '1')
  })

  // Requirement: RFC 7143, 13.23/3 and 13.24/3 and 13.25/4.
  test('what only targets bring up: task reporting as in the first edition, level 1, no markers', async () => {
    const offers = {
      TaskReporting: 'FastAbort,ResponseFence,RFC3720',
      iSCSIProtocolLevel: '31',
      IFMarker: 'Yes',
      OFMarkInt: '1~2',
    }
    const answers = new Map<string, string>()
    let asked = false
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode !== Opcode.loginRequest) return void peer.courtesy(pdu)
      if (LOGIN_REQUEST.field.csg.get(pdu.header, 0) === LoginStage.security) return peer.login(pdu)
      if (asked) for (const [key, value] of pairsOf(pdu)) answers.set(key, value)
      peer.login(pdu, asked ? {} : offers, asked ? {} : { transit: 0, nsg: 0 })
      peer.loggedIn = asked
      asked = true
    })
    await using session = await openSession(target.options)
    assert.deepEqual(Object.fromEntries(answers), {
      TaskReporting: 'RFC3720',
      iSCSIProtocolLevel: '1',
      IFMarker: 'Reject',
      OFMarkInt: 'Reject',
    })
    assert.equal(session.settings.keys.get('TaskReporting'), 'RFC3720')
  })
})

describe('where keys belong', () => {
  // Requirement: RFC 7143, 13/1.
  test('what holds for the session is not taken from another connection than the first', async () => {
    for (const [key, value] of [
      ['MaxBurstLength', '1024'],
      ['TaskReporting', 'RFC3720'],
    ] as const) {
      await using target = await ScriptedTarget.start((pdu, peer) => {
        if (pdu.opcode !== Opcode.loginRequest) return void (peer.courtesy(pdu) || peer.respond(pdu))
        const { csg, tsih } = LOGIN_REQUEST.read(pdu.header)
        if (csg !== LoginStage.operational || tsih === 0) return peer.login(pdu, { MaxConnections: '2' })
        // As on a first connection, though this is none.
        peer.login({ ...pdu, header: withoutTsih(pdu.header) }, { [key]: value }, { transit: 0, nsg: 0 })
      })
      const refused: SessionEvent[] = []
      const onEvent = (event: SessionEvent): void =>
        void (event.type === 'connection-refused' && refused.push(event))
      await using session = await openSession({ ...target.options, connections: 2, onEvent })
      assert.equal(session.connections.length, 1)
      assert.match(
        String(refused.map(event => (event as { error?: Error }).error?.message)),
        new RegExp(`${key}, which belongs to the first connection`),
      )
      assert.equal((await session.execute(ready)).status, 0)
    }
  })

  // Requirement: RFC 7143, 4.2.8/1.
  test('each session and each connection begins with what it settles itself', async () => {
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode !== Opcode.loginRequest) return void (peer.courtesy(pdu) || peer.respond(pdu))
      const limit = { MaxRecvDataSegmentLength: String(512 * peer.number) }
      if (peer.number === 3) peer.login(pdu)
      else peer.login(pdu, { MaxConnections: '2', MaxBurstLength: '1024', ...limit })
    })
    await using session = await openSession({ ...target.options, connections: 2 })
    const own = session.connections.map(({ settings }) => [
      settings.maxSendDataLength,
      settings.maxBurstLength,
      settings.tsih,
    ])
    assert.deepEqual(own, [
      [512, 1024, 7],
      [1024, 1024, 7],
    ])
    await using fresh = await openSession(target.options)
    const { maxSendDataLength, maxBurstLength } = fresh.settings
    assert.deepEqual([maxSendDataLength, maxBurstLength], [8192, 262_144])
  })

  // Requirement: RFC 7143, 13.26/3 and 13.9/2.
  test('nothing depends on X#NodeArchitecture, and zero is a tag of a portal group', async () => {
    const settings: unknown[] = []
    for (const told of [
      {},
      { 'X#NodeArchitecture': 'any/1,thing' },
      { 'X#NodeArchitecture': 'NotUnderstood' },
    ]) {
      for (const stage of [LoginStage.security, LoginStage.operational]) {
        await using target = await ScriptedTarget.start((pdu, peer) => {
          if (pdu.opcode !== Opcode.loginRequest) return void (peer.courtesy(pdu) || peer.respond(pdu))
          const { csg } = LOGIN_REQUEST.read(pdu.header)
          const keys: Record<string, string> = csg === stage ? { ...told } : {}
          if (csg === LoginStage.security) keys['TargetPortalGroupTag'] = '0'
          const { transit, nsg, isid } = LOGIN_REQUEST.read(pdu.header)
          const text = Object.entries(keys).map(([key, value]) => `${key}=${value}\0`)
          peer.answerLogin(pdu, { transit, csg, nsg, isid, tsih: 7 }, Buffer.from(text.join('')))
        })
        await using session = await openSession(target.options)
        assert.equal((await session.execute(ready)).status, 0)
        assert.equal(session.settings.keys.get('TargetPortalGroupTag'), '0')
        const { keys, ...plain } = session.settings
        settings.push(plain)
      }
    }
    for (const one of settings) assert.deepEqual(one, settings[0])
  })
})

/** The header of a request of a first connection, made from one of another. */
function withoutTsih(header: Buffer): Buffer {
  const copy = Buffer.from(header)
  LOGIN_REQUEST.field.tsih.set(copy, 0, 0)
  return copy
}

// Requirement: RFC 7143, 13.1/6.
test('with CRC32C every PDU after login has its digests, padding included, and none is taken without', async () => {
  const raw: Buffer[] = []
  await using target = await ScriptedTarget.logsIn(
    (pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) for (let i = peer.headerDigest; i <= 4; i += 4) peer.respond(pdu)
    },
    { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C', InitialR2T: 'No', MaxRecvDataSegmentLength: '512' },
  )
  const options = { ...target.options, headerDigest: 'prefer', dataDigest: 'prefer' } as const
  await using session = await openSession(options)
  target.peers[0]!.socket.on('data', chunk => raw.push(chunk))
  await session.execute(ready)
  const cdb = buildCdb(WRITE_10, { lba: 0, blocks: 2 })
  await session.execute({
    lun: 0,
    cdb,
    dataOut: Buffer.from(Array.from({ length: 1021 }, (_, i) => i % 251)),
  })
  await session.ping()
  const rest = Buffer.concat(raw)
  const digest = Buffer.alloc(4)
  let pdus = 0
  for (let at = 0; at < rest.length; pdus++) {
    const length = BHS.field.dataSegmentLength.get(rest, at)
    writeDigest(digest, 0, crc32c(rest, at, at + BHS_LENGTH))
    at += BHS_LENGTH
    assert.ok(rest.subarray(at, at + 4).equals(digest))
    at += 4
    if (length === 0) continue
    const padded = (length + 3) & ~3
    writeDigest(digest, 0, crc32c(rest, at, at + padded))
    at += padded
    assert.ok(rest.subarray(at, at + 4).equals(digest))
    at += 4
  }
  assert.equal(pdus, 4)
  // From here on the target leaves its digests out: what follows stands in their place.
  target.peers[0]!.headerDigest = 0
  await assert.rejects(
    session.execute({ lun: 0, cdb: buildCdb(READ_10, { lba: 0, blocks: 1 }), expectedIn: 512 }),
  )
})
