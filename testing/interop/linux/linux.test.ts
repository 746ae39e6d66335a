// SPDX-License-Identifier: Apache-2.0
// The Linux kernel's own initiator against a served target: file systems, CHAP, digests, broken connections.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { endsWell, folderFor, relayed, serving, succeeds } from './guest-target.ts'
import { noGuest } from './skip.ts'

const secret = 'the-initiators-secret'
const mutualSecret = 'the-targets-own-secret'

/** Where the secrets are, and a disk for `lunkit serve`. */
function files(t: TestContext) {
  const path = folderFor(t)
  const secretFile = join(path, 'secret')
  const mutualSecretFile = join(path, 'mutual-secret')
  writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 })
  writeFileSync(mutualSecretFile, `${mutualSecret}\n`, { mode: 0o600 })
  return { disk: `${join(path, 'disk.img')},size=512M`, secretFile, mutualSecretFile }
}

test('Linux makes a file system, fills it and finds it whole after logout and login', async t => {
  if (noGuest(t)) return
  const target = await serving(t, files(t).disk)
  await succeeds(t, target, 'filesystem.sh', { env: { MIB: '200' } })
  await endsWell(target)
})

test('Linux logs in with one-way CHAP by every algorithm, and not with a wrong password', async t => {
  if (noGuest(t)) return
  const { disk, secretFile } = files(t)
  const target = await serving(t, disk, '--chap-user', 'alice', '--chap-secret-file', secretFile)
  const env = {
    CHAP_USER: 'alice',
    CHAP_SECRET: secret,
    ALGORITHMS: 'MD5 SHA1 SHA256 SHA3-256',
    SETTINGS: 'node.session.iscsi.ImmediateData=No node.session.iscsi.InitialR2T=Yes',
    MIB: '16',
  }
  await succeeds(t, target, 'chap.sh', { env })
  await endsWell(target)
})

test('Linux uses a disk with mutual CHAP and both digests, and refuses another target', async t => {
  if (noGuest(t)) return
  const { disk, secretFile, mutualSecretFile } = files(t)
  const chap = ['--chap-user', 'alice', '--chap-secret-file', secretFile]
  const mutual = ['--mutual-user', 'target', '--mutual-secret-file', mutualSecretFile]
  const target = await serving(t, disk, ...chap, ...mutual)
  const env = {
    CHAP_USER: 'alice',
    CHAP_SECRET: secret,
    MUTUAL_USER: 'target',
    MUTUAL_SECRET: mutualSecret,
    SETTINGS: 'node.conn[0].iscsi.HeaderDigest=CRC32C node.conn[0].iscsi.DataDigest=CRC32C',
    DIGEST: 'CRC32C',
    MIB: '64',
  }
  await succeeds(t, target, 'chap.sh', { env })
  await endsWell(target)
})

test('Linux loses nothing when connections break, fall silent or the target is killed during writes', async t => {
  if (noGuest(t)) return
  const { disk } = files(t)
  const behind = await relayed(t, disk)
  const { relay, portal, restart } = behind
  const env = { PORTAL: portal, EVENTS: 'cut hold reset restart cut', MIB: '32' }
  await succeeds(t, behind.target, 'recovery.sh', { relay, on: { restart }, env, timeoutSeconds: 180 })
  await endsWell(behind.target)
})
