// SPDX-License-Identifier: Apache-2.0
// Who is logged in, as the library face tells it and as `lunkit serve` does when SIGUSR1 asks.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@lunkit/initiator-driver-iscsi'
import { createTarget, memory } from 'lunkit/target'
import { listSessions } from '../../cli/src/session-listing.ts'
import { serve, workFolder } from '../kit/serve-process.ts'

const initiatorName = 'iqn.2026-11.test.lunkit:reader'

test('the library tells sessions with counters, and people read them as a table', async () => {
  await using target = await createTarget({
    luns: [memory('1M')],
    portal: ['127.0.0.1:0,1', '127.0.0.1:0,2'],
  })
  assert.equal(target.sessions().length, 0)
  assert.match(listSessions([], target.logins(), 0), /^No sessions\nLogins of portal group 1: accepted=0/)
  await using disk = await connect(target.url, { initiatorName })
  await disk.read(0, 1)
  const before = target.sessions()[0]!.counters
  await disk.write(0, Buffer.alloc(4096))
  await disk.read(0, 16)
  const [session] = target.sessions()
  assert.equal(session!.initiator, initiatorName)
  assert.equal(session!.target, target.name)
  assert.equal(session!.counters.bytesWritten - before.bytesWritten, 4096)
  assert.equal(session!.counters.bytesRead - before.bytesRead, 8192)
  assert.deepEqual(
    target.logins().map(({ portalGroup, sessions }) => ({ portalGroup, sessions })),
    [
      { portalGroup: 1, sessions: 1 },
      { portalGroup: 2, sessions: 0 },
    ],
  )
  const text = listSessions(target.sessions(), target.logins(), session!.openedAt.getTime() + 7_300_000)
  assert.match(text, new RegExp(`1/${session!.tsih} .* ${initiatorName} .* 127\\.0\\.0\\.1:\\d+ .* 2 h `))
  assert.match(
    text,
    new RegExp(`^1/${session!.tsih} normal isid=[0-9a-f]{12} tasks=0 .*MaxBurstLength=\\d+`, 'm'),
  )
  assert.match(text, /^Logins of portal group 1: accepted=1 sessions=1 /m)
})

test('lunkit serve tells them when SIGUSR1 asks', async t => {
  const target = await serve(['memory:1M'])
  t.after(() => target.stop())
  await using disk = await connect(target.ready.luns[0]!.url, { initiatorName })
  await disk.read(0, 1)
  process.kill(target.pid, 'SIGUSR1')
  while (target.events.every(({ event }) => event !== 'logins')) {
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  const session = target.events.find(({ event }) => event === 'session')!
  assert.equal(session['initiator'], initiatorName)
  assert.ok((session['counters'] as { bytesRead: number }).bytesRead >= 512)
  assert.equal((session['connections'] as unknown[]).length, 1)
  assert.equal(target.events.find(({ event }) => event === 'logins')!['sessions'], 1)
})

test('lunkit serve shows PDUs and slow commands where that is asked for, and refuses what is no number', async t => {
  const storage = `export default { size: 1048576, read: (_, into) => new Promise(done => setTimeout(done, 60)) }`
  const folder = workFolder()
  t.after(() => folder.dispose())
  const path = join(folder.path, 'slow.mjs')
  writeFileSync(path, storage)
  const target = await serve([`object:${path}`, '--trace', '--slow', '50', '--response-timeout', '60'])
  t.after(() => target.stop())
  await using disk = await connect(target.ready.luns[0]!.url, { initiatorName })
  await disk.read(2, 1)
  const slow = target.events.find(({ event }) => event === 'slow-command')!
  assert.equal(slow['lba'], 2)
  assert.match(String(slow['command']), /^READ/)
  assert.match(target.stderr(), /^\S+Z in .* session=1 cid=0 SCSI Command \(READ \(\d+\) lba=2 blocks=1\) /m)
  assert.match(target.stderr(), /^\S+Z out .* SCSI Data-In \(GOOD\) /m)
  await assert.rejects(serve(['memory:1M', '--slow', 'a bit']), /'a bit' is no value for --slow/)
})
