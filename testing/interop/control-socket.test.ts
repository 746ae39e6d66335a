// SPDX-License-Identifier: Apache-2.0
// The control socket from outside: `lunkit control` and a peer of its own, at one target and at two in processes of their own.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectTo, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readSense, Status } from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { scratch } from '../kit/scratch.ts'
import { run, type ServedTarget, serve } from '../kit/serve-process.ts'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../cli/bin/lunkit.mjs')
const MIB = 1 << 20
const A = 'iqn.2026-11.test.lunkit:a'
const B = 'iqn.2026-11.test.lunkit:b'
const CAPACITY_DATA_HAS_CHANGED = '6/2a/9'
const MEDIUM_MAY_HAVE_CHANGED = '6/28/0'

type Disk = Awaited<ReturnType<typeof connect>>

/** All unit attentions that are pending. */
async function hears(disk: Disk): Promise<string[]> {
  const heard: string[] = []
  for (;;) {
    const { status, sense } = await disk.execute(new Uint8Array(6))
    if (status === Status.good) return heard
    const { key, asc, ascq } = readSense(sense)!
    heard.push(`${key}/${asc.toString(16)}/${ascq.toString(16)}`)
  }
}

/** By READ CAPACITY (10): the initiator keeps what it has heard before. */
async function bytesOf(disk: Disk): Promise<number> {
  const { dataIn } = await disk.execute(Uint8Array.of(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), { expectedIn: 8 })
  return (Buffer.from(dataIn).readUInt32BE(0) + 1) * 512
}

async function attach(target: ServedTarget, name?: string): Promise<Disk> {
  const { url } = target.ready.luns.find(one => one.target === name)!
  const disk = await connect(url, { reconnect: { attempts: 0, delays: [] } })
  await hears(disk)
  return disk
}

interface Outcome {
  readonly code: number
  readonly out: string
  readonly errors: string
}

const lunkit = (...words: string[]): Promise<Outcome> =>
  new Promise(resolve => {
    execFile(process.execPath, [MAIN, ...words], { timeout: 30_000 }, (error, out, errors) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, errors }),
    )
  })

interface Reply {
  readonly answer?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string }
  readonly exit?: number
}

async function peer(t: TestContext, path: string): Promise<Socket> {
  const socket = connectTo({ path, allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.on('end', () => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Not by `once`, which rejects where it was cut off. */
const closed = (socket: Socket): Promise<void> =>
  new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })

/** Sends all of it, closes its half, and takes the answers. */
async function say(t: TestContext, path: string, ...lines: string[]): Promise<Reply[]> {
  const socket = await peer(t, path)
  let heard = ''
  socket.setEncoding('utf8').on('data', text => {
    heard += text
  })
  socket.end(lines.map(line => `${line}\n`).join(''))
  await closed(socket)
  return heard
    .split('\n')
    .slice(0, -1)
    .map(text => JSON.parse(text) as Reply)
}

async function started(t: TestContext, start: Promise<ServedTarget>): Promise<ServedTarget> {
  const target = await start
  t.after(() => target.stop('SIGKILL'))
  return target
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 10))
}

