// SPDX-License-Identifier: Apache-2.0
// Negotiation: a table of offers and answers for every key, then order, repetition and irrelevance.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KEYS, type KeyStage, type TextPair } from '@lunkit/spec'
import { DEFAULT_LIMITS } from '../options.ts'
import { Negotiation } from './negotiate.ts'
import { connectionParametersOf, parametersOf, wishes } from './parameters.ts'

const ours = wishes(DEFAULT_LIMITS)

/** Answers to `key=value` offers of one request; `!` and the reason for a fault. */
function answers(
  offers: readonly string[],
  stage: KeyStage = 'operational',
  by = new Negotiation(ours),
): string[] {
  const pairs: TextPair[] = offers.map(offer => {
    const [key, ...value] = offer.split('=')
    return { key: key!, value: value.join('=') }
  })
  const reply: TextPair[] = []
  const fault = by.answerAll(pairs, stage, reply)
  const words = reply.map(({ key, value }) => `${key}=${value}`)
  return fault === null ? words : [...words, `!${fault.reason}`]
}

// [offer, answer]: an empty answer is none.
const TABLE: readonly (readonly [string, string])[] = [
  ['HeaderDigest=CRC32C,None', 'CRC32C'],
  ['HeaderDigest=None,CRC32C', 'None'],
  ['HeaderDigest=X-mine,CRC32C', 'CRC32C'],
  ['HeaderDigest=X-mine', 'Reject'],
  ['HeaderDigest=', 'Reject'],
  ['DataDigest=CRC32C', 'CRC32C'],
  ['DataDigest=None', 'None'],
  ['MaxConnections=8', '8'],
  ['MaxConnections=9', '8'],
  ['MaxConnections=0', 'Reject'],
  ['InitialR2T=Yes', 'Yes'],
  ['InitialR2T=No', 'No'],
  ['InitialR2T=Maybe', 'Reject'],
  ['ImmediateData=Yes', 'Yes'],
  ['ImmediateData=No', 'No'],
  ['MaxRecvDataSegmentLength=8192', ''],
  ['MaxRecvDataSegmentLength=0x2000', ''],
  ['MaxBurstLength=262144', '262144'],
  ['MaxBurstLength=16776192', '1048576'],
  ['MaxBurstLength=511', 'Reject'],
  ['MaxBurstLength=16777216', 'Reject'],
  ['MaxBurstLength=1e6', 'Reject'],
  ['FirstBurstLength=65536', '65536'],
  ['FirstBurstLength=16776192', '131072'],
  ['FirstBurstLength=0', 'Reject'],
  ['DefaultTime2Wait=0', '0'],
  ['DefaultTime2Wait=5', '5'],
  ['DefaultTime2Wait=3601', 'Reject'],
  ['DefaultTime2Retain=20', '0'],
  ['MaxOutstandingR2T=1', '1'],
  ['MaxOutstandingR2T=64', '16'],
  ['MaxOutstandingR2T=0', 'Reject'],
  ['DataPDUInOrder=No', 'Yes'],
  ['DataPDUInOrder=Yes', 'Yes'],
  ['DataSequenceInOrder=No', 'Yes'],
  ['ErrorRecoveryLevel=2', '2'],
  ['ErrorRecoveryLevel=3', 'Reject'],
  ['TaskReporting=FastAbort,RFC3720', 'RFC3720'],
  ['TaskReporting=FastAbort', 'Reject'],
  ['TaskReporting=FastAbort,ResponseFence,RFC3720', 'ResponseFence'],
  ['iSCSIProtocolLevel=2', '2'],
  ['IFMarker=Yes', 'Reject'],
  ['OFMarker=No', 'Reject'],
  ['IFMarkInt=1~65535', 'Reject'],
  ['OFMarkInt=1~65535', 'Reject'],
  ['X#NodeArchitecture=vax', ''],
  ['X-org.example.odd=1', 'NotUnderstood'],
  ['X#odd=1', 'NotUnderstood'],
  ['NoSuchKey=1', 'NotUnderstood'],
  ['maxburstlength=8192', 'NotUnderstood'],
]

