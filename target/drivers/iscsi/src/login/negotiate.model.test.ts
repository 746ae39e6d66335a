// SPDX-License-Identifier: Apache-2.0
// Negotiation against a model: the answers to any set of keys follow from the set alone, not from its order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEYS, type TextPair } from '@lunkit/spec'
import fc from 'fast-check'
import { DEFAULT_LIMITS } from '../options.ts'
import { Negotiation } from './negotiate.ts'
import { wishes } from './parameters.ts'

const RECOVERY = 2
const RETAIN = 20
const limits = {
  ...DEFAULT_LIMITS,
  maxConnections: 8,
  maxOutstandingR2T: 16,
  errorRecoveryLevel: RECOVERY,
  time2RetainSeconds: RETAIN,
}
const ours = wishes(limits)

const yesNo = fc.constantFrom('Yes', 'No', 'yes', '')
const number = (min: number, max: number) =>
  fc.oneof(fc.integer({ min, max }), fc.integer({ min: 0, max: max * 2 }), fc.constant(min - 1)).map(String)
const list = (...items: string[]) =>
  fc.array(fc.constantFrom(...items, 'X-org.example.mine'), { maxLength: 4 }).map(all => all.join(','))

/** Values that an initiator may offer, good and bad. */
const OFFERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  HeaderDigest: list('CRC32C', 'None'),
  DataDigest: list('CRC32C', 'None'),
  MaxConnections: number(1, 65_535),
  InitialR2T: yesNo,
  ImmediateData: yesNo,
  MaxBurstLength: number(512, 16_777_215),
  FirstBurstLength: number(512, 16_777_215),
  DefaultTime2Wait: number(0, 3600),
  DefaultTime2Retain: number(0, 3600),
  MaxOutstandingR2T: number(1, 65_535),
  DataPDUInOrder: yesNo,
  DataSequenceInOrder: yesNo,
  ErrorRecoveryLevel: number(0, 2),
  TaskReporting: list('RFC3720', 'ResponseFence', 'FastAbort'),
  iSCSIProtocolLevel: number(0, 31),
  OFMarker: yesNo,
  IFMarker: yesNo,
  OFMarkInt: fc.constantFrom('1~65535', '2048'),
  IFMarkInt: fc.constantFrom('1~65535', '2048'),
  'X-org.example.odd': fc.constant('1'),
}

// ---- The model: written from RFC 7143, section 13, key by key, and knowing nothing of rows ----

type Offers = Readonly<Record<string, string>>

function within(text: string | undefined, min: number, max: number): number | null {
  if (text === undefined || !/^\d+$/.test(text)) return null
  const value = Number(text)
  return value >= min && value <= max ? value : null
}

function model(offers: Offers): Record<string, string> {
  const answers: Record<string, string> = {}
  const give = (key: string, value: string | number | null): void => {
    if (offers[key] !== undefined) answers[key] = value === null ? 'Reject' : String(value)
  }
  const lower = (key: string, min: number, max: number, most: number): number | null => {
    const offer = within(offers[key], min, max)
    return offer === null ? null : Math.min(offer, most)
  }
  const or = (key: string, own: boolean): string | null =>
    offers[key] === 'Yes' ? 'Yes' : offers[key] === 'No' ? (own ? 'Yes' : 'No') : null
  const first = (key: string, taken: readonly string[]): string | null =>
    (offers[key] ?? '').split(',').find(one => taken.includes(one)) ?? null

  for (const key of ['HeaderDigest', 'DataDigest']) give(key, first(key, ['CRC32C', 'None']))
  give('MaxConnections', lower('MaxConnections', 1, 65_535, 8))
  const initialR2T = or('InitialR2T', false)
  give('InitialR2T', initialR2T)
  const immediate = offers['ImmediateData'] === 'Yes' || offers['ImmediateData'] === 'No'
  give('ImmediateData', immediate ? offers['ImmediateData']! : null)
  const burst = lower('MaxBurstLength', 512, 16_777_215, limits.maxBurst)
  give('MaxBurstLength', burst)
  const nothingUnasked = initialR2T !== 'No' && offers['ImmediateData'] === 'No'
  const firstBurst = lower('FirstBurstLength', 512, 16_777_215, Math.min(limits.firstBurst, burst ?? 262_144))
  give('FirstBurstLength', nothingUnasked ? 'Irrelevant' : firstBurst)
  // The higher value wins, and the target's is 0.
  give('DefaultTime2Wait', within(offers['DefaultTime2Wait'], 0, 3600))
  const level = lower('ErrorRecoveryLevel', 0, 2, RECOVERY)
  give('DefaultTime2Retain', lower('DefaultTime2Retain', 0, 3600, level === 2 ? RETAIN : 0))
  give('ErrorRecoveryLevel', level)
  for (const key of ['DataPDUInOrder', 'DataSequenceInOrder']) give(key, or(key, true))
  give('MaxOutstandingR2T', lower('MaxOutstandingR2T', 1, 65_535, (level ?? 0) > 0 ? 1 : 16))
  give('TaskReporting', first('TaskReporting', ['ResponseFence', 'RFC3720']))
  give('iSCSIProtocolLevel', lower('iSCSIProtocolLevel', 0, 31, 2))
  for (const key of ['OFMarker', 'IFMarker', 'OFMarkInt', 'IFMarkInt']) give(key, 'Reject')
  if (offers['X-org.example.odd'] === '1') answers['X-org.example.odd'] = 'NotUnderstood'
  return answers
}

const offersOf = fc
  .subarray(Object.keys(OFFERS))
  .chain(names => fc.record(Object.fromEntries(names.map(name => [name, OFFERS[name]!]))))

const answersTo = (pairs: readonly TextPair[]): Record<string, string> => {
  const into: TextPair[] = []
  assert.equal(new Negotiation(ours).answerAll(pairs, 'operational', into), null)
  assert.equal(new Set(into.map(({ key }) => key)).size, into.length, 'a key was answered twice')
  return Object.fromEntries(into.map(({ key, value }) => [key, value]))
}

test('the model knows every key that is negotiated in the operational stage', () => {
  for (const { name, kind, stages } of KEYS) {
    if (kind === 'negotiated' && stages.includes('operational')) assert.ok(name in OFFERS, name)
  }
})

// Requirement: RFC 7143, 6.2: the result of a negotiation does not depend on the order of the keys in the text.
test('any keys in any order get the answers of the model', () => {
  fc.assert(
    fc.property(
      offersOf.chain(offers => {
        const pairs = Object.entries(offers).map(([key, value]) => ({ key, value: value as string }))
        return fc.tuple(
          fc.constant(offers as Offers),
          fc.shuffledSubarray(pairs, { minLength: pairs.length, maxLength: pairs.length }),
        )
      }),
      ([offers, pairs]) => assert.deepEqual(answersTo(pairs), model(offers)),
    ),
    { numRuns: 2000 },
  )
})

test('a key that comes again in a later request is a fault, whatever came before', () => {
  fc.assert(
    fc.property(offersOf, fc.nat(), (offers, which) => {
      const pairs = Object.entries(offers).map(([key, value]) => ({ key, value: value as string }))
      fc.pre(pairs.length > 0)
      const negotiation = new Negotiation(ours)
      assert.equal(negotiation.answerAll(pairs, 'operational', []), null)
      const again = pairs[which % pairs.length]!
      const fault = negotiation.answerAll([again], 'operational', [])
      assert.equal(fault?.key, again.key)
    }),
  )
})
