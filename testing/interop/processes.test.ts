// SPDX-License-Identifier: Apache-2.0
// `lunkit run`: several targets from one file, in one process and over two; one that is killed takes no other down.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { connect, type Disk, discover } from '@lunkit/initiator-driver-iscsi'
import {
  LOGIN_RESPONSE,
  LoginStatus,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_RESERVE,
  RESERVE_OUT_LIST,
  Status,
} from '@lunkit/spec'
import { Authority } from '../kit/certificates.ts'
import { cdbOf } from '../kit/device-bench.ts'
import { fieldsOf, RawPeer } from '../kit/raw-peer.ts'
import { run, type ServedTarget, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const A = 'iqn.2026-11.test.lunkit:a'
const B = 'iqn.2026-11.test.lunkit:b'
const C = 'iqn.2026-11.test.lunkit:c'
const BLOCKS = 2048

const folder = workFolder()
after(() => folder.dispose())

let files = 0
/** Paths in the file are those beside it. */
function fileOf(targets: string, more = ''): string {
  const path = join(folder.path, `targets-${files++}.yaml`)
  writeFileSync(path, `portal: 127.0.0.1:0\nstate: state\n${more}\ntargets:\n${targets}`)
  return path
}
const TWO = `
  - { name: '${A}', luns: ['a.img,size=1M', 'memory:1M'] }
  - { name: '${B}', luns: [{ file: b.img, size: 1M }] }`

async function withRun(
  words: readonly string[],
  test: (target: ServedTarget) => Promise<void>,
): Promise<void> {
  const target = await run(words)
  try {
    await test(target)
  } finally {
    assert.equal(await target.stop(), 0, target.stderr())
  }
  for (const { pid } of target.ready.processes!) assert.equal(isAlive(pid), false, 'a process was left')
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const urlOf = ({ ready }: ServedTarget, target: string, lun = 0): string =>
  ready.luns.find(one => one.target === target && one.lun === lun)!.url
const pidOf = ({ ready }: ServedTarget, target: string): number =>
  ready.processes!.find(({ targets }) => targets.includes(target))!.pid

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited in vain for ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

for (const processes of ['1', '2']) {
  test(`two targets are found and used, over ${processes} of processes`, () =>
    withRun([fileOf(TWO), '--processes', processes], async target => {
      const { ready } = target
      assert.equal(ready.processes!.length, Number(processes))
      const portal = ready.portals[0]!
      const found = await discover(`iscsi://${portal}`)
      assert.deepEqual(
        found.map(({ name, portals }) => [name, portals.map(one => `${one.host}:${one.port},${one.group}`)]),
        [
          [A, [`${portal},1`]],
          [B, [`${portal},1`]],
        ],
      )
      assert.ok(existsSync(join(folder.path, 'a.img')), 'paths begin at the folder of the file')
      for (const name of [A, B]) {
        await using disk = await connect(urlOf(target, name))
        const bytes = randomBytes(65_536)
        await disk.write(8, bytes)
        assert.deepEqual(Buffer.from(await disk.read(8, 128)), bytes)
      }
      await until(() => target.events.filter(({ event }) => event === 'session-closed').length === 3)
    }))
}

test('a path to a unit looks the same in one process and in two', async () => {
  const pages: Buffer[][] = []
  for (const processes of ['1', '2']) {
    await withRun([fileOf(TWO), '--processes', processes], async target => {
      await using disk = await connect(urlOf(target, B))
      const cdb = Uint8Array.of(0x12, 1, 0x83, 0x01, 0, 0)
      pages.push([Buffer.from((await disk.execute(cdb, { expectedIn: 256 })).dataIn)])
    })
  }
  assert.deepEqual(pages[0], pages[1])
})

test('libiscsi and QEMU find and use targets of two processes', async t => {
  if (!need(t, 'iscsi-ls') || !need(t, 'qemu-img')) return
  await withRun([fileOf(TWO), '--processes', '2'], async target => {
    const execute = promisify(execFile)
    const { stdout } = await execute('iscsi-ls', ['-s', `iscsi://${target.ready.portals[0]}`], {
      timeout: 20_000,
    })
    for (const name of [A, B]) assert.match(stdout, new RegExp(`Target:${name} Portal:`))
    const source = join(folder.path, 'source.raw')
    writeFileSync(source, randomBytes(1 << 20))
    for (const name of [A, B]) {
      const url = urlOf(target, name)
      await execute('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', source, url], { timeout: 20_000 })
      // It fails if they differ.
      await execute('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', source, url], { timeout: 20_000 })
    }
  })
})