describe('negotiation', () => {
  for (const [offer, answer] of TABLE) {
    test(`${offer} is answered ${answer || 'by nothing'}`, () => {
      const key = offer.split('=')[0]!
      assert.deepEqual(answers([offer]), answer === '' ? [] : [`${key}=${answer}`])
    })
  }

  test('every key that is negotiated in the operational stage is in the table', () => {
    const seen = new Set(TABLE.map(([offer]) => offer.split('=')[0]))
    const missing = KEYS.filter(key => key.kind === 'negotiated' && key.stages.includes('operational'))
      .map(key => key.name)
      .filter(name => !seen.has(name))
    assert.deepEqual(missing, [])
  })

  test('illegal declarations end the negotiation', () => {
    for (const offer of [
      'MaxRecvDataSegmentLength=511',
      'MaxRecvDataSegmentLength=many',
      'InitiatorName=not a name',
      'TargetName=iqn.bad',
      'SessionType=Other',
      'TargetAlias=mine',
      'TargetAddress=1.2.3.4',
      'TargetPortalGroupTag=1',
      'NoSuchKey=NotUnderstood',
      'X-org.example.odd=Reject',
      'X#NodeArchitecture=Irrelevant',
    ]) {
      assert.match(
        answers([offer], 'security')
          .concat(answers([offer]))
          .at(-1)!,
        /^!/,
        offer,
      )
    }
  })

  test('a key in a stage to which it does not belong is a fault in login, and refused after it', () => {
    for (const [offer, stage] of [
      ['MaxBurstLength=8192', 'security'],
      ['MaxRecvDataSegmentLength=8192', 'security'],
      ['SendTargets=All', 'operational'],
      ['AuthMethod=None', 'operational'],
      ['CHAP_N=alice', 'operational'],
    ] as const) {
      assert.match(answers([offer], stage)[0]!, /^!.* is not for the \w+ stage$/, offer)
    }
    for (const offer of ['HeaderDigest=CRC32C', 'AuthMethod=None', 'CHAP_A=5']) {
      assert.deepEqual(answers([offer], 'full-feature'), [`${offer.split('=')[0]}=Reject`])
    }
  })

  test('a key that comes twice is a fault, but a name that is declared again is not', () => {
    const one = new Negotiation(ours)
    const name = 'InitiatorName=iqn.2026-11.test.lunkit:a'
    assert.deepEqual(answers([name], 'security', one), [])
    assert.deepEqual(answers([name], 'operational', one), [])
    assert.match(answers(['InitiatorName=iqn.2026-11.test.lunkit:b'], 'operational', one)[0]!, /twice/)
    const size = new Negotiation(ours)
    assert.deepEqual(answers(['MaxRecvDataSegmentLength=8192'], 'operational', size), [])
    assert.match(answers(['MaxRecvDataSegmentLength=8192'], 'operational', size)[0]!, /twice/)
    const two = new Negotiation(ours)
    assert.equal(answers(['MaxBurstLength=8192'], 'operational', two).length, 1)
    assert.match(answers(['MaxBurstLength=8192'], 'operational', two)[0]!, /^!Key MaxBurstLength came twice/)
  })

  // Requirement: RFC 7143, 6.2/28.
  test('irrelevance follows from what is settled, in whatever order it comes', () => {
    assert.deepEqual(answers(['MaxBurstLength=8192', 'SessionType=Discovery'], 'operational'), [
      'MaxBurstLength=Irrelevant',
    ])
    assert.deepEqual(answers(['FirstBurstLength=8192', 'InitialR2T=Yes', 'ImmediateData=No']), [
      'InitialR2T=Yes',
      'ImmediateData=No',
      'FirstBurstLength=Irrelevant',
    ])
  })

  // Requirement: RFC 7143, 6.2/28.
  test('FirstBurstLength is not above MaxBurstLength, in whatever order they come', () => {
    for (const offers of [
      ['FirstBurstLength=65536', 'MaxBurstLength=8192'],
      ['MaxBurstLength=8192', 'FirstBurstLength=65536'],
    ]) {
      const one = new Negotiation(ours)
      assert.ok(answers(offers, 'operational', one).includes('FirstBurstLength=8192'))
      assert.equal(parametersOf(one).firstBurst, 8192)
    }
    const late = new Negotiation(ours)
    answers(['FirstBurstLength=65536'], 'operational', late)
    answers(['MaxBurstLength=4096'], 'operational', late)
    assert.equal(parametersOf(late).firstBurst, 4096)
  })

  test('a wish that follows from other keys meets their results, in whatever order they come', () => {
    const level2 = { ...ours, ErrorRecoveryLevel: 2 }
    for (const offers of [
      ['MaxOutstandingR2T=8', 'ErrorRecoveryLevel=2'],
      ['ErrorRecoveryLevel=2', 'MaxOutstandingR2T=8'],
    ]) {
      const answer = answers(offers, 'operational', new Negotiation(level2))
      assert.deepEqual(answer.sort(), ['ErrorRecoveryLevel=2', 'MaxOutstandingR2T=1'])
    }
    const plain = answers(
      ['MaxOutstandingR2T=8', 'ErrorRecoveryLevel=0'],
      'operational',
      new Negotiation(level2),
    )
    assert.deepEqual(plain.sort(), ['ErrorRecoveryLevel=0', 'MaxOutstandingR2T=8'])
    const late = new Negotiation(ours)
    answers(['MaxOutstandingR2T=8'], 'operational', late)
    assert.deepEqual(answers(['ErrorRecoveryLevel=2'], 'operational', late), ['ErrorRecoveryLevel=0'])
  })

  test('fences are there for sessions of several connections, too, whichever key comes first', () => {
    for (const offers of [
      ['TaskReporting=ResponseFence,RFC3720', 'MaxConnections=4'],
      ['MaxConnections=4', 'TaskReporting=ResponseFence,RFC3720'],
    ]) {
      assert.deepEqual(answers(offers).sort(), ['MaxConnections=4', 'TaskReporting=ResponseFence'])
    }
  })

  test('TargetName is one, and is for login', () => {
    const one = new Negotiation(ours)
    assert.deepEqual(answers(['TargetName=iqn.2026-11.test.lunkit:a'], 'security', one), [])
    assert.match(answers(['TargetName=iqn.2026-11.test.lunkit:b'], 'security', one)[0]!, /twice/)
    assert.deepEqual(answers(['TargetName=iqn.2026-11.test.lunkit:a'], 'full-feature'), ['TargetName=Reject'])
  })

  test('on a connection that joins a session, what holds for the session cannot be negotiated again', () => {
    const one = new Negotiation(ours)
    one.leading = false
    assert.deepEqual(answers(['MaxBurstLength=8192', 'HeaderDigest=CRC32C'], 'operational', one), [
      'MaxBurstLength=Reject',
      'HeaderDigest=CRC32C',
    ])
    assert.equal(one.settled.has('MaxBurstLength'), false)
  })

  test("without any key the standard's defaults hold", () => {
    assert.deepEqual(connectionParametersOf(new Negotiation(ours)), {
      headerDigest: false,
      dataDigest: false,
      mostData: 8192,
      sendLimit: 8192,
    })
    assert.deepEqual(parametersOf(new Negotiation(ours)), {
      maxConnections: 1,
      errorRecoveryLevel: 0,
      time2Wait: 2,
      time2Retain: 0,
      initialR2T: true,
      immediateData: true,
      firstBurst: 65_536,
      maxBurst: 262_144,
      maxOutstandingR2T: 1,
      protocolLevel: 1,
      scsiFeatures: false,
    })
  })

  test('only whole words of a PDU are sent, whatever the initiator takes', () => {
    const one = new Negotiation(ours)
    answers(['MaxRecvDataSegmentLength=515'], 'operational', one)
    assert.equal(connectionParametersOf(one).sendLimit, 512)
  })
})
