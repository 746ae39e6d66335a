// SPDX-License-Identifier: Apache-2.0
// What the benchmark is told on its command line.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, type Case, isInSet, SETS, type SetName, SMOKE } from './cases.ts'
import { NAMES, USUAL } from './contestants.ts'
import { CURVES } from './curves.ts'
import { REPORT } from './docs.ts'
import { type Folders, SHARED_MEMORY } from './images.ts'

export interface Options {
  readonly cases: readonly Case[]
  readonly targets: readonly string[]
  readonly runs: number
  readonly seconds: number
  readonly retries: number
  readonly minutes: number
  readonly imageBytes: number
  readonly folders: Folders
  /** Names of the curves to measure. */
  readonly curves: readonly string[]
  /** Also starts, and a fast unit beside a slow one. */
  readonly aside: boolean
  readonly profile: boolean
  readonly docs: boolean
  readonly json: boolean
  readonly resume: boolean
  /** Path of the report. */
  readonly out: string
}

interface SetRow {
  readonly seconds: number
  readonly minutes: number
  readonly curves: boolean
  readonly aside: boolean
  readonly profile: boolean
}

/** What goes with a set, if nothing else is asked for. */
const SET_ROWS: Readonly<Record<SetName, SetRow>> = {
  quick: { seconds: 1, minutes: 5, curves: false, aside: false, profile: false },
  goals: { seconds: 1.5, minutes: 12, curves: false, aside: true, profile: false },
  full: { seconds: 1, minutes: 30, curves: true, aside: true, profile: true },
}
const CURVE_NAMES = CURVES.map(({ name }) => name)
const USAGE = `npm run bench -- [options]
  --set NAME       ${SETS.join(', ')}: how much is measured (quick)
  --only RE        cases of the full set whose name matches, and nothing else; --list shows them
  --list           the names of the cases, and their sets
  --peers          all targets: ${NAMES.join(', ')}
  --targets A,B    these of them (${USUAL.join(', ')})
  --runs N         runs of each case on each target (3)
  --seconds S      length of a run (quick and full 1, goals 1.5)
  --retries N      repeat a run that other processes disturbed up to N times, (3)
  --minutes M      ... while there is time (quick 5, goals 12, full 30)
  --size MIB       size of a target's images (256)
  --folder PATH    where images of cached cases lie, written full and read once (shared memory)
  --disk-folder P  those of cases named -cold and -disk (the temporary files)
  --curves A,B     also how lunkit grows with ${CURVE_NAMES.join(', ')} (of full: all; none)
  --profile        also where the time of a command goes (of full); needs perf
  --out FILE       where the report is kept after each case (lunkit-bench.json of the temporary files)
  --resume         go on with the report that is there
  --docs           write tables and pictures into docs/performance.md; the report is docs/performance/results.json
  --smoke          one short case, to see that the benchmark works
  --json           the report as JSON
FIO=PATH names an fio with the libiscsi engine ('sh testing/bench/fio.sh' builds one on Debian); without it iscsi-perf
and qemu-img measure, and cases with several sessions or LUNs, the mix and cold files are left out.
The targets run on core 0, the load generator on core 1.
`

/** Ends the process where help or the list was asked for. Throws an Error for what cannot be. */
export function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      set: { type: 'string', default: 'quick' },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      targets: { type: 'string', default: USUAL.join(',') },
      peers: { type: 'boolean', default: false },
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string' },
      retries: { type: 'string', default: '3' },
      minutes: { type: 'string' },
      size: { type: 'string', default: '256' },
      folder: { type: 'string', default: SHARED_MEMORY },
      'disk-folder': { type: 'string', default: tmpdir() },
      curves: { type: 'string' },
      profile: { type: 'boolean', default: false },
      out: { type: 'string' },
      resume: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) print(USAGE)
  if (values.list) print(CASES.map(({ name, set }) => `${name.padEnd(32)} ${set}\n`).join(''))
  const set = SETS.find(name => name === values.set)
  if (set === undefined) throw new Error(`--set wants one of ${SETS.join(', ')}, not '${values.set}'`)
  const { seconds, minutes, curves, aside, profile } = SET_ROWS[set]
  const alone = values.only !== undefined || values.smoke
  const common = {
    cases: chooseCases(set, values.smoke ? `^${SMOKE}$` : values.only),
    targets: chooseNames('target', values.peers ? NAMES.join(',') : values.targets, NAMES),
    curves: chooseNames(
      'curve',
      values.curves ?? (curves && !alone ? CURVE_NAMES.join(',') : ''),
      CURVE_NAMES,
    ),
    aside: aside && !alone,
    profile: values.profile || (profile && !alone),
    folders: { memory: values.folder, disk: values['disk-folder'] },
    docs: values.docs,
    json: values.json,
    resume: values.resume,
    out: values.out ?? (values.docs ? REPORT : join(tmpdir(), 'lunkit-bench.json')),
  }
  if (values.smoke) return { ...common, runs: 1, seconds: 0.1, retries: 0, minutes: 1, imageBytes: 16 << 20 }
  return {
    ...common,
    runs: positive('runs', values.runs),
    seconds: positive('seconds', values.seconds ?? String(seconds)),
    retries: Number(values.retries),
    minutes: positive('minutes', values.minutes ?? String(minutes)),
    imageBytes: positive('size', values.size) * 2 ** 20,
  }
}

function print(text: string): never {
  process.stdout.write(text)
  process.exit(0)
}

function chooseCases(set: SetName, only: string | undefined): Case[] {
  if (only === undefined) return CASES.filter(one => isInSet(one, set))
  const pattern = new RegExp(only)
  const chosen = CASES.filter(({ name }) => pattern.test(name))
  if (chosen.length === 0) throw new Error(`No case matches '${only}'; --list shows them`)
  return chosen
}

/** Some of `all`, parted by commas; an empty text is none. */
function chooseNames(what: string, text: string, all: readonly string[]): string[] {
  const names = text === '' ? [] : text.split(',')
  const stray = names.find(name => !all.includes(name))
  if (stray !== undefined) throw new Error(`No ${what} is named '${stray}'; there are ${all.join(', ')}`)
  return all.filter(name => names.includes(name))
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0) return value
  throw new Error(`--${name} wants a number above zero, not '${text}'`)
}
