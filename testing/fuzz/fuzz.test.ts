// SPDX-License-Identifier: Apache-2.0
// Bad peers against `lunkit serve`: it lives, leaks nothing, tells of each, and good sessions beside them notice nothing.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { connect } from '@lunkit/initiator-driver-iscsi'
import { Authority } from '../kit/certificates.ts'
import { run, type ServedTarget, serve, serveBy, workFolder } from '../kit/serve-process.ts'
import { absent } from '../peers.ts'
import { campaign, settleDown } from './campaign.ts'
import { BLANK, firstStranger, traceOfGoodData } from './content.ts'
import { EventLog } from './event-log.ts'
import { GoodSession } from './good-session.ts'
import { BLOCKS, Lun } from './lun.ts'
import type { Place } from './peer.ts'
import { ProcessWatch } from './process-watch.ts'
import { SCENARIOS } from './scenarios/index.ts'

const SEED = Number(process.env['LUNKIT_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const SECONDS = Number(process.env['LUNKIT_FUZZ_SECONDS'] ?? (process.env['CI'] === 'true' ? 60 : 10))
/** Over so many processes of `lunkit run`; `lunkit serve` if not given. */
const PROCESSES = process.env['LUNKIT_FUZZ_PROCESSES']
/** Only scenarios of this name, for hunting. */
const ONLY = new RegExp(process.env['LUNKIT_FUZZ_ONLY'] ?? '')
const BYTES = BLOCKS * 512

test(`bad peers for ${SECONDS} s, LUNKIT_FUZZ_SEED=${SEED}`, {
  timeout: SECONDS * 1000 + 120_000,
}, async t => {
  if (!existsSync('/proc/self/fd')) {
    absent(t, '/proc, which tells of memory and descriptors,')
    return
  }
  const folder = workFolder()
  const strict = join(folder.path, 'strict.img')
  writeFileSync(strict, Buffer.alloc(BYTES, BLANK))
  const memory = `memory:${BYTES}`
  const secret = { LUNKIT_CHAP_SECRET: randomBytes(9).toString('hex') }
  const guarded = await serve(['memory:1M', '--chap-user', 'fuzz'], secret)
  const luns = [strict, memory, memory, memory, `${join(folder.path, 'good.img')},size=${BYTES}`, memory]
  const served = await (PROCESSES === undefined ? serve(luns) : runOver(PROCESSES, folder.path, luns))
  const unsteady = await serveBy(
    [process.execPath, join(import.meta.dirname, 'unsteady-target.ts'), String(SEED)],
    certificate(),
  )
  try {
    await fillWithBlank(served, Lun.memory)
    await fillWithBlank(served, Lun.scribble)
    const found = await fuzz({ served, guarded, unsteady }, t.diagnostic.bind(t))
    const image = readImage(strict)
    const complaints = [
      ...found,
      ...strange(`File LUN`, image, firstStranger),
      ...strange('Memory LUN', await readLun(served, Lun.memory), firstStranger),
      ...strange('Scribble LUN', await readLun(served, Lun.scribble), traceOfGoodData),
    ]
    if (ONLY.source === '(?:)' && image.every(byte => byte === BLANK))
      complaints.push('No peer wrote anything')
    assert.deepEqual(complaints, [])
  } finally {
    const all = [served, guarded, unsteady]
    const codes = await Promise.all(all.map(one => one.stop()))
    folder.dispose()
    assert.deepEqual([...all.map(one => one.stderr()), ...codes], ['', '', '', 0, 0, 0])
  }
})

/** The same LUNs behind the portal of `lunkit run`; a second target gives a second process something to do. */
function runOver(processes: string, folder: string, luns: readonly string[]): Promise<ServedTarget> {
  const file = join(folder, 'targets.json')
  const targets = [
    { name: 'iqn.2026-11.org.lunkit:fuzzed', luns },
    { name: 'iqn.2026-11.org.lunkit:idle', luns: ['memory:1M'] },
  ]
  writeFileSync(file, JSON.stringify({ portal: '127.0.0.1:0', state: false, targets }))
  return run([file, '--processes', processes])
}

/** Runs good and bad sessions; gives all that is wrong. */
async function fuzz(
  { served, guarded, unsteady }: Readonly<Record<'served' | 'guarded' | 'unsteady', ServedTarget>>,
  say: (text: string) => void,
): Promise<string[]> {
  const { luns } = served.ready
  const good = [
    await GoodSession.open(luns[Lun.goodMemory]!.url, 'iqn.2026-11.org.example:good.memory', SEED),
    await GoodSession.open(luns[Lun.goodFile]!.url, 'iqn.2026-11.org.example:good.file', SEED, {
      headerDigest: 'require',
      dataDigest: 'require',
    }),
    await GoodSession.open(luns[Lun.goodSpread]!.url, 'iqn.2026-11.org.example:good.spread', SEED, {
      connections: 4,
      errorRecoveryLevel: 2,
      dataDigest: 'require',
      maxRecvDataSegmentLength: 8192,
    }),
  ]
  const watch = new ProcessWatch(served.pid, (SECONDS * 1000) / 100)
  const unsteadyWatch = new ProcessWatch(unsteady.pid, (SECONDS * 1000) / 100)
  const tlsPlace = placeOf(unsteady, 1)
  const events = new EventLog(served.events, guarded.events)
  const report = await campaign({
    place: placeOf(served)!,
    chapPlace: placeOf(guarded)!,
    unsteadyPlace: placeOf(unsteady)!,
    tls: tlsPlace === null ? null : { place: tlsPlace, hello: await clientHello() },
    seed: SEED,
    seconds: SECONDS,
    scenarios: SCENARIOS.filter(({ name }) => ONLY.test(name)),
    events,
    isOver: () =>
      good.some(({ complaints }) => complaints.length > 0) ||
      served.stderr() !== '' ||
      guarded.stderr() !== '' ||
      unsteady.stderr() !== '',
  })
  await settleDown()
  events.drain()
  const connections = Object.values(report.runs).reduce((sum, count) => sum + count, 0)
  const verified = good.map(session => session.verified)
  const { early, late } = watch.memory
  unsteady.events.length = 0
  say(
    `${connections} bad connections in ${Object.keys(report.runs).length} scenarios, events ${JSON.stringify(events.counts)}`,
  )
  say(
    `${report.cutOff} silent peers cut off, ${verified.join(', ')} good blocks verified, ${early.toFixed(0)} to ${late.toFixed(0)} MiB`,
  )
  const complaints = [...report.failures, ...events.complaints.slice(0, 5), ...(await watch.close())]
  complaints.push(...(await unsteadyWatch.close()).map(what => `Unsteady target: ${what}`))
  for (const session of good) complaints.push(...(await session.close()))
  if (verified.some(blocks => blocks === 0)) complaints.push('A good session did nothing')
  return complaints
}

/** A key and a certificate for the portal with TLS; none where openssl is missing. */
function certificate(): NodeJS.ProcessEnv {
  if (spawnSync('openssl', ['version']).status !== 0) return {}
  const authority = new Authority()
  const { cert, key } = authority.issue({ name: 'unsteady' })
  authority.dispose()
  return { FUZZ_TLS_CERT: cert, FUZZ_TLS_KEY: key }
}

/** What a TLS client says first. */
async function clientHello(): Promise<Buffer> {
  return await new Promise(resolve => {
    const server = createServer(socket => {
      socket.once('error', () => undefined)
      socket.once('data', bytes => {
        socket.destroy()
        server.close()
        resolve(Buffer.from(bytes))
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      connectTls({ host: '127.0.0.1', port }).on('error', () => undefined)
    })
  })
}

/** One of its portals, or null. */
function placeOf({ ready }: ServedTarget, index = 0): Place | null {
  if (ready.portals[index] === undefined) return null
  const [host, port] = ready.portals[index].split(':')
  return { host: host!, port: Number(port), target: ready.luns[0]!.url.split('/')[3]! }
}

async function fillWithBlank(served: ServedTarget, lun: number): Promise<void> {
  await using disk = await connect(served.ready.luns[lun]!.url)
  for (let at = 0; at < BLOCKS; at += 1024) await disk.write(at, Buffer.alloc(1024 * 512, BLANK))
}

async function readLun(served: ServedTarget, lun: number): Promise<Buffer> {
  await using disk = await connect(served.ready.luns[lun]!.url)
  return await disk.read(0, BLOCKS)
}

function readImage(path: string): Buffer {
  const image = Buffer.alloc(BYTES)
  const file = openSync(path, 'r')
  readSync(file, image, 0, BYTES, 0)
  closeSync(file)
  return image
}

function strange(what: string, bytes: Buffer, find: (bytes: Uint8Array) => number): string[] {
  const at = find(bytes)
  return at < 0 ? [] : [`${what} holds strange bytes at ${at}: ${bytes.toString('hex', at, at + 32)}`]
}
