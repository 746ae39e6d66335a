// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: lunkit beside other targets, case by case in turn; tables of medians, goals, curves and a profile.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { measureSlow, measureStarts } from './aside.ts'
import { CURVES, measureCurve } from './curves.ts'
import { markdown, writeDocs } from './docs.ts'
import { chooseGenerator, type Generator } from './generators/generator.ts'
import { type Folders, imageFolders, SHARED_MEMORY } from './images.ts'
import { runMatrix, runsOf } from './matrix.ts'
import { type Options, readOptions } from './options.ts'
import { profile } from './profile.ts'
import { Progress } from './progress.ts'
import { emptyReport, type Report, readReport, type Setting, writeReport } from './report.ts'
import { versions } from './versions.ts'

const TARGET_CORE = 0
const CLIENT_CORE = Math.min(1, cpus().length - 1)
/** Pins a target. */
const PREFIX = ['taskset', '-c', String(TARGET_CORE)]
const PROFILED = 'randread-4k-qd32'

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  // What this process does itself, such as being a client, is to be on the client's core.
  execFileSync('taskset', ['-apc', String(CLIENT_CORE), String(process.pid)], { stdio: 'ignore' })
  const generator = chooseGenerator(CLIENT_CORE, process.env['FIO'])
  const images = imageFolders(options.folders)
  process.once('exit', images.dispose)
  // The children end with this process: each has its own handler of 'exit'.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const setting = settingOf(options, generator)
  const report = options.resume ? readReport(options.out, setting) : emptyReport(setting)
  const keep = (): void => {
    writeReport(options.out, report)
    if (options.docs) writeDocs(report)
  }
  await measureAll(options, generator, images.folders, report, keep)
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${markdown(report)}\n`)
  if (report.failures.length > 0) process.exitCode = 1
}

/** Everything that the report does not hold yet. */
async function measureAll(
  options: Options,
  generator: Generator,
  folders: Folders,
  report: Report,
  keep: () => void,
): Promise<void> {
  const wanted = options.cases.filter(one => !report.results.some(result => result.case === one.name))
  const cases = wanted.filter(one => {
    const why = generator.refuses(one)
    if (why !== null) process.stderr.write(`${one.name} is left out: ${why}\n`)
    return why === null
  })
  const plan = { ...options, cases, folders, core: TARGET_CORE }
  const curves = CURVES.filter(
    ({ name }) => options.curves.includes(name) && !report.curves.some(curve => curve.name === name),
  )
  const points = curves.reduce((sum, { xs }) => sum + xs.length, 0)
  const progress = new Progress(runsOf(plan) + points + 1, options.minutes)
  const attempt = async (what: string, measure: () => Promise<void>): Promise<void> => {
    try {
      await measure()
    } catch (error) {
      report.failures.push(`${what}: ${(error as Error).message.split('\n', 1)[0]}`)
      progress.say(report.failures.at(-1)!)
    }
    keep()
  }
  try {
    await runMatrix(plan, generator, report, progress, keep)
  } catch (error) {
    // Its clock would keep the process.
    progress.stop()
    throw error
  }
  // The sparse files of curves: ext4 ends at 16 TiB.
  const place = { prefix: PREFIX, folder: SHARED_MEMORY }
  for (const curve of curves) {
    await attempt(curve.name, async () => {
      report.curves.push(await measureCurve(curve, options.seconds, place, progress.begin, progress.end))
    })
  }
  if (options.aside && report.starts.length === 0) {
    progress.begin('starts')
    await attempt('starts', async () => {
      report.starts = await measureStarts()
    })
  }
  if (options.aside && report.slow.length === 0) {
    progress.begin('a slow unit')
    await attempt('a slow unit', async () => {
      report.slow = await measureSlow()
    })
  }
  if (options.profile && report.profile === null) {
    progress.begin('profile')
    await attempt('profile', async () => {
      report.profile = await profile(PROFILED, generator, folders.memory, options.imageBytes, TARGET_CORE)
    })
  }
  progress.end()
  progress.stop()
  keep()
}

function settingOf({ folders, imageBytes, runs, seconds }: Options, generator: Generator): Setting {
  return {
    generator: generator.label,
    processor: cpus()[0]!.model,
    cores: cpus().length,
    versions: versions(),
    folder: fileSystemOf(folders.memory),
    diskFolder: fileSystemOf(folders.disk),
    imageBytes,
    runs,
    seconds,
  }
}

const fileSystemOf = (folder: string): string =>
  execFileSync('findmnt', ['-no', 'FSTYPE', '-T', folder], { encoding: 'utf8' }).trim().split('\n').at(-1)!

try {
  await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
