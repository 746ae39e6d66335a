// SPDX-License-Identifier: Apache-2.0
// What starting and idling cost, of the command as published and as this tree runs it: `npm run bench:start`.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type ServedTarget, serveBy } from '../kit/serve-process.ts'
import { folderIn, writeImage } from './images.ts'
import { median } from './measure.ts'
import { capacity, open } from './own-client.ts'
import { memoryOf, processorUse } from './processor.ts'

const USAGE = `npm run bench:start -- [options]
  --runs N       starts of each, in turn (9)
  --sessions N   idle sessions whose memory is measured (1000)
  --seconds S    how long they are watched (10)
  --json         figures as JSON
`
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** How each command is started. `npm run pack` makes the published one, which finds its packages in this tree. */
const COMMANDS: Readonly<Record<string, string>> = {
  published: join(ROOT, 'build/packages/cli/dist/bin/lunkit.js'),
  tree: join(ROOT, 'cli/bin/lunkit.mjs'),
}
const IMAGE_BYTES = 16 << 20
const SETTLE_MS = 500
const MANY = ['sessions', 'sessionsPerInitiator', 'sessionsPerTarget'].flatMap(name => [
  '--limit',
  `${name}=4000`,
])

interface Start {
  /** From exec to the answer to a login, in milliseconds; processor time until then. */
  readonly ms: number
  readonly cpuMs: number
  /** Resident memory half a second later, in MiB. */
  readonly idle: number
}

interface Idle {
  /** Resident memory that one more session takes, in KiB. */
  readonly perSession: number
  /** Share of a core, in percent, that all of them take while nothing is asked of them. */
  readonly load: number
}

const start = (command: string, image: string): Promise<ServedTarget> =>
  serveBy([
    process.execPath,
    command,
    ...['serve', image, '--portal', '127.0.0.1:0', '--no-state', '--json', ...MANY],
  ])

async function measureStart(command: string, image: string): Promise<Start> {
  const begin = performance.now()
  const served = await start(command, image)
  const session = await open(served.ready.luns[0]!.url)
  const ms = performance.now() - begin
  const cpuMs = processorUse(served.pid).target * 1000
  await sleep(SETTLE_MS)
  const idle = memoryOf(served.pid).now
  await session.close()
  await served.stop()
  return { ms, cpuMs, idle }
}

async function measureIdle(command: string, image: string, count: number, seconds: number): Promise<Idle> {
  const served = await start(command, image)
  const { url, lun } = served.ready.luns[0]!
  const sessions = [await open(url)]
  try {
    await capacity(sessions[0]!, lun)
    await sleep(SETTLE_MS)
    const before = memoryOf(served.pid).now
    while (sessions.length < count) {
      const session = await open(url)
      sessions.push(session)
      await capacity(session, lun)
    }
    await sleep(SETTLE_MS)
    const perSession = ((memoryOf(served.pid).now - before) * 1024) / (count - 1)
    const used = processorUse(served.pid).target
    await sleep(seconds * 1000)
    return { perSession, load: ((processorUse(served.pid).target - used) / seconds) * 100 }
  } finally {
    await Promise.all(sessions.map(session => session.close()))
    await served.stop()
  }
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '9' },
    sessions: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
execFileSync(process.execPath, [join(ROOT, 'architecture/pack.ts')])
const folder = folderIn(tmpdir())
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const image = writeImage(join(folder, 'start.img'), IMAGE_BYTES)
const starts = Object.keys(COMMANDS).map(name => ({ name, all: [] as Start[] }))
for (let run = -1; run < Number(values.runs); run++) {
  for (const { name, all } of starts) {
    const one = await measureStart(COMMANDS[name]!, image)
    // The first one reads files that nobody has read before, and keeps what was compiled.
    if (run >= 0) all.push(one)
  }
}
const report = []
for (const { name, all } of starts) {
  const of = (key: keyof Start): number => Math.round(median(all.map(one => one[key])))
  const { perSession, load } = await measureIdle(
    COMMANDS[name]!,
    image,
    Number(values.sessions),
    Number(values.seconds),
  )
  report.push({
    command: name,
    loginMs: of('ms'),
    cpuMs: of('cpuMs'),
    idleMiB: of('idle'),
    sessionKiB: Math.round(perSession),
    idlePercent: Number(load.toFixed(1)),
  })
}
rmSync(image)
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else {
  process.stdout.write(
    '| Command | exec to login, ms | processor, ms | idle, MiB | an idle session, KiB | all of them, % of a core |\n',
  )
  process.stdout.write('| --- | --: | --: | --: | --: | --: |\n')
  for (const row of report) process.stdout.write(`| ${Object.values(row).join(' | ')} |\n`)
}
