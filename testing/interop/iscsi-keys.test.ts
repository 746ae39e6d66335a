// SPDX-License-Identifier: Apache-2.0
// Keys of login as an operator sets them, on the command line and in a program: what initiators are answered then.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoginStage } from '@lunkit/spec'
import { createTarget, type IscsiKeys, memory } from 'lunkit/target'
import { INITIATOR, keysOf, RawPeer } from '../kit/raw-peer.ts'
import { serve } from '../kit/serve-process.ts'

/** The target's answers to an initiator that wants as much as it can get. */
async function answersOf(url: string): Promise<Record<string, string>> {
  const [, port, name] = /^iscsi:\/\/127\.0\.0\.1:(\d+)\/([^/]+)\//.exec(url)!
  const peer = await RawPeer.connect(Number(port))
  try {
    const fields = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const
    const most = { MaxBurstLength: '16777215', FirstBurstLength: '16777215', MaxOutstandingR2T: '64' }
    const recovery = { ErrorRecoveryLevel: '2', DefaultTime2Retain: '3600' }
    const free = { InitialR2T: 'No', ImmediateData: 'Yes', HeaderDigest: 'None,CRC32C', MaxConnections: '64' }
    const names = { InitiatorName: INITIATOR, TargetName: name! }
    return keysOf(await peer.loginRound(fields, { ...names, ...most, ...recovery, ...free }))
  } finally {
    await peer.close()
  }
}

const KEYS = {
  MaxBurstLength: '64K',
  FirstBurstLength: '32K',
  MaxRecvDataSegmentLength: '16K',
  MaxOutstandingR2T: 2,
  MaxConnections: 3,
  ErrorRecoveryLevel: 0,
  InitialR2T: true,
  ImmediateData: true,
  HeaderDigest: 'CRC32C',
} as const
const ANSWERS = {
  MaxBurstLength: '65536',
  FirstBurstLength: '32768',
  MaxRecvDataSegmentLength: '16384',
  MaxOutstandingR2T: '2',
  MaxConnections: '3',
  ErrorRecoveryLevel: '0',
  InitialR2T: 'Yes',
  ImmediateData: 'Yes',
  HeaderDigest: 'CRC32C',
}

test('lunkit serve --iscsi decides what a login ends with', async () => {
  const words = Object.entries(KEYS).flatMap(([name, value]) => ['--iscsi', `${name}=${value}`])
  const target = await serve(['memory:1M', ...words])
  try {
    const answers = await answersOf(target.ready.luns[0]!.url)
    for (const [name, value] of Object.entries(ANSWERS)) assert.equal(answers[name], value, name)
  } finally {
    assert.equal(await target.stop(), 0)
  }
})

test('a program decides the same, and without a word there are the defaults', async () => {
  await using target = await createTarget({ luns: [memory('1M')], iscsi: KEYS })
  const answers = await answersOf(target.url)
  for (const [name, value] of Object.entries(ANSWERS)) assert.equal(answers[name], value, name)
  await using plain = await createTarget({ luns: [memory('1M')] })
  const defaults = await answersOf(plain.url)
  assert.equal(defaults['MaxBurstLength'], '1048576')
  assert.equal(defaults['InitialR2T'], 'No')
  assert.equal(defaults['HeaderDigest'], 'None')
  await using short = await createTarget({ luns: [memory('1M')], iscsi: { DefaultTime2Retain: 5 } })
  assert.equal((await answersOf(short.url))['DefaultTime2Retain'], '5')
})

const WRONG: readonly (readonly [IscsiKeys, string, RegExp])[] = [
  [{ MaxBurst: 5 } as IscsiKeys, 'PARAMETER_UNKNOWN', /MaxBurst.*MaxBurstLength/],
  [{ MaxBurstLength: '16M' }, 'ISCSI_VALUE', /MaxBurstLength.*512 to 16777215/],
  [{ FirstBurstLength: '2M' }, 'ISCSI_VALUE', /FirstBurstLength.*512 to 1048576/],
  [{ MaxRecvDataSegmentLength: 100 }, 'ISCSI_VALUE', /512 to/],
  [{ MaxOutstandingR2T: 256 }, 'ISCSI_VALUE', /1 to 255/],
  [{ ErrorRecoveryLevel: 3 }, 'ISCSI_VALUE', /0 to 2/],
  [{ MaxConnections: 0 }, 'ISCSI_VALUE', /1 to 64/],
  [{ HeaderDigest: 'MD5' }, 'ISCSI_VALUE', /HeaderDigest.*CRC32C,None/],
  [{ DataDigest: '' }, 'ISCSI_VALUE', /DataDigest.*CRC32C,None/],
  [{ ImmediateData: 'perhaps' as unknown as boolean }, 'PARAMETER_VALUE', /ImmediateData.*yes or no/],
]

test('values that cannot be are refused before anything listens, in words', async () => {
  for (const [iscsi, code, words] of WRONG) {
    await assert.rejects(createTarget({ luns: [memory('1M')], iscsi }), (error: unknown) => {
      const { code: got, message, hint } = error as { code: string; message: string; hint: string }
      assert.equal(got, code)
      assert.match(`${message} ${hint}`, words)
      return true
    })
  }
  await assert.rejects(serve(['memory:1M', '--iscsi', 'InitialR2T']), /ended with 2 .*no key=value/)
})
