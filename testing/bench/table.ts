// SPDX-License-Identifier: Apache-2.0
// The benchmark's figures as Markdown tables.
import type { Case } from './cases.ts'
import type { Contestant } from './contestants.ts'
import type { Run } from './measure.ts'

/** Medians of one case, by contestant's name. */
export interface Result {
  readonly case: Case
  readonly medians: Readonly<Record<string, Run>>
}

export interface Memory {
  readonly name: string
  readonly now: number
  readonly most: number
}

type Named = Pick<Contestant, 'name' | 'store' | 'isPeer'>

/** From this share of its core on, the load generator may be what limits the rate. */
const SATURATED = 0.95

export function markdown(
  results: readonly Result[],
  contestants: readonly Named[],
  memory: readonly Memory[],
): string {
  const names = contestants.map(({ name }) => name)
  const rates = results.map(({ case: one, medians }) => [
    one.name,
    one.unit,
    ...contestants.map(who => rateCell(medians, who, peerOf(who, contestants))),
  ])
  const costs = results.map(({ case: one, medians }) => [
    one.name,
    ...names.map(name => medians[name]!.cost.toFixed(1)),
  ])
  const sizes = memory.map(({ name, now, most }) => [name, now.toFixed(0), most.toFixed(0)])
  return [
    'Rates, with the ratio to tgtd on the same kind of store († the load generator was at its limit):',
    table(['Case', 'Unit', ...names], rates),
    "The target's processor time a command, in microseconds:",
    table(['Case', ...names], costs),
    'Resident memory of the target, in MiB:',
    table(['Target', 'At the end', 'Most'], sizes),
  ].join('\n\n')
}

const peerOf = (who: Named, all: readonly Named[]): Named | undefined =>
  who.isPeer ? undefined : all.find(other => other.isPeer && other.store === who.store)

function rateCell(medians: Result['medians'], who: Named, peer: Named | undefined): string {
  const { rate, client } = medians[who.name]!
  const ratio = peer === undefined ? '' : ` (×${(rate / medians[peer.name]!.rate).toFixed(2)})`
  return `${Math.round(rate).toLocaleString('en')}${client >= SATURATED ? '†' : ''}${ratio}`
}

/** Columns that hold words, not figures. */
const WORDS = ['Case', 'Unit', 'Target']

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(name => (WORDS.includes(name) ? '---' : '--:'))), ...rows.map(line)].join(
    '\n',
  )
}