/** Writes numbered blocks one after another until it is told to stop; gives the last number that each block was given. */
function load(disk: Disk): { readonly written: () => number; stop(): Promise<Map<number, number>> } {
  const last = new Map<number, number>()
  let stopped = false
  let written = 0
  const done = (async () => {
    while (!stopped) {
      const block = (written * 7) % BLOCKS
      last.set(block, written)
      await disk.write(block, blockOf(written))
      written++
    }
    return last
  })()
  done.catch(() => undefined)
  return {
    written: () => written,
    stop: () => {
      stopped = true
      return done
    },
  }
}

const blockOf = (number: number): Buffer => {
  const bytes = Buffer.alloc(512, number & 0xff)
  bytes.writeUInt32BE(number)
  return bytes
}

test('a killed process is started again with its data; targets of another one notice nothing', () =>
  withRun([fileOf(TWO), '--processes', '2'], async target => {
    const events: string[] = []
    await using a = await connect(urlOf(target, A))
    await using b = await connect(urlOf(target, B), {
      reconnect: { attempts: 0, delays: [] },
      onEvent: ({ type }) => events.push(type),
    })
    const loads = [load(a), load(b)]
    const enough = async (): Promise<void> => {
      const before = loads.map(one => one.written())
      await until(() => loads.every((one, at) => one.written() > before[at]! + 100))
    }
    await enough()
    const pid = pidOf(target, A)
    for (let kills = 1; kills <= 3; kills++) {
      const started = target.events.filter(({ event }) => event === 'process-started')
      process.kill(kills === 1 ? pid : Number(started.at(-1)!['pid']), 'SIGKILL')
      await until(() => target.events.filter(({ event }) => event === 'process-started').length === kills)
      await enough()
    }
    for (const [at, disk] of [a, b].entries()) {
      for (const [block, number] of await loads[at]!.stop())
        assert.deepEqual(Buffer.from(await disk.read(block, 1)), blockOf(number), `block ${block}`)
    }
    assert.deepEqual(events, ['connected'])
    const ended = target.events.filter(({ event }) => event === 'process-ended')
    assert.deepEqual(
      ended.map(({ cause, targets }) => [cause, targets]),
      Array.from({ length: 3 }, () => ['SIGKILL', [A]]),
    )
    assert.equal(ended[0]!['waitMs'], 0)
  }))

test('a login to a target whose process is down waits for it', () =>
  withRun([fileOf(TWO), '--processes', '2'], async target => {
    process.kill(pidOf(target, A), 'SIGKILL')
    await until(() => target.events.some(({ event }) => event === 'process-ended'))
    await using disk = await connect(urlOf(target, A), { reconnect: { attempts: 0, delays: [] } })
    assert.equal((await disk.capacity()).bytes, 1 << 20)
  }))

test('while a process cannot be started, its logins are refused, with the reason told; then it is served again', async () => {
  const image = join(folder.path, 'there.img')
  writeFileSync(image, Buffer.alloc(1 << 20))
  const targets = `
  - { name: '${A}', luns: [there.img] }
  - { name: '${B}', luns: [memory:1M] }`
  await withRun([fileOf(targets, 'limit: { loginTimeoutMs: 4000 }'), '--processes', '2'], async target => {
    renameSync(image, `${image}.away`)
    process.kill(pidOf(target, A), 'SIGKILL')
    const failures = () => target.events.filter(({ event }) => event === 'process-failed')
    await until(() => failures().length > 0)
    assert.match(String(failures()[0]!['reason']), new RegExp(`Target ${A}: .*there.img`))
    const peer = await RawPeer.connect(Number(target.ready.portals[0]!.split(':')[1]))
    const keys = { InitiatorName: 'iqn.2026-11.test.lunkit:early', TargetName: A }
    const { statusClass, statusDetail } = fieldsOf(
      LOGIN_RESPONSE,
      await peer.loginRound({ transit: 1, csg: 1, nsg: 3 }, keys),
    )
    assert.equal((statusClass << 8) | statusDetail, LoginStatus.serviceUnavailable)
    await peer.close()
    await using other = await connect(urlOf(target, B))
    await other.capacity()
    renameSync(`${image}.away`, image)
    await until(() => target.events.some(({ event }) => event === 'process-started'))
    await using disk = await connect(urlOf(target, A))
    await disk.capacity()
  })
})

