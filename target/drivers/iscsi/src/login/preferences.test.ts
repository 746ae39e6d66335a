// SPDX-License-Identifier: Apache-2.0
// Preferences of a target: what an initiator is answered, and which login is refused for want of digests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOGIN_RESPONSE, LoginStage, LoginStatus } from '@lunkit/spec'
import { TARGET, withBench } from '../../../../../testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf } from '../../../../../testing/kit/raw-peer.ts'
import { type IscsiOptions, settle } from '../options.ts'

const FULL = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const
const portals = [{ host: '127.0.0.1', port: 0 }]

/** Status of one login with these keys, and the target's answers. */
async function login(
  preferences: NonNullable<IscsiOptions['preferences']>,
  keys: Readonly<Record<string, string>>,
  names: Readonly<Record<string, string>> = { TargetName: TARGET },
): Promise<{ status: number; answers: Record<string, string>; failure: string }> {
  const found = { status: -1, answers: {}, failure: '' }
  await withBench({ preferences }, async bench => {
    const peer = await bench.connect()
    const pdu = await peer.loginRound(FULL, { InitiatorName: INITIATOR, ...names, ...keys })
    const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
    found.status = statusClass * 256 + statusDetail
    found.answers = keysOf(pdu)
    found.failure = bench.of('login-failed')[0]?.reason ?? ''
  })
  return found
}

test('unsolicited and immediate data are refused if the target wants none', async () => {
  const { status, answers } = await login(
    { initialR2T: true, immediateData: false },
    { InitialR2T: 'No', ImmediateData: 'Yes', FirstBurstLength: '65536' },
  )
  assert.equal(status, LoginStatus.success)
  assert.equal(answers['InitialR2T'], 'Yes')
  assert.equal(answers['ImmediateData'], 'No')
  assert.equal(answers['FirstBurstLength'], 'Irrelevant')
})

test('a digest that is left out is not chosen', async () => {
  const { status, answers } = await login(
    { headerDigest: ['None'], dataDigest: ['CRC32C'] },
    { HeaderDigest: 'CRC32C,None', DataDigest: 'None,CRC32C' },
  )
  assert.equal(status, LoginStatus.success)
  assert.equal(answers['HeaderDigest'], 'None')
  assert.equal(answers['DataDigest'], 'CRC32C')
})

// Requirement: RFC 7143, List Negotiations: an acceptor that may use none of the options of a list may end the negotiation.
test('a login without the digests that the target insists on is refused, whether they were declined or never named', async () => {
  for (const keys of [{}, { HeaderDigest: 'None', DataDigest: 'None' }] as Record<string, string>[]) {
    const header = await login({ headerDigest: ['CRC32C'] }, keys)
    assert.equal(header.status, LoginStatus.initiatorError)
    assert.match(header.failure, /insists on header digests/)
    const data = await login({ dataDigest: ['CRC32C'] }, keys)
    assert.equal(data.status, LoginStatus.initiatorError)
    assert.match(data.failure, /insists on data digests/)
  }
})

test('discovery may do without digests', async () => {
  const { status, answers } = await login(
    { headerDigest: ['CRC32C'], dataDigest: ['CRC32C'] },
    { HeaderDigest: 'None', DataDigest: 'None' },
    { SessionType: 'Discovery' },
  )
  assert.equal(status, LoginStatus.success)
  assert.equal(answers['HeaderDigest'], 'None')
})

test('unknown digests and empty lists are refused before anything listens', () => {
  const odd = ['CRC64'] as unknown as ['None']
  for (const preferences of [{ headerDigest: odd }, { dataDigest: [] }]) {
    assert.throws(() => settle({ portals, preferences }, () => undefined), { code: 'DIGEST' })
  }
})

test('FirstBurstLength follows a MaxBurstLength that is smaller, if it is not given', () => {
  const { limits } = settle({ portals, limits: { maxBurst: 512 } }, () => undefined)
  assert.equal(limits.firstBurst, 512)
})
