// SPDX-License-Identifier: Apache-2.0
// The measurements that have programs of their own, as parts of the report: starts, and a fast unit beside a slow one.
import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { table } from './table.ts'

/** One row of `start.ts`: a command, and what it costs to start and to keep. */
export interface StartRow {
  readonly command: string
  readonly loginMs: number
  readonly cpuMs: number
  readonly idleMiB: number
  readonly sessionKiB: number
  readonly idlePercent: number
}

/** One row of `slow-unit.ts`: commands a second of the fast unit, alone and beside something slow. */
export interface SlowRow {
  readonly beside: string
  readonly alone: number
  readonly together: number
  readonly slow: number
  readonly ratio: number
}

const execute = promisify(execFile)
/** The benchmark itself keeps to one core, and these share the cores out on their own. */
const ANYWHERE = ['-c', `0-${cpus().length - 1}`, process.execPath]

async function figuresOf(program: string, ...words: string[]): Promise<unknown> {
  const { stdout } = await execute('taskset', [...ANYWHERE, join(import.meta.dirname, program), ...words])
  return JSON.parse(stdout)
}

export async function measureStarts(): Promise<StartRow[]> {
  return (await figuresOf('start.ts', '--json', '--runs', '5', '--seconds', '3')) as StartRow[]
}

export async function measureSlow(): Promise<SlowRow[]> {
  return ((await figuresOf('slow-unit.ts', '1', '3')) as { results: SlowRow[] }).results
}

const whole = (value: number): string => value.toLocaleString('en')

export function startsTable(rows: readonly StartRow[]): string {
  const head = [
    'Command',
    'exec to login, ms',
    'processor, ms',
    'idle, MiB',
    'an idle session, KiB',
    '1,000 idle sessions, % of a core',
  ]
  return table(
    head,
    rows.map(row => Object.values(row).map(String)),
  )
}

export function slowTable(rows: readonly SlowRow[]): string {
  const cells = rows.map(({ beside, alone, together, slow, ratio }) => [
    beside,
    ...[alone, together, slow].map(whole),
    ratio.toFixed(2),
  ])
  return table(['Beside', 'Alone', 'Together', 'The other', 'Together : alone'], cells)
}