test('a reservation with APTPL outlives the process of its target, as the state folder is for all', () =>
  withRun([fileOf(TWO.replaceAll('img', 'reserved.img')), '--processes', '2'], async target => {
    for (const name of [A, B]) {
      await using owner = await connect(urlOf(target, name), { initiatorName: `${A}.owner` })
      await owner.capacity()
      await reserve(owner)
    }
    process.kill(pidOf(target, A), 'SIGKILL')
    await until(() => target.events.some(({ event }) => event === 'process-started'))
    for (const name of [A, B]) {
      await using stranger = await connect(urlOf(target, name), { initiatorName: `${A}.stranger` })
      await stranger.capacity()
      await assert.rejects(stranger.write(0, blockOf(1)), { status: Status.reservationConflict }, name)
    }
  }))

/** Write exclusive, and kept over the loss of power. */
async function reserve(disk: Disk): Promise<void> {
  const steps = [
    [PERSISTENT_RESERVE_OUT_REGISTER, { newKey: 7n, aptpl: 1 }, 0],
    [PERSISTENT_RESERVE_OUT_RESERVE, { key: 7n }, 1],
  ] as const
  for (const [command, list, type] of steps) {
    const dataOut = RESERVE_OUT_LIST.write(list)
    const cdb = cdbOf(command, { type, parameterLength: dataOut.length })
    assert.equal((await disk.execute(cdb, { dataOut })).status, Status.good)
  }
}

// Node keeps a socket open that a process has not taken when it ends.
test('no login is lost without a word that was on its way to a process, or behind that, when it was killed', () =>
  withRun([fileOf(TWO), '--processes', '2'], async target => {
    const pid = pidOf(target, A)
    process.kill(pid, 'SIGSTOP')
    const port = Number(target.ready.portals[0]!.split(':')[1])
    const peers = await Promise.all(Array.from({ length: 4 }, () => RawPeer.connect(port)))
    const outcomes = peers.map((peer, at) =>
      peer.login({ target: A, isid: Uint8Array.of(0x80, 0, 0, 0, 0, at) }).then(
        () => 'served',
        (error: Error) => error.message,
      ),
    )
    // It has been sent by then; if not, it is served, too.
    await new Promise(resolve => setTimeout(resolve, 300))
    process.kill(pid, 'SIGKILL')
    for (const outcome of await Promise.all(outcomes))
      assert.match(outcome, /^(served|Target closed the connection)$/)
    assert.ok((await Promise.all(outcomes)).filter(outcome => outcome === 'served').length >= 3)
    await Promise.all(peers.map(peer => peer.close()))
  }))

test('the end of the process with the portals is that of all', async () => {
  const target = await run([fileOf(TWO), '--processes', '2'])
  await target.stop('SIGKILL')
  await until(() => target.ready.processes!.every(({ pid }) => !isAlive(pid)))
})

test('a process that hangs is ended and started again, and a session of another one stays', () =>
  withRun([fileOf(TWO), '--processes', '2'], async target => {
    const ofB = await connect(urlOf(target, B))
    try {
      process.kill(pidOf(target, A), 'SIGSTOP')
      await until(() => target.events.some(({ event }) => event === 'process-started'))
      assert.deepEqual(
        target.events.map(({ event }) => event).filter(event => String(event).startsWith('process-')),
        ['process-hangs', 'process-ended', 'process-started'],
      )
      await using disk = await connect(urlOf(target, A))
      await disk.read(0, 1)
      await ofB.read(0, 1)
    } finally {
      await ofB.close()
    }
  }))

test('a process that hangs does not outlive the end of all', async () => {
  const target = await run([fileOf(TWO, 'drain: 0'), '--processes', '2'])
  process.kill(pidOf(target, B), 'SIGSTOP')
  await target.stop()
  await until(() => target.ready.processes!.every(({ pid }) => !isAlive(pid)))
})

test('a process whose event loop hangs does not outlive one that was killed', async () => {
  const hang = `if (process.argv[2] === 'run-worker') process.on('SIGUSR2', () => { for (;;); })`
  const preload = `--import "data:text/javascript,${encodeURIComponent(hang)}"`
  const target = await run([fileOf(TWO), '--processes', '2'], { NODE_OPTIONS: preload })
  process.kill(pidOf(target, B), 'SIGUSR2')
  const left = (): number[] => target.ready.processes!.map(({ pid }) => pid).filter(isAlive)
  const stopped = target.stop('SIGKILL')
  try {
    await until(() => left().length === 0)
  } finally {
    for (const pid of left()) process.kill(pid, 'SIGKILL')
  }
  await stopped
})

