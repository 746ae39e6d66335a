// SPDX-License-Identifier: Apache-2.0
// Negotiation: results by rule, offers of the target's answered, breaches refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeyValue } from '@lunkit/spec'
import { Negotiation, type Wishes } from './negotiate.ts'

const NORMAL = { SessionType: 'Normal' }
const one = (key: string, wish: string): Negotiation => {
  const negotiation = new Negotiation({ [key]: wish }, NORMAL)
  assert.deepEqual(negotiation.offers(), [{ key, value: wish }])
  return negotiation
}

const AGREED: readonly (readonly [key: string, offer: string, answer: string, value: KeyValue])[] = [
  ['ImmediateData', 'Yes', 'Yes', true],
  ['ImmediateData', 'Yes', 'No', false],
  ['ImmediateData', 'No', 'No', false],
  ['InitialR2T', 'No', 'No', false],
  ['InitialR2T', 'No', 'Yes', true],
  ['InitialR2T', 'Yes', 'Yes', true],
  ['MaxBurstLength', '1048576', '262144', 262_144],
  ['MaxBurstLength', '262144', '0x40000', 262_144],
  ['DefaultTime2Wait', '2', '5', 5],
  ['HeaderDigest', 'CRC32C,None', 'None', 'None'],
  ['HeaderDigest', 'None,CRC32C', 'CRC32C', 'CRC32C'],
  ['MaxOutstandingR2T', '4', 'Irrelevant', 1],
  ['TaskReporting', 'ResponseFence,RFC3720', 'NotUnderstood', 'RFC3720'],
  ['MaxConnections', '1', 'Reject', 1],
  ['HeaderDigest', 'None,CRC32C', 'Reject', 'None'],
]
for (const [key, offer, answer, value] of AGREED) {
  // Requirement: RFC 7143, 6.2/20 and 6.2.2/2.
  test(`${key}: ${offer} answered with ${answer} is ${value}`, () => {
    const negotiation = one(key, offer)
    negotiation.receive({ key, value: answer })
    assert.equal(negotiation.value(key), value)
    assert.deepEqual(negotiation.answers(), [])
  })
}

const BREACHES: readonly (readonly [key: string, offer: string, answer: string])[] = [
  ['ImmediateData', 'Yes', 'yes'],
  ['MaxBurstLength', '262144', '262145'],
  ['MaxBurstLength', '262144', '511'],
  ['MaxBurstLength', '262144', '99999999999999999999'],
  ['MaxBurstLength', '262144', ''],
  ['DefaultTime2Wait', '5', '2'],
  ['ErrorRecoveryLevel', '0', '1'],
  ['MaxBurstLength', '262144', '1~2'],
  ['MaxBurstLength', '262144', 'NotUnderstood'],
  ['ImmediateData', 'Yes', 'NotUnderstood'],
  ['ImmediateData', 'Yes', 'None'],
  ['ImmediateData', 'No', 'Yes'],
  ['InitialR2T', 'Yes', 'No'],
  ['DataPDUInOrder', 'Yes', 'No'],
]
for (const [key, offer, answer] of BREACHES) {
  // Requirement: RFC 7143, 6.2/17 and 6.2.2/2.
  test(`${key}: ${offer} answered with '${answer}' is a breach`, () => {
    assert.throws(() => one(key, offer).receive({ key, value: answer }), { code: 'LOGIN_PROTOCOL' })
  })
}

// Requirement: RFC 7143, 6.2/17.
test('a list answered with what was not offered is refused by name', () => {
  assert.throws(() => one('DataDigest', 'CRC32C').receive({ key: 'DataDigest', value: 'None' }), {
    code: 'LOGIN_REFUSED',
    message: 'The target does not agree to DataDigest=CRC32C',
  })
})

test('a key that is never answered has its default', () => {
  assert.equal(one('MaxBurstLength', '1048576').value('MaxBurstLength'), 262_144)
  assert.equal(one('InitialR2T', 'No').value('InitialR2T'), true)
})

