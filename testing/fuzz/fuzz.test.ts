// SPDX-License-Identifier: Apache-2.0
// Bad peers against `lunkit serve`: it lives, leaks nothing, tells of each, and good sessions beside them notice nothing.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@lunkit/initiator-driver-iscsi'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
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
  const served = await serve([
    strict,
    memory,
    memory,
    memory,
    `${join(folder.path, 'good.img')},size=${BYTES}`,
  ])
  try {
    await fillWithBlank(served, Lun.memory)
    await fillWithBlank(served, Lun.scribble)
    const found = await fuzz(served, guarded, t.diagnostic.bind(t))
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
    const codes = [await served.stop(), await guarded.stop()]
    folder.dispose()
    assert.deepEqual([served.stderr(), guarded.stderr(), ...codes], ['', '', 0, 0])
  }
})

/** Runs good and bad sessions; gives all that is wrong. */
async function fuzz(
  served: ServedTarget,
  guarded: ServedTarget,
  say: (text: string) => void,
): Promise<string[]> {
  const { luns } = served.ready
  const good = [
    await GoodSession.open(luns[Lun.goodMemory]!.url, 'iqn.2026-11.org.example:good.memory', SEED),
    await GoodSession.open(luns[Lun.goodFile]!.url, 'iqn.2026-11.org.example:good.file', SEED, {
      headerDigest: 'require',
      dataDigest: 'require',
    }),
  ]
  const watch = new ProcessWatch(served.pid, (SECONDS * 1000) / 100)
  const events = new EventLog(served.events, guarded.events)
  const report = await campaign({
    place: placeOf(served),
    chapPlace: placeOf(guarded),
    seed: SEED,
    seconds: SECONDS,
    scenarios: SCENARIOS.filter(({ name }) => ONLY.test(name)),
    events,
    isOver: () =>
      good.some(({ complaints }) => complaints.length > 0) ||
      served.stderr() !== '' ||
      guarded.stderr() !== '',
  })
  await settleDown()
  events.drain()
  const connections = Object.values(report.runs).reduce((sum, count) => sum + count, 0)
  const verified = good.map(session => session.verified)
  const { early, late } = watch.memory
  say(
    `${connections} bad connections in ${Object.keys(report.runs).length} scenarios, events ${JSON.stringify(events.counts)}`,
  )
  say(
    `${report.cutOff} silent peers cut off, ${verified.join(' and ')} good blocks verified, ${early.toFixed(0)} to ${late.toFixed(0)} MiB`,
  )
  const complaints = [...report.failures, ...events.complaints.slice(0, 5), ...(await watch.close())]
  for (const session of good) complaints.push(...(await session.close()))
  if (verified.some(blocks => blocks === 0)) complaints.push('A good session did nothing')
  return complaints
}

function placeOf({ ready }: ServedTarget): Place {
  const [host, port] = ready.portals[0]!.split(':')
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