test('lunkit control takes snapshots and resizes, and initiators are told', async t => {
  const folder = await scratch(t)
  const [image, socket] = [join(folder, 'disk.img'), join(folder, 'control')]
  writeFileSync(image, Buffer.alloc(MIB, 1))
  const words = [`overlay:${image},upper=${join(folder, 'first')},serial=S`, '--control-socket', socket]
  const target = await started(t, serve(words))
  assert.equal(statSync(socket).mode & 0o777, 0o600)
  await using disk = await attach(target)
  const second = join(folder, 'second')
  assert.deepEqual(await lunkit('control', socket, 'lun', '0', 'snapshot', second), {
    code: 0,
    out: 'done snapshots=1\n',
    errors: '',
  })
  assert.deepEqual(await hears(disk), [])
  await disk.write(0, Buffer.alloc(512, 2))
  const [reset, resized, listed] = await say(t, socket, 'lun 0 reset', 'lun 0 resize 2M', 'lun 0')
  assert.deepEqual(reset, { answer: { discardedBytes: 4096 } })
  assert.deepEqual(resized, { answer: { bytes: 2 * MIB } })
  assert.deepEqual(Object.keys(listed!.answer!), ['resize', 'reset', 'commit', 'snapshot'])
  assert.deepEqual((await hears(disk)).toSorted(), [MEDIUM_MAY_HAVE_CHANGED, CAPACITY_DATA_HAS_CHANGED])
  assert.equal(await bytesOf(disk), 2 * MIB)
  assert.deepEqual(await disk.read(0, 1), Buffer.alloc(512, 1))
  const json = await lunkit(
    'control',
    '--json',
    socket,
    'target',
    new URL(target.ready.luns[0]!.url).pathname.split('/')[1]!,
    'lun',
    '0',
    'resize',
    '3M',
  )
  assert.deepEqual(JSON.parse(json.out), { bytes: 3 * MIB })
  assert.deepEqual(await hears(disk), [CAPACITY_DATA_HAS_CHANGED])
  await disk.close()
  assert.equal(await target.stop(), 0, target.stderr())
  assert.equal(existsSync(socket), false)
})

test('what is refused has an exit code and a way out', async t => {
  const folder = await scratch(t)
  const socket = join(folder, 'control')
  await started(t, serve(['memory:1M', '--control-socket', socket]))
  for (const [words, code, told] of [
    [['lun', '0', 'resize', '1M', 'now'], 2, /no way to say 'resize'\n {2}lun NUMBER resize SIZE/],
    [['lun', '7', 'rescan'], 3, /no LUN 7\n {2}LUNs are 0/],
    [['target', 'iqn.none', 'lun', '0'], 3, /no target 'iqn.none'/],
    [['lun', '0', '#', '1.iso'], 2, /comment/],
  ] as const) {
    const outcome = await lunkit('control', socket, ...words)
    assert.equal(outcome.code, code, outcome.errors)
    assert.match(outcome.errors, told)
    assert.equal(outcome.out, '')
  }
  const nowhere = await lunkit('control', join(folder, 'none'), 'help')
  assert.deepEqual([nowhere.code, /ENOENT/.test(nowhere.errors)], [4, true])
})

test('the socket of a killed target is taken over, that of a running one is not, before an image is made', async t => {
  const folder = await scratch(t)
  const socket = join(folder, 'control')
  const words = ['memory:1M', '--control-socket', socket]
  const first = await started(t, serve(words))
  await first.stop('SIGKILL')
  assert.ok(existsSync(socket))
  await started(t, serve(words))
  const image = join(folder, 'new.img')
  await assert.rejects(serve([`${image},size=1M`, '--control-socket', socket]), /ended with 3 .*listens at/s)
  assert.equal(existsSync(image), false)
  assert.deepEqual(await say(t, socket, 'readmit'), [{ answer: {} }])
})

test('peers that mean harm stall neither the disk nor other peers', async t => {
  const socket = join(await scratch(t), 'control')
  const target = await started(t, serve(['memory:1M', '--control-socket', socket]))
  await using disk = await attach(target)
  const endless = await peer(t, socket)
  const more = (): void => {
    if (!endless.destroyed) endless.write(Buffer.alloc(65_536, 'x'), error => error == null && more())
  }
  more()
  const deaf = await Promise.all(Array.from({ length: 8 }, () => peer(t, socket)))
  for (const one of deaf) one.pause().write('help\n'.repeat(100_000))
  const half = await peer(t, socket)
  half.end('lun 0 resi')
  const silent = await peer(t, socket)
  for (let round = 0; round < 20; round++) {
    await disk.write(round, Buffer.alloc(512, round))
    assert.deepEqual(await say(t, socket, 'lun 0 rescan'), [{ answer: { changed: 'no' } }])
  }
  const [refused] = (await once(half.setEncoding('utf8'), 'data')) as [string]
  assert.match(refused, /CONTROL_LINE/)
  await closed(endless)
  assert.equal(silent.destroyed, false)
  await disk.close()
  assert.equal(await target.stop(), 0, target.stderr())
})