test('SIGUSR1 tells of all sessions, SIGUSR2 reaches all targets', () =>
  withRun([fileOf(TWO), '--processes', '2'], async target => {
    await using a = await connect(urlOf(target, A))
    await using b = await connect(urlOf(target, B))
    await Promise.all([a.capacity(), b.capacity()])
    process.kill(target.pid, 'SIGUSR1')
    const sessions = () => target.events.filter(({ event }) => event === 'session')
    await until(() => sessions().length === 2)
    assert.deepEqual(
      sessions().map(session => session['target']),
      [A, B],
    )
    for (const name of ['a.img', 'b.img']) writeFileSync(join(folder.path, name), Buffer.alloc(2 << 20))
    process.kill(target.pid, 'SIGUSR2')
    await until(() => target.events.filter(({ event }) => event === 'resized').length === 2)
  }))

test('discovery goes by the rules of each target, as they are now', () => {
  const access = join(folder.path, 'access.json')
  const groups = { some: [0] }
  const rulesOf = (initiator: string) => ({ groups, rules: [{ initiators: [initiator], group: 'some' }] })
  writeFileSync(access, JSON.stringify(rulesOf('iqn.*:other')))
  const targets = `
  - { name: '${A}', luns: [memory:1M, memory:1M], access-file: access.json }
  - { name: '${B}', luns: [memory:1M] }`
  return withRun([fileOf(targets), '--processes', '2'], async target => {
    const initiatorName = 'iqn.2026-11.test.lunkit:reader'
    const seen = async (): Promise<string[]> =>
      (await discover(`iscsi://${target.ready.portals[0]}`, { initiatorName })).map(({ name }) => name)
    assert.deepEqual(await seen(), [B])
    const warnings = (): unknown[] => target.events.filter(({ event }) => event === 'warning')
    for (const [at, text] of ['{', '{ "groups": { "some": [7] }, "rules": [] }'].entries()) {
      writeFileSync(access, text)
      process.kill(target.pid, 'SIGUSR2')
      await until(() => warnings().length === at + 1)
      assert.deepEqual(await seen(), [B])
    }
    writeFileSync(access, JSON.stringify(rulesOf(initiatorName)))
    process.kill(target.pid, 'SIGUSR2')
    const end = Date.now() + 20_000
    while ((await seen()).length < 2) assert.ok(Date.now() < end)
    await using disk = await connect(urlOf(target, A), { initiatorName })
    assert.equal((await disk.capacity()).bytes, 1 << 20)
    await assert.rejects(connect(urlOf(target, A, 1), { initiatorName }))
  })
})

test('one process does TLS for all its targets', t => {
  if (!need(t, 'openssl')) return
  const authority = new Authority()
  try {
    const { cert, key } = authority.issue({ name: 'portal', alternative: 'IP:127.0.0.1' })
    writeFileSync(join(folder.path, 'cert.pem'), cert)
    writeFileSync(join(folder.path, 'key.pem'), key, { mode: 0o600 })
  } finally {
    authority.dispose()
  }
  const file = join(folder.path, 'tls.yaml')
  const portal = "portal: '127.0.0.1:0,tls'\ntls-cert: cert.pem\ntls-key: key.pem"
  writeFileSync(file, `${portal}\nstate: no\ntargets:${TWO.replaceAll('img', 'tls.img')}`)
  return withRun([file], async target => {
    const tls = { ca: authority.cert }
    for (const name of [A, B]) {
      await using disk = await connect(urlOf(target, name), { tls })
      await disk.write(0, blockOf(1))
      assert.deepEqual(Buffer.from(await disk.read(0, 1)), blockOf(1))
    }
  })
})

test('what cannot be served is told with its target, and nothing is left', async () => {
  const targets = `
  - { name: '${A}', luns: [memory:1M] }
  - { name: '${B}', luns: [memory:1M] }
  - { name: '${C}', luns: [none.img] }`
  for (const processes of ['1', '3']) {
    await assert.rejects(run([fileOf(targets), '--processes', processes]), (error: Error) => {
      assert.match(error.message, /ended with 3 before it was ready/)
      assert.match(error.message, new RegExp(`Target ${C}: .*none.img`))
      return true
    })
  }
  const twins = [A, B].map(name => `\n  - { name: '${name}', luns: ['memory:1M,serial=7'] }`).join('')
  await assert.rejects(run([fileOf(twins), '--processes', '2']), /have one serial number/)
  await assert.rejects(run([fileOf(TWO, 'portals: x')]), /ended with 2 .*portals is no key/s)
  await assert.rejects(run([fileOf(TWO), '--processes', '0']), /is no value for --processes/)
  await assert.rejects(run([join(folder.path, 'nowhere.yaml')]), /there is no such file/)
})
