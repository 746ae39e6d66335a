// SPDX-License-Identifier: Apache-2.0
// `lunkit serve` with TLS: libiscsi's tools through an stunnel client, a plain portal beside, certificates read anew.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { getRandomValues } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { Authority } from '../kit/certificates.ts'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const run = async (program: string, ...words: string[]): Promise<string> =>
  (await execute(program, words, { timeout: 20_000 })).stdout

const folder = workFolder()
const path = (file: string): string => join(folder.path, file)
let authority: Authority | null = null
const running: { target: ServedTarget | null; tunnels: ChildProcess[] } = { target: null, tunnels: [] }
let tunnelPort = 0

/** A port that nobody listens on at this moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until `condition` holds; gives up after a time that no machine needs. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** stunnel in client mode; resolves when it listens. */
async function tunnel(accept: number, to: string, lines: readonly string[]): Promise<ChildProcess> {
  const config = path(`stunnel-${accept}.conf`)
  const service = ['[iscsi]', 'client = yes', `accept = 127.0.0.1:${accept}`, `connect = ${to}`, ...lines]
  writeFileSync(config, `${['foreground = yes', 'pid =', ...service].join('\n')}\n`)
  const child = spawn('stunnel', [config], { stdio: ['ignore', 'ignore', 'pipe'] })
  running.tunnels.push(child)
  let log = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', data => {
      log += data
      if (log.includes('Configuration successful')) resolve()
    })
    child.on('exit', code => reject(new Error(`stunnel ended with ${code}: ${log}`)))
  })
  return child
}

before(async t => {
  if (!need(t as never, 'openssl')) return
  authority = new Authority()
  const files = {
    portal: authority.issue({ name: 'portal', alternative: 'IP:127.0.0.1' }),
    alice: authority.issue({ name: 'alice' }),
  }
  for (const [name, { cert, key }] of Object.entries(files)) {
    writeFileSync(path(`${name}.pem`), cert)
    writeFileSync(path(`${name}.key`), key, { mode: 0o600 })
  }
  writeFileSync(path('ca.pem'), authority.cert)
  tunnelPort = await freePort()
  const portals = ['--portal', '127.0.0.1:0', '--portal', `127.0.0.1:0,tls,advertise=127.0.0.1:${tunnelPort}`]
  const tls = [
    '--tls-cert',
    path('portal.pem'),
    '--tls-key',
    path('portal.key'),
    '--tls-client-ca',
    path('ca.pem'),
  ]
  running.target = await serve(['memory:64M,serial=OVERTLS', ...portals, ...tls])
})

after(async () => {
  for (const child of running.tunnels) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  await running.target?.stop()
  authority?.dispose()
  folder.dispose()
})

const VERIFIED = (): string[] => [`CAfile = ${path('ca.pem')}`, 'verifyChain = yes', 'checkIP = 127.0.0.1']

test('libiscsi finds the target and uses it through stunnel', async t => {
  if (!need(t, 'stunnel', 'iscsi-ls', 'iscsi-inq', 'iscsi-readcapacity16')) return
  const { ready, events } = running.target!
  const own = [`cert = ${path('alice.pem')}`, `key = ${path('alice.key')}`]
  await tunnel(tunnelPort, ready.portals[1]!, [...VERIFIED(), ...own])
  const list = await run('iscsi-ls', '-s', `iscsi://127.0.0.1:${tunnelPort}`)
  assert.match(list, new RegExp(`Portal:127\\.0\\.0\\.1:${tunnelPort},1`))
  assert.match(list, /Lun:0 +Type:DIRECT_ACCESS/)
  const name = /Target:(\S+)/.exec(list)![1]!
  const url = `iscsi://127.0.0.1:${tunnelPort}/${name}/0`
  assert.match(await run('iscsi-inq', '-e', '1', '-c', '128', url), /OVERTLS/)
  assert.match(await run('iscsi-readcapacity16', url), /67108864/)
  if (need(t, 'qemu-img')) {
    // Enough to fill every buffer on the way, and all of it read back.
    const bytes = Buffer.alloc(24 * 1024 * 1024)
    for (let at = 0; at < bytes.length; at += 65_536) getRandomValues(bytes.subarray(at, at + 65_536))
    writeFileSync(path('random.img'), bytes)
    await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', path('random.img'), url)
    assert.match(
      await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', path('random.img'), url),
      /identical/,
    )
  }
  if (need(t, 'iscsi-test-cu')) {
    for (const suite of ['SCSI.Read10', 'SCSI.Write10', 'iSCSI.iSCSIResiduals'])
      assert.match(await run('iscsi-test-cu', '-d', '-t', suite, url), /asserts +(\d+) +\1 +\1 +0/)
  }
  assert.deepEqual(
    events.filter(({ event }) => event === 'peer-fault' || event === 'login-failed'),
    [],
  )
})

