// SPDX-License-Identifier: Apache-2.0
// The Linux kernel's own initiator against a served target: file systems, CHAP, digests, broken connections.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ServedTarget, serve } from '../../kit/serve-process.ts'
import { Relay } from './relay.ts'
import { noGuest } from './skip.ts'
import { type GuestRun, runInGuest } from './vm.ts'

const secret = 'the-initiators-secret'
const mutualSecret = 'the-targets-own-secret'

/** A folder with the secrets and room for a disk, gone after the test. */
function folder(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), 'lunkit-linux-'))
  t.after(() => rmSync(path, { recursive: true }))
  const secretFile = join(path, 'secret')
  const mutualSecretFile = join(path, 'mutual-secret')
  writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 })
  writeFileSync(mutualSecretFile, `${mutualSecret}\n`, { mode: 0o600 })
  return { disk: `${join(path, 'disk.img')},size=512M`, secretFile, mutualSecretFile }
}

/** The guest's variables for a target: its portal and its name. */
function address(target: ServedTarget): { PORTAL: string; IQN: string } {
  const { host, pathname } = new URL(target.ready.luns[0]!.url)
  return { PORTAL: host, IQN: pathname.split('/')[1]! }
}

const port = (target: ServedTarget) => Number(address(target).PORTAL.split(':')[1])

/** Runs one of the guest's scripts against a target and expects that all its steps succeed. */
async function succeeds(t: TestContext, target: ServedTarget, script: string, run: Omit<GuestRun, 'script'>) {
  const result = await runInGuest({
    ...run,
    script: join(import.meta.dirname, 'guest', script),
    env: { ...address(target), ...run.env },
  })
  assert.equal(
    result.status,
    0,
    `${result.output}\n--- kernel\n${result.kernelLog}\n--- target\n${target.stderr()}`,
  )
  for (const line of result.output.trimEnd().split('\n')) t.diagnostic(line)
}

async function serving(t: TestContext, ...args: readonly string[]): Promise<ServedTarget> {
  const target = await serve(args)
  t.after(() => target.stop('SIGKILL'))
  return target
}

async function endsWell(target: ServedTarget) {
  assert.equal(await target.stop('SIGTERM'), 0, target.stderr())
}

test('Linux makes a file system, fills it and finds it whole after logout and login', async t => {
  if (noGuest(t)) return
  const target = await serving(t, folder(t).disk)
  await succeeds(t, target, 'filesystem.sh', { env: { MIB: '200' } })
  await endsWell(target)
})

test('Linux logs in with one-way CHAP by every algorithm, and not with a wrong password', async t => {
  if (noGuest(t)) return
  const { disk, secretFile } = folder(t)
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
  const { disk, secretFile, mutualSecretFile } = folder(t)
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
  const { disk } = folder(t)
  let target = await serve([disk])
  t.after(() => target.stop('SIGKILL'))
  await using relay = await Relay.start(port(target))
  const restart = async () => {
    await target.stop('SIGKILL')
    target = await serve([disk])
    relay.target = port(target)
  }
  const env = { PORTAL: `127.0.0.1:${relay.port}`, EVENTS: 'cut hold reset restart cut', MIB: '32' }
  await succeeds(t, target, 'recovery.sh', { relay, on: { restart }, env, timeoutSeconds: 180 })
  await endsWell(target)
})
