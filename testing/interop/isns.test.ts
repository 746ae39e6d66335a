// SPDX-License-Identifier: Apache-2.0
// `lunkit serve --isns` against Open-iSNS: registered, asked for, inquired about, found again after a restart, gone at the end.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { createTarget, memory } from '../../cli/src/target.ts'
import { serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const folder = workFolder()
const path = (file: string): string => join(folder.path, file)
const PATIENCE_MS = 30_000

/** isnsd with a database in the test's folder, and nobody to prove anything to. */
class Isnsd {
  readonly port: number
  readonly #control: string
  readonly #child: ChildProcess

  private constructor(port: number, control: string, child: ChildProcess) {
    this.port = port
    this.#control = control
    this.#child = child
  }

  static async start(port: number, database: string): Promise<Isnsd> {
    mkdirSync(path(database), { recursive: true })
    const lines = [
      `Database = ${path(database)}`,
      'SourceName = iqn.2026-11.test:isns-server',
      `PIDFile = ${path(`${database}.pid`)}`,
      `ControlSocket = ${path(`${database}.control`)}`,
      `BindAddress = 127.0.0.1:${port}`,
      'SLPRegister = 0',
      'Security = 0',
      'DefaultDiscoveryDomain = 1',
      'RegistrationPeriod = 20s',
      'ESIMinInterval = 1s',
      'ESIMaxInterval = 1s',
    ]
    writeFileSync(path('isnsd.conf'), `${lines.join('\n')}\n`)
    const child = spawn('isnsd', ['-4', '-f', '-c', path('isnsd.conf')], { stdio: 'ignore' })
    await until(async () => {
      const socket = connect(port, '127.0.0.1')
      const open = await once(socket, 'connect').then(
        () => true,
        () => false,
      )
      socket.destroy()
      return open
    })
    return new Isnsd(port, path(`${database}.control`), child)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGTERM')
    await once(this.#child, 'exit')
  }

  /** What isnsadm prints; nothing where the server has nothing. */
  async ask(...words: string[]): Promise<string> {
    const lines = [
      `ServerAddress = 127.0.0.1:${this.port}`,
      'SourceName = iqn.2026-11.test:reader',
      `ControlSocket = ${this.#control}`,
      'Security = 0',
    ]
    writeFileSync(path('isnsadm.conf'), `${lines.join('\n')}\n`)
    const run = execute('isnsadm', ['-c', path('isnsadm.conf'), '--local', ...words], { timeout: 10_000 })
    return run.then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    )
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

const running: { stop(): Promise<unknown> }[] = []
after(async () => {
  for (const one of running.reverse()) await one.stop()
  folder.dispose()
})

test('a target with two portal groups is found at the server, and gone when it has ended', async t => {
  if (!need(t, 'isnsd', 'isnsadm')) return
  const server = await Isnsd.start(await freePort(), 'first')
  running.push(server)
  const name = 'iqn.2026-11.test:by-isns'
  const target = await serve([
    ...['memory:1M', '--name', name, '--isns', `127.0.0.1:${server.port}`, '--isns-entity', 'a lunkit'],
    ...['--portal', '127.0.0.1:0,1', '--portal', '127.0.0.2:0,2'],
  ])
  running.push(target)
  await until(async () => (await server.ask('--list', 'nodes')).includes(name))
  const all = await server.ask('--query', `iscsi-name=${name}`)
  assert.match(all, /Entity identifier = "a lunkit"/)
  assert.match(all, /iSCSI node type = Target/)
  for (const [tag, portal] of target.ready.portals.entries()) {
    const [host, port] = portal.split(':')
    const address = host!.replaceAll('.', '\\.')
    assert.match(all, new RegExp(`Portal IP address = ${address}\n.*port = ${port}/tcp`))
    assert.match(
      all,
      new RegExp(
        `Portal group address = ${address}\n.*port = ${port}/tcp\n.*Portal group tag = ${tag + 1}\n`,
      ),
    )
  }
  assert.equal(await target.stop(), 0)
  assert.doesNotMatch(await server.ask('--list', 'nodes'), /by-isns/)
  assert.doesNotMatch(await server.ask('--list', 'entities'), /a lunkit/)
  assert.doesNotMatch(await server.ask('--list', 'portals'), /127\.0\.0\.2/)
  await server.stop()
})

test('inquiries are answered, and a server that starts anew with nothing is registered with again', async t => {
  if (!need(t, 'isnsd', 'isnsadm')) return
  const port = await freePort()
  let server = await Isnsd.start(port, 'second')
  running.push({ stop: () => server.stop() })
  const name = 'iqn.2026-11.test:comes-back'
  await using target = await createTarget({
    luns: [memory('1M')],
    name,
    isns: { servers: [`127.0.0.1:${port}`], esiSeconds: 1, retryMs: 50, longestRetryMs: 200 },
  })
  await until(async () => (await server.ask('--list', 'nodes')).includes(name))
  assert.deepEqual(target.isns, [{ server: `127.0.0.1:${port}`, registered: true, reason: '' }])
  assert.match(await server.ask('--list', 'portals'), /ESI interval = 1\n.*ESI port = \d+\/tcp/)
  await until(async () => target.isnsInquiries >= 2)
  await server.stop()
  await until(async () => target.isns[0]!.registered === false)
  server = await Isnsd.start(port, 'empty')
  await until(async () => (await server.ask('--list', 'nodes')).includes(name))
  await until(async () => target.isns[0]!.registered)
  await target.close()
  assert.doesNotMatch(await server.ask('--list', 'nodes'), /comes-back/)
})

test('what a process that was killed has left is replaced by the next of its name', async t => {
  if (!need(t, 'isnsd', 'isnsadm')) return
  const server = await Isnsd.start(await freePort(), 'third')
  running.push(server)
  const words = ['memory:1M', '--isns', `127.0.0.1:${server.port}`, '--isns-entity', 'again']
  const killed = await serve([...words, '--name', 'iqn.2026-11.test:killed'])
  await until(async () => (await server.ask('--list', 'nodes')).includes('killed'))
  await killed.stop('SIGKILL')
  const next = await serve([...words, '--name', 'iqn.2026-11.test:next'])
  running.push(next)
  await until(async () => (await server.ask('--list', 'nodes')).includes('next'))
  assert.doesNotMatch(await server.ask('--list', 'nodes'), /killed/)
  assert.equal(await next.stop(), 0)
})