const MET: readonly (readonly [wishes: Wishes, offer: readonly [string, string], answer: string])[] = [
  [{}, ['MaxBurstLength', '65536'], '65536'],
  [{}, ['MaxBurstLength', '524288'], '262144'],
  [{ MaxBurstLength: '524288' }, ['MaxBurstLength', '1048576'], '524288'],
  [{}, ['MaxBurstLength', '1'], 'Reject'],
  [{}, ['DefaultTime2Wait', '7'], '7'],
  [{}, ['InitialR2T', 'No'], 'Yes'],
  [{ InitialR2T: 'No' }, ['InitialR2T', 'No'], 'No'],
  [{ HeaderDigest: 'None' }, ['HeaderDigest', 'CRC32C,None'], 'None'],
  [{ HeaderDigest: 'CRC32C' }, ['HeaderDigest', 'None'], 'Reject'],
  [{ HeaderDigest: 'CRC32C,None' }, ['HeaderDigest', 'X-other,None,CRC32C'], 'None'],
  [{}, ['ImmediateData', 'Maybe'], 'Reject'],
  [{}, ['TaskReporting', 'FastAbort,ResponseFence,RFC3720'], 'RFC3720'],
  [{}, ['TaskReporting', 'FastAbort'], 'Reject'],
  [{}, ['iSCSIProtocolLevel', '2'], '1'],
  [{}, ['OFMarker', 'Yes'], 'Reject'],
  [{}, ['IFMarkInt', '1~2'], 'Reject'],
  [{}, ['OFMarkInt', '1~2'], 'Reject'],
  [{}, ['IFMarker', 'Yes'], 'Reject'],
  [{}, ['X-org.example.thing', '1'], 'NotUnderstood'],
  [{}, ['Nonsense', '1'], 'NotUnderstood'],
]
for (const [wishes, [key, value], answer] of MET) {
  // Requirement: RFC 7143, 6.2/19 and 6.2/21 and 11.12/14.
  test(`${key}=${value} from the target is answered with ${answer}`, () => {
    const negotiation = new Negotiation(wishes, NORMAL)
    negotiation.receive({ key, value })
    assert.equal(negotiation.owes, true)
    assert.deepEqual(negotiation.answers(), [{ key, value: answer }])
    assert.equal(negotiation.owes, false)
  })
}

test('no key is negotiated twice', () => {
  const negotiation = one('MaxBurstLength', '262144')
  negotiation.receive({ key: 'MaxBurstLength', value: '1024' })
  assert.throws(() => negotiation.receive({ key: 'MaxBurstLength', value: '512' }), {
    code: 'LOGIN_PROTOCOL',
  })
})

test('declared values are taken in their range only, and from whom they may come', () => {
  const negotiation = new Negotiation({ MaxRecvDataSegmentLength: '65536' }, NORMAL)
  assert.equal(negotiation.value('MaxRecvDataSegmentLength'), 8192)
  negotiation.receive({ key: 'MaxRecvDataSegmentLength', value: '131072' })
  assert.equal(negotiation.value('MaxRecvDataSegmentLength'), 131_072)
  for (const [key, value] of [
    ['MaxRecvDataSegmentLength', '0'],
    ['MaxRecvDataSegmentLength', '16777216'],
    ['TargetPortalGroupTag', '65536'],
    ['InitiatorName', 'iqn.2000-01.org.example:x'],
  ] as const) {
    assert.throws(() => negotiation.receive({ key, value }), { code: 'LOGIN_PROTOCOL' }, `${key}=${value}`)
  }
})

test('what is irrelevant in discovery is not offered, and answered so', () => {
  const negotiation = new Negotiation(
    { InitialR2T: 'No', HeaderDigest: 'None' },
    { SessionType: 'Discovery' },
  )
  assert.deepEqual(negotiation.offers(), [{ key: 'HeaderDigest', value: 'None' }])
  negotiation.receive({ key: 'MaxOutstandingR2T', value: '8' })
  assert.deepEqual(negotiation.answers(), [{ key: 'MaxOutstandingR2T', value: 'Irrelevant' }])
})
