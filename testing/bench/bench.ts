// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: lunkit beside tgtd, case by case in turn, and a table of medians.
import { cpus, tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, type Case, GOAL } from './cases.ts'
import { type Contestant, imageFolder, NAMES, start, USUAL } from './contestants.ts'
import { chooseGenerator, type Generator } from './generators.ts'
import { DISTURBED, measure, medianRun, type Run } from './measure.ts'
import { memoryOf } from './processor.ts'
import { markdown, type Result } from './table.ts'

const USAGE = `npm run bench -- [options]
  --only RE        cases whose name matches: ${CASES.map(({ name }) => name).join(', ')}
  --peers          all targets: ${NAMES.join(', ')}
  --targets A,B    these of them (${USUAL.join(', ')})
  --runs N         runs of each case on each target (3)
  --seconds S      length of a run (3)
  --retries N      repeat a run that other processes disturbed up to N times (3)
  --size MIB       size of an image (512)
  --folder PATH    where the images lie, written full and read once (the temporary files)
  --smoke          one short case, to see that the benchmark works
  --json           figures as JSON
FIO=PATH names an fio with the libiscsi engine; without it iscsi-perf and qemu-img measure.
The targets run on core 0, the load generator on core 1.
`
const TARGET_CORE = 0
const CLIENT_CORE = Math.min(1, cpus().length - 1)

interface Plan {
  readonly cases: readonly Case[]
  readonly targets: readonly string[]
  readonly runs: number
  readonly seconds: number
  readonly retries: number
}

function readPlan(): { plan: Plan; imageBytes: number; folder: string; json: boolean } {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      targets: { type: 'string', default: USUAL.join(',') },
      peers: { type: 'boolean', default: false },
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      retries: { type: 'string', default: '3' },
      size: { type: 'string', default: '512' },
      folder: { type: 'string', default: tmpdir() },
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const only = new RegExp(values.only)
  const cases = CASES.filter(({ name }) => (values.smoke ? name === 'read-128k-qd8' : only.test(name)))
  const targets = NAMES.filter(name => values.peers || values.targets.split(',').includes(name))
  const plan = values.smoke
    ? { cases, targets, runs: 1, seconds: 0.1, retries: 0 }
    : {
        cases,
        targets,
        runs: positive('runs', values.runs),
        seconds: positive('seconds', values.seconds),
        retries: Number(values.retries),
      }
  if (cases.length === 0) throw new Error(`No case matches ${only}; see --help`)
  if (targets.length === 0) throw new Error(`No target is named '${values.targets}'; see --help`)
  const imageBytes = (values.smoke ? 16 : positive('size', values.size)) << 20
  return { plan, imageBytes, folder: values.folder, json: values.json }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0) return value
  throw new Error(`--${name} wants a number above zero, not '${text}'`)
}

/** Each case on every contestant in turn, so that a drift of the machine's speed meets all of them. */
async function runAll(plan: Plan, generator: Generator, contestants: readonly Contestant[]) {
  const results: Result[] = []
  let disturbed = 0
  for (const one of plan.cases) {
    const runs: Record<string, Run[]> = {}
    for (let round = 0; round < plan.runs; round++) {
      for (const contestant of contestants) {
        const run = await measure(generator, contestant, one, plan.seconds, plan.retries)
        if (run.others > DISTURBED) disturbed++
        ;(runs[contestant.name] ??= []).push(run)
      }
    }
    const medians = Object.fromEntries(Object.entries(runs).map(([name, all]) => [name, medianRun(all)]))
    results.push({ case: one, medians })
    process.stderr.write(`${one.name} `)
  }
  process.stderr.write('\n')
  return { results, disturbed }
}

async function main(): Promise<void> {
  const { plan, imageBytes, folder, json } = readPlan()
  const generator = chooseGenerator(CLIENT_CORE)
  const images = imageFolder(folder)
  process.once('exit', images.dispose)
  // The children end with this process: each has its own handler of 'exit'.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const contestants: Contestant[] = []
  try {
    for (const name of plan.targets) contestants.push(await start(name, TARGET_CORE, images.path, imageBytes))
    const { results, disturbed } = await runAll(plan, generator, contestants)
    const memory = contestants.map(({ name, pid }) => ({ name, pid, ...memoryOf(pid) }))
    const setting = {
      generator: generator.label,
      processor: cpus()[0]!.model,
      cores: cpus().length,
      images: images.path,
      imageBytes,
      runs: plan.runs,
      seconds: plan.seconds,
      disturbed,
    }
    if (json) process.stdout.write(`${JSON.stringify({ setting, results, memory })}\n`)
    else
      process.stdout.write(
        `${heading(setting)}\n\n${markdown(results, contestants, memory)}\n${verdict(results)}`,
      )
  } finally {
    for (const contestant of contestants) await contestant.stop()
  }
}

function heading(setting: {
  generator: string
  processor: string
  cores: number
  images: string
  imageBytes: number
  runs: number
  seconds: number
  disturbed: number
}): string {
  const { generator, processor, cores, images, imageBytes, runs, seconds, disturbed } = setting
  const stayed = disturbed === 0 ? '' : `; ${disturbed} runs stayed disturbed by other processes`
  return (
    `${generator}; ${cores} cores (${processor}); images of ${imageBytes >> 20} MiB in ${dirname(images)}; ` +
    `medians of ${runs} runs of ${seconds} s${stayed}.`
  )
}

function verdict(results: readonly Result[]): string {
  const medians = results.find(result => result.case.name === GOAL.case)?.medians
  if (medians?.['lunkit'] === undefined || medians['tgtd'] === undefined) return ''
  const ratio = medians['lunkit'].rate / medians['tgtd'].rate
  const word = ratio >= GOAL.ratio ? 'met' : 'missed'
  return `\nGoal ${word}: ${GOAL.case} from a cached file is ${ratio.toFixed(2)} times tgtd's, wanted ${GOAL.ratio}.\n`
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
