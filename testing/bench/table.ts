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

type Named = Pick<Contestant, 'name' | 'store' | 'role'>

/** From this share of its core on, the load generator may be what limits the rate. */
const SATURATED = 0.95

export function markdown(
  results: readonly Result[],
  contestants: readonly Named[],
  memory: readonly Memory[],
): string {
  const names = contestants.map(({ name }) => name)
  const ratios = ratiosOf(contestants)
  const rates = results.map(({ case: one, medians }) => [
    one.name,
    one.unit,
    ...names.map(name => rateCell(medians[name]!)),
    ...ratios.map(ratio => ratio.of(medians)),
  ])
  const costs = results.map(({ case: one, medians }) => [
    one.name,
    ...names.map(name => medians[name]!.cost.toFixed(1)),
  ])
  const sizes = memory.map(({ name, now, most }) => [name, now.toFixed(0), most.toFixed(0)])
  return [
    'Rates († the load generator was at its limit), and ratios of lunkit to others on the same kind of store:',
    table(['Case', 'Unit', ...names, ...ratios.map(({ head }) => head)], rates),
    "The target's processor time a command, in microseconds:",
    table(['Case', ...names], costs),
    'Resident memory of the target, in MiB:',
    table(['Target', 'At the end', 'Most'], sizes),
  ].join('\n\n')
}

interface Ratio {
  readonly head: string
  readonly of: (medians: Result['medians']) => string
}

/** lunkit to the packaged targets each, to the best of all, and to the bare limit. */
function ratiosOf(contestants: readonly Named[]): Ratio[] {
  const ratios: Ratio[] = []
  for (const own of contestants.filter(({ role }) => role === 'own')) {
    const others = contestants.filter(({ role, store }) => role !== 'own' && store === own.store)
    const peers = others.filter(({ role }) => role !== 'limit')
    const to = (names: readonly Named[], what: string): void => {
      if (names.length === 0) return
      const of = (medians: Result['medians']): string => {
        const best = Math.max(...names.map(({ name }) => medians[name]!.rate))
        return `×${(medians[own.name]!.rate / best).toFixed(2)}`
      }
      ratios.push({ head: `${own.name} : ${what}`, of })
    }
    for (const packaged of peers.filter(({ role }) => role === 'packaged')) to([packaged], packaged.name)
    if (peers.length > 1) to(peers, 'best')
    for (const limit of others.filter(({ role }) => role === 'limit')) to([limit], limit.name)
  }
  return ratios
}

const rateCell = ({ rate, client }: Run): string =>
  `${Math.round(rate).toLocaleString('en')}${client >= SATURATED ? '†' : ''}`

/** Columns that hold words, not figures. */
const WORDS = ['Case', 'Unit', 'Target']

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(name => (WORDS.includes(name) ? '---' : '--:'))), ...rows.map(line)].join(
    '\n',
  )
}