test('targets in two processes are told by their names, also while one is down', async t => {
  const folder = await scratch(t)
  const [file, socket, image] = [join(folder, 'targets.yaml'), join(folder, 'control'), join(folder, 'a.img')]
  writeFileSync(image, Buffer.alloc(MIB))
  writeFileSync(
    file,
    `portal: 127.0.0.1:0
state: no
targets:
  - { name: '${A}', luns: [a.img] }
  - { name: '${B}', luns: [{ overlay: 'memory:1M' }] }`,
  )
  const target = await started(t, run([file, '--processes', '2', '--control-socket', socket]))
  const eventsOf = (type: string) => target.events.filter(({ event }) => event === type)
  const a = await attach(target, A)
  await using b = await attach(target, B)
  assert.deepEqual(
    await say(t, socket, 'target', `target ${A} lun 0 resize 2M`, `target ${B} lun 0 snapshot`),
    [
      { answer: { [A]: 'served', [B]: 'served' } },
      { answer: { bytes: 2 * MIB } },
      { answer: { snapshots: 1 } },
    ],
  )
  assert.deepEqual(await hears(a), [CAPACITY_DATA_HAS_CHANGED])
  assert.equal(await bytesOf(a), 2 * MIB)
  assert.deepEqual(await hears(b), [])
  await b.write(0, Buffer.alloc(512, 1))
  const told = await lunkit('control', socket, 'target', B, 'lun', '0', 'reset')
  assert.deepEqual([told.code, told.out], [0, 'done discardedBytes=4096\n'])
  assert.deepEqual(await hears(b), [MEDIUM_MAY_HAVE_CHANGED])
  const nameless = await lunkit('control', socket, 'lun', '0', 'reset')
  assert.match(nameless.errors, /which target is meant/)
  assert.equal(nameless.code, 2)

  const pid = target.ready.processes!.find(({ targets }) => targets.includes(A))!.pid
  process.kill(pid, 'SIGSTOP')
  const lost = say(t, socket, `target ${A} lun 0 resize 3M`)
  // By the answer to the second the first is on its way, too.
  await new Promise(resolve => setTimeout(resolve, 50))
  await say(t, socket, `target ${B} lun 0`)
  renameSync(image, `${image}.away`)
  process.kill(pid, 'SIGKILL')
  const [reply] = await lost
  assert.deepEqual([reply!.error?.code, reply!.exit], ['TARGET_LOST', 4])
  await a.close().catch(() => undefined)
  await until(() => eventsOf('process-failed').length > 0)
  const [down, up, states] = await say(t, socket, `target ${A} lun 0`, `target ${B} lun 0 snapshot`, 'target')
  assert.deepEqual([down!.error?.code, down!.exit], ['TARGET_DOWN', 4])
  assert.deepEqual(up, { answer: { snapshots: 2 } })
  assert.deepEqual(states, { answer: { [A]: 'not served', [B]: 'served' } })
  renameSync(`${image}.away`, image)
  await until(() => eventsOf('process-started').length > 0)
  await using again = await attach(target, A)
  assert.deepEqual(await say(t, socket, `target ${A} lun 0 resize 4M`), [{ answer: { bytes: 4 * MIB } }])
  assert.deepEqual(await hears(again), [CAPACITY_DATA_HAS_CHANGED])
  await again.close()
  await b.close()
  assert.equal(await target.stop(), 0, target.stderr())
  assert.equal(existsSync(socket), false)
})

test('one target of a file needs no name, and the process that has the portals may have it', async t => {
  const folder = await scratch(t)
  const [file, socket] = [join(folder, 'targets.yaml'), join(folder, 'control')]
  writeFileSync(file, 'portal: 127.0.0.1:0\nstate: no\ntargets: [{ luns: [memory:1M] }]')
  const target = await started(t, run([file, '--control-socket', socket]))
  const { url } = target.ready.luns[0]!
  await using disk = await connect(url)
  await hears(disk)
  assert.deepEqual(await say(t, socket, 'lun 0 resize 2M'), [{ answer: { bytes: 2 * MIB } }])
  assert.deepEqual(await hears(disk), [CAPACITY_DATA_HAS_CHANGED])
  await disk.close()
  assert.equal(await target.stop(), 0, target.stderr())
})
