// SPDX-License-Identifier: Apache-2.0
// The benchmark's figures as Markdown tables.
import { CASES } from './cases.ts'
import { NAMES, ROWS } from './contestants.ts'
import { type Run, SATURATED } from './measure.ts'
import type { Report, Result } from './report.ts'

/** Columns that hold words, not figures. */
const WORDS = ['Case', 'Unit', 'Target', 'Store', 'Goal', 'Beside', 'Verdict', 'Part', 'Command']

/** Empty without rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  if (rows.length === 0) return ''
  return [line(head), line(head.map(name => (WORDS.includes(name) ? '---' : '--:'))), ...rows.map(line)].join(
    '\n',
  )
}

/** The contestants that have a figure, in the order of the table. */
export const present = (results: readonly Result[]): string[] =>
  NAMES.filter(name => results.some(({ medians }) => medians[name] !== undefined))

/** In the order of the cases' table, however they were measured. */
const inOrder = (results: readonly Result[]): Result[] =>
  CASES.flatMap(({ name }) => results.find(result => result.case === name) ?? [])

/** Rates, with ratios of lunkit to the others. */
export function ratesTable({ results }: Report): string {
  const names = present(results)
  const ratios = RATIOS.filter(({ rivals }) => rivals.some(name => names.includes(name)))
  const rows = inOrder(results).map(({ case: name, medians }) => [
    name,
    CASES.find(one => one.name === name)!.unit,
    ...names.map(one =>
      cell(medians[one], ({ rate, client }) => `${whole(rate)}${client >= SATURATED ? '†' : ''}`),
    ),
    ...ratios.map(({ rivals }) => ratioCell(medians, rivals)),
  ])
  const heads = ratios.map(({ head }) => `lunkit : ${head}`)
  return table(['Case', 'Unit', ...names, ...heads], rows)
}

/** Processor time of the target a command, in microseconds. */
export function costTable({ results }: Report): string {
  return figures(inOrder(results), run => run.cost.toFixed(1))
}

/** 99th percentile of the latency, in microseconds. Empty if no generator gave one. */
export function latencyTable({ results }: Report): string {
  const told = inOrder(results).filter(({ medians }) =>
    Object.values(medians).some(({ p99 }) => p99 !== null),
  )
  return figures(told, run => (run.p99 === null ? '–' : whole(run.p99)))
}

export function memoryTable({ memory }: Report): string {
  const rows = memory.map(({ name, serving, idle, now, most }) => [
    name,
    serving,
    ...[idle, now, most].map(value => value.toFixed(0)),
  ])
  return table(['Target', 'Store', 'Idle', 'At the end', 'Most'], rows)
}

function figures(results: readonly Result[], text: (run: Run) => string): string {
  const names = present(results)
  const rows = results.map(result => [result.case, ...names.map(name => cell(result.medians[name], text))])
  return table(['Case', ...names], rows)
}

const PEERS = ROWS.filter(({ role }) => role === 'packaged' || role === 'tuned').map(({ name }) => name)
const RATIOS = [
  ...ROWS.filter(({ role }) => role === 'packaged').map(({ name }) => ({ head: name, rivals: [name] })),
  { head: 'best', rivals: PEERS },
  { head: 'limit', rivals: ['limit'] },
]

function ratioCell(medians: Result['medians'], rivals: readonly string[]): string {
  const rates = rivals.flatMap(name => medians[name]?.rate ?? [])
  return cell(
    rates.length === 0 ? undefined : medians['lunkit'],
    ({ rate }) => `×${(rate / Math.max(...rates)).toFixed(2)}`,
  )
}

const cell = (run: Run | undefined, text: (run: Run) => string): string =>
  run === undefined ? '–' : text(run)
const whole = (value: number): string => Math.round(value).toLocaleString('en')
