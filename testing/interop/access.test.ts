// SPDX-License-Identifier: Apache-2.0
// Who may use what, by both faces: rules and groups of a target that runs, and `lunkit serve` with its files.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readSense, Status } from '@lunkit/spec'
import { connect, discover } from 'lunkit/initiator'
import { createTarget, memory, OperatorError } from 'lunkit/target'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../cli/src/main.ts')
const NO_RECONNECT = { reconnect: { attempts: 0, delays: [] } }
const HOST = 'iqn.2026-11.test:host'
const BACKUP = 'iqn.2026-11.test:backup'
const alice = { user: 'alice', secret: 'the secret of alice' }
const bob = { user: 'bob', secret: 'the secret of bob' }

type Disk = Awaited<ReturnType<typeof connect>>

const attach = (url: string, initiatorName: string, chap?: typeof alice): Promise<Disk> =>
  connect(url, { initiatorName, ...NO_RECONNECT, ...(chap !== undefined && { chap }) })

const at = (url: string, lun: number): string => url.replace(/\d+$/, String(lun))

/** All attentions that are pending, as `6/2a/1`; the last may be an error of another kind. */
async function hears(disk: Disk): Promise<string[]> {
  const heard: string[] = []
  for (;;) {
    const { status, sense } = await disk.execute(new Uint8Array(6))
    if (status === Status.good) return heard
    const report = readSense(sense)!
    heard.push(`${report.key}/${report.asc.toString(16)}/${report.ascq.toString(16)}`)
    if (report.key !== 6) return heard
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('Waited in vain')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

test('a target with rules and groups: each initiator sees and may do what it is told', async () => {
  await using target = await createTarget({
    luns: [memory('1M'), memory('2M')],
    chap: [alice, { ...bob, readonly: true }],
    groups: { backup: [{ lun: 1, as: 0, readonly: true }] },
    rules: [{ initiators: ['*:backup'], group: 'backup', chap: 'none' }, {}],
  })
  assert.deepEqual(
    target.luns.map(({ lun, group, bytes }) => [lun, group, bytes]),
    [
      [0, null, 1 << 20],
      [1, null, 2 << 20],
      [0, 'backup', 2 << 20],
    ],
  )
  await using backup = await attach(target.url, BACKUP)
  assert.equal((await backup.capacity()).bytes, 2 << 20)
  await assert.rejects(backup.write(0, Buffer.alloc(512)))
  await assert.rejects(attach(target.url, HOST), { code: 'LOGIN_AUTHENTICATION' })
  await using writer = await attach(at(target.url, 1), HOST, alice)
  await writer.write(0, Buffer.alloc(512, 9))
  assert.deepEqual((await backup.read(0, 1)).subarray(0, 2), Buffer.of(9, 9))
  await using reader = await attach(target.url, HOST, bob)
  await assert.rejects(reader.write(0, Buffer.alloc(512)))
  const [first, second] = target.explain({ initiator: HOST })
  assert.deepEqual(
    [first, second].map(one => [one!.user, one!.luns.map(lun => lun.readonly)]),
    [
      ['alice', [false, false]],
      ['bob', [true, true]],
    ],
  )
  const [other] = target.explain({ initiator: BACKUP, portal: target.portals[0]! })
  assert.deepEqual(
    [other!.group, other!.luns, other!.rule],
    ['backup', [{ lun: 0, readonly: true }], 'rule 1'],
  )
  assert.deepEqual(target.explain({ initiator: HOST, portal: '127.0.0.1,7' }), [])
})

test('rules and groups change under sessions, which hear of it or end', async () => {
  await using target = await createTarget({ luns: [memory('1M'), memory('2M')] })
  await using host = await attach(target.url, HOST)
  await using backup = await attach(target.url, BACKUP)
  await using guest = await attach(target.url, 'iqn.2026-11.test:guest')
  for (const disk of [host, backup]) await hears(disk)
  const rules = [{ initiators: ['*:host'] }, { initiators: ['*:backup'], group: 'few' }]
  const changes = await target.setAccess({ rules, groups: { few: [{ lun: 1, as: 0 }] } })
  assert.deepEqual(
    changes.map(({ initiator, ended }) => [initiator, ended === '']),
    [
      [BACKUP, true],
      ['iqn.2026-11.test:guest', false],
    ],
  )
  await assert.rejects(guest.read(0, 1))
  assert.deepEqual([await hears(host), await hears(backup)], [[], ['6/29/0', '6/3f/3', '6/3f/e']])
  // The same again, but for reading only: the view is the same.
  assert.deepEqual(
    await target.setAccess({ rules, groups: { few: [{ lun: 1, as: 0, readonly: true }] } }),
    [],
  )
  assert.deepEqual([await hears(host), await hears(backup)], [[], ['6/2a/1']])
  await assert.rejects(target.setAccess({ rules: [{ group: 'none' }] }), { code: 'GROUP_MISSING' })
  await assert.rejects(target.setAccess({ groups: { few: [7] } }), { code: 'LUN_MISSING' })
  await assert.rejects(target.setAccess({ groups: { few: [0, { lun: 1, as: 0 }] } }), { code: 'LUN_EXISTS' })
  await assert.rejects(target.setAccess({ addresses: ['nowhere'] }), OperatorError)
  assert.deepEqual([await hears(host), await hears(backup)], [[], []])
  await target.setAccess({})
  assert.deepEqual([await hears(host), await hears(backup)], [[], ['6/29/0', '6/3f/3', '6/3f/e']])
  assert.deepEqual(
    target.luns.map(({ group }) => group),
    [null, null],
  )
  target.setReadonly(0, true)
  assert.deepEqual(await hears(host), ['6/2a/1'])
  await assert.rejects(host.write(0, Buffer.alloc(512)))
})

test('a public portal stays closed to strangers, whatever the rules say', async () => {
  const luns = [memory('1M')]
  const portal = '0.0.0.0:0'
  const refused = { code: 'PORTAL_OPEN' }
  await assert.rejects(createTarget({ luns, portal, rules: [{ readonly: true }] }), refused)
  await assert.rejects(createTarget({ luns, portal, chap: alice, rules: [{ chap: 'none' }] }), refused)
  await using target = await createTarget({ luns, portal, rules: [{ addresses: ['127.0.0.0/8'] }] })
  await assert.rejects(target.setAccess({}), refused)
  await using disk = await attach(target.url, HOST)
  await disk.read(0, 1)
})

test('discovery tells each initiator of what it may use', async () => {
  await using target = await createTarget({
    luns: [memory('1M')],
    rules: [{ initiators: ['!*:guest'] }],
    discoveryChap: [alice, bob],
  })
  const portal = `iscsi://${target.portals[0]}`
  const found = async (initiatorName: string, chap = bob) =>
    (await discover(portal, { initiatorName, chap })).length
  assert.deepEqual([await found(HOST), await found('iqn.2026-11.test:guest')], [1, 0])
  await assert.rejects(found(HOST, { ...bob, secret: alice.secret }))
})

test('lunkit serve takes accounts and rules from files, and reads them again on SIGUSR2', async t => {
  const folder = await scratch(t)
  const chap = join(folder, 'chap')
  const access = join(folder, 'access.json')
  writeFileSync(chap, '# users\nalice:the secret of alice\n\nbob:the secret of bob\n', { mode: 0o600 })
  writeFileSync(access, JSON.stringify({ rules: [{ addresses: ['127.0.0.1'], users: ['alice', 'bob'] }] }))
  const served = await serve([
    'memory:1M',
    '--chap-file',
    chap,
    '--access-file',
    access,
    '--read-only-user',
    'bob',
  ])
  try {
    const { url } = served.ready.luns[0]!
    await using one = await attach(url, HOST, alice)
    await one.write(0, Buffer.alloc(512))
    await using other = await attach(url, BACKUP, bob)
    await assert.rejects(other.write(0, Buffer.alloc(512)))
    await assert.rejects(attach(url, HOST, { ...alice, secret: bob.secret }))
    if (process.platform === 'win32') return
    writeFileSync(access, '{ "rules": [{ "user": ["alice"] }] }')
    process.kill(served.pid, 'SIGUSR2')
    await until(() => served.events.some(({ event }) => event === 'warning'))
    const warning = served.events.find(({ event }) => event === 'warning')!
    assert.match(String(warning['reason']), /'user' of rule 1 is not one of name, initiators/)
    writeFileSync(access, '{ "rules": [{ "users": ["alice"] }] }')
    process.kill(served.pid, 'SIGUSR2')
    await until(() => served.events.some(({ event }) => event === 'access-changed'))
    const change = served.events.find(({ event }) => event === 'access-changed')!
    assert.deepEqual([change['initiator'], change['ended']], [BACKUP, 'User "bob" has no account for it'])
    await one.read(0, 1)
    await assert.rejects(other.read(0, 1))
    assert.doesNotMatch(JSON.stringify(served.events) + served.stderr(), /the secret of/)
  } finally {
    assert.equal(await served.stop(), 0)
  }
})

function lunkit(words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('--explain tells what an initiator would get, and opens nothing', async t => {
  const folder = await scratch(t)
  const image = join(folder, 'new.img')
  const words = ['serve', `${image},size=1M`, 'memory:1M', '--portal', '10.9.8.7', '--read-only', '*:backup']
  const asked = [...words, '--initiator', '*:host', '--explain']
  const told = lunkit([...asked, BACKUP])
  assert.equal(told.status, 0, told.stderr)
  assert.match(
    told.stdout,
    /at 10\.9\.8\.7:3260,1: visible\n {2}no CHAP is asked for\n {2}LUNs: 0 \(read-only\), 1/,
  )
  const json = lunkit([...asked, 'iqn.2026-11.test:guest', '--json'])
  const one = JSON.parse(json.stdout) as Record<string, unknown>
  assert.deepEqual(
    [one['visible'], one['answer'], (one['skipped'] as string[]).length],
    [false, 'authorization failure', 2],
  )
  for (const [question, why] of [
    [['*:backup'], /'\*:backup' is no iSCSI name/],
    [[BACKUP, '--explain-portal', '10.9.8.6'], /no portal at '10\.9\.8\.6'\n.*10\.9\.8\.7:3260,1/],
    [[BACKUP, '--explain-portal', '10.9.8.7,2'], /no portal at/],
    [[BACKUP, '--explain-address', '10.9.8.0/24'], /'10\.9\.8\.0\/24' is no address/],
  ] as const) {
    const refused = lunkit([...asked, ...question])
    assert.deepEqual([refused.status, refused.stdout], [2, ''])
    assert.match(refused.stderr, why)
  }
  const nobody = lunkit([...words, '--initiator', '*:host', '--explain-user', 'alice'])
  assert.deepEqual([nobody.status, nobody.stdout], [2, ''])
  assert.match(nobody.stderr, /add --explain INITIATOR/)
  assert.equal(existsSync(image), false)
})
