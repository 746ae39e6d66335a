// SPDX-License-Identifier: Apache-2.0
// Sessions of the Linux kernel: every combination of digests and CHAP, targets and processes that are killed, redirects, a disk that
// grows, a session that takes the place of one that seems alive.
import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTarget, memory } from 'lunkit/target'
import { run } from '../../kit/serve-process.ts'
import { addressOf, endsWell, folderFor, relayed, serving, succeeds } from './guest-target.ts'
import { Relay } from './relay.ts'
import { noGuest } from './skip.ts'

const MIB = 1024 * 1024

test('Linux has a session with every combination of digests and CHAP', async t => {
  if (noGuest(t)) return
  const folder = folderFor(t)
  const file = (name: string, secret: string): string => {
    writeFileSync(join(folder, name), `${secret}\n`, { mode: 0o600 })
    return join(folder, name)
  }
  const [secret, mutual] = ['the-initiators-secret', 'the-targets-own-secret']
  const words = ['--chap-user', 'alice', '--chap-secret-file', file('secret', secret)]
  const own = ['--mutual-user', 'target', '--mutual-secret-file', file('mutual', mutual)]
  const open = await serving(t, 'memory:4M')
  const guarded = await serving(t, 'memory:4M', ...words, ...own)
  const env = {
    CHAP_PORTAL: addressOf(guarded).PORTAL,
    CHAP_USER: 'alice',
    CHAP_SECRET: secret,
    MUTUAL_USER: 'target',
    MUTUAL_SECRET: mutual,
  }
  await succeeds(t, open, 'combinations.sh', { env })
  for (const target of [open, guarded]) {
    // Each was asked for six or more sessions, and none ended otherwise than by logout.
    const ends = target.events.filter(({ event }) => event === 'session-closed')
    assert.ok(ends.length >= 4 && ends.every(({ cause }) => cause === 'logout'), JSON.stringify(ends))
    await endsWell(target)
  }
})

test('a file system of Linux outlives a target that is killed ten times', async t => {
  if (noGuest(t)) return
  const behind = await relayed(t, `${join(folderFor(t), 'disk.img')},size=64M`)
  const restart = () => behind.restart(() => sleep(5000))
  const guest = { relay: behind.relay, on: { restart }, env: { PORTAL: behind.portal }, timeoutSeconds: 300 }
  await succeeds(t, behind.target, 'restarts.sh', guest)
  await endsWell(behind.target)
})

test('a file system of Linux outlives processes that are killed behind a portal that stays', async t => {
  if (noGuest(t)) return
  const file = join(folderFor(t), 'targets.json')
  const targets = ['file', 'other'].map(name => ({
    name: `iqn.2026-11.test.lunkit:${name}`,
    luns: [`${name}.img,size=64M`],
  }))
  writeFileSync(file, JSON.stringify({ portal: '127.0.0.1:0', state: false, targets }))
  const target = await run([file, '--processes', '2'])
  t.after(() => target.stop('SIGKILL'))
  const started = () => target.events.filter(({ event }) => event === 'process-started')
  const restart = async (): Promise<void> => {
    const { length } = started()
    process.kill(Number(started().at(-1)?.['pid'] ?? target.ready.processes![0]!.pid), 'SIGKILL')
    await until(() => started().length > length)
  }
  const env = { RESTARTS: '4' }
  await succeeds(t, target, 'restarts.sh', { on: { restart }, env, timeoutSeconds: 240 })
  await endsWell(target)
})

test('Linux follows redirects, sees its disk grow, and takes the place of a session that seems alive', async t => {
  if (noGuest(t)) return
  const image = join(folderFor(t), 'disk.img')
  const target = await serving(t, `${image},size=64M`)
  const { PORTAL: moved, IQN } = addressOf(target)
  await using relay = await Relay.start(Number(moved.split(':')[1]))
  const redirect = { to: `127.0.0.1:${relay.port}` }
  await using gate = await createTarget({ luns: [memory('1M')], name: IQN, redirect })
  const told = (event: string): Promise<void> =>
    until(() => target.events.some(one => one['event'] === event))
  const on = {
    move: () => gate.initiators.redirect({ to: moved }),
    // The target had no word of the old connection's end: it was the login that ended the session, the first that came.
    reinstated: () => {
      const ends = target.events.filter(({ event }) => event === 'session-closed')
      assert.deepEqual(
        ends.map(({ cause }) => cause),
        ['replaced'],
      )
      assert.ok(!target.events.some(({ event }) => event === 'login-failed'))
    },
    grow: async () => {
      truncateSync(image, 128 * MIB)
      process.kill(target.pid, 'SIGUSR2')
      await told('resized')
    },
  }
  const guest = { relay, on, env: { PORTAL: gate.portals[0]!, MOVED: moved }, timeoutSeconds: 180 }
  await succeeds(t, target, 'sessions.sh', guest)
  await endsWell(target)
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20)
}