test('a tunnel without a certificate is turned away, and the target says why', async t => {
  if (!need(t, 'stunnel', 'iscsi-ls')) return
  const { ready, events } = running.target!
  const port = await freePort()
  await tunnel(port, ready.portals[1]!, VERIFIED())
  await assert.rejects(run('iscsi-ls', `iscsi://127.0.0.1:${port}`))
  const told = events.filter(({ event }) => event === 'login-failed')
  assert.ok(
    told.some(({ reason }) => reason === 'Client certificate is missing'),
    JSON.stringify(told),
  )
})

test('the plain portal beside it tells of itself alone', async t => {
  if (!need(t, 'iscsi-ls')) return
  const [plain] = running.target!.ready.portals
  const list = await run('iscsi-ls', `iscsi://${plain}`)
  assert.match(list, new RegExp(`Portal:${plain},1`))
  assert.doesNotMatch(list, new RegExp(String(tunnelPort)))
})

test('SIGUSR2 has it read its certificates anew; bad ones are told and change nothing', async () => {
  if (authority === null) return
  const { ready, pid, events } = running.target!
  const shown = async (): Promise<string> => {
    const [host, port] = ready.portals[1]!.split(':')
    const socket = connect({
      host: host!,
      port: Number(port),
      ca: authority!.cert,
      checkServerIdentity: () => undefined,
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    const name = String(socket.getPeerCertificate().subject.CN)
    socket.destroy()
    return name
  }
  assert.equal(await shown(), 'portal')
  writeFileSync(path('portal.pem'), 'nothing')
  process.kill(pid, 'SIGUSR2')
  const isTold = /^TLS of portal .* cannot be set up/
  await until(async () => events.some(({ reason }) => isTold.test(String(reason))))
  assert.equal(await shown(), 'portal')
  const next = authority.issue({ name: 'portal two', alternative: 'IP:127.0.0.1' })
  writeFileSync(path('portal.key'), next.key)
  writeFileSync(path('portal.pem'), next.cert)
  process.kill(pid, 'SIGUSR2')
  await until(async () => (await shown()) === 'portal two')
})

test('flags that do not belong together are refused in words', async t => {
  if (!need(t, 'openssl')) return
  const tls = ['--tls-cert', path('portal.pem'), '--tls-key', path('portal.key')]
  const wrong = (words: string[], message: RegExp): Promise<void> =>
    assert.rejects(serve(['memory:1M', ...words]), message)
  await wrong(['--portal', '127.0.0.1:0,tls'], /no certificate is given/)
  await wrong(tls, /no portal has TLS/)
  await wrong(['--portal', '127.0.0.1:0,tls', '--tls-cert', path('portal.pem')], /certificate and its key/)
  await wrong(
    ['--portal', '127.0.0.1:0,tls', ...tls, '--tls-client-cert', 'maybe'],
    /say none, request or require/,
  )
  await wrong(
    ['--portal', '127.0.0.1:0,tls', '--tls-cert', path('gone'), '--tls-key', path('gone')],
    /cannot be read/,
  )
  await wrong(['--portal', '127.0.0.1:0,ssl'], /is no portal/)
  await wrong(['--portal', '127.0.0.1:0,advertise=*'], /no address to advertise/)
  await wrong(['--portal', '0.0.0.0:0,tls', ...tls], /anybody could log in/)
  const target = await serve([
    'memory:1M',
    '--portal',
    '0.0.0.0:0,tls',
    ...tls,
    '--tls-client-ca',
    path('ca.pem'),
  ])
  assert.equal(await target.stop(), 0)
})
