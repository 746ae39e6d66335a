// SPDX-License-Identifier: Apache-2.0
// What lunkit is to reach beside the others, and what it did reach.
import type { StartRow } from './aside.ts'
import { ROWS } from './contestants.ts'
import { type Run, SATURATED } from './measure.ts'
import type { Report, Result } from './report.ts'
import { table } from './table.ts'

/** Whom a figure is compared with. `plain`: lunkit itself, without digests. */
const OPPONENTS = {
  packaged: { head: 'tgtd as packaged', names: ['tgtd'] },
  peer: { head: 'the best tuned peer', names: ROWS.filter(row => row.role === 'tuned').map(row => row.name) },
  limit: { head: 'the bare limit', names: ['limit'] },
  plain: { head: 'itself without digests', names: ['lunkit'] },
} as const
type Opponent = keyof typeof OPPONENTS

interface RatioGoal {
  readonly case: string
  /** Rates are to be so many times the opponent's or more, processor time so many times or less. */
  readonly figure: 'rate' | 'cost'
  readonly wanted: Readonly<Partial<Record<Opponent, number>>>
}

const GOALS: readonly RatioGoal[] = [
  rate('randread-4k-qd1', 1.15, 1, 0.9),
  rate('randread-4k-qd8', 3, 1.5, 0.9),
  rate('randread-4k-qd32', 3, 1.5, 0.9),
  rate('randwrite-4k-qd1', 1.1, 1, 0.85),
  rate('randwrite-4k-qd8', 2, 1.5, 0.85),
  rate('randwrite-4k-qd32', 2, 1.5, 0.85),
  rate('read-128k-qd8', 1.5, 1.2, 0.8),
  rate('write-128k-qd8', 3, 0.9, 0.8),
  rate('read-1024k-qd8', 3, 0.9, 0.8),
  rate('write-1024k-qd8', 2.5, 1, 0.8),
  cost('randread-4k-qd32', 0.4, 1, 1.4),
  cost('randwrite-4k-qd32', 0.4, 1, 1.4),
  ...['randread-4k-qd32', 'read-128k-qd8', 'write-128k-qd8'].map(
    (name): RatioGoal => ({ case: `${name}-digests`, figure: 'rate', wanted: { plain: 0.75 } }),
  ),
  { case: 'randread-4k-qd32-cold', figure: 'rate', wanted: { packaged: 1, peer: 1 } },
  rate('randread-4k-qd4-s64', 3, 1.5, 0.85),
  rate('randwrite-4k-qd4-s64', 3, 1.5, 0.85),
]

function rate(name: string, packaged: number, peer: number, limit: number): RatioGoal {
  return { case: name, figure: 'rate', wanted: { packaged, peer, limit } }
}

function cost(name: string, packaged: number, peer: number, limit: number): RatioGoal {
  return { case: name, figure: 'cost', wanted: { packaged, peer, limit } }
}

/** What a figure of lunkit's own must stay under, or reach. */
const BOUNDS: readonly {
  readonly label: string
  readonly wanted: number
  readonly unit: string
  readonly atLeast?: true
  reached(report: Report): number | undefined
}[] = [
  { label: 'memory, idle', wanted: 80, unit: 'MiB', reached: report => published(report)?.idleMiB },
  { label: 'memory at full load, most', wanted: 200, unit: 'MiB', reached: mostMemory },
  {
    label: 'memory of an idle session',
    wanted: 100,
    unit: 'KiB',
    reached: report => published(report)?.sessionKiB,
  },
  {
    label: 'from exec to the answer to a login',
    wanted: 300,
    unit: 'ms',
    reached: report => published(report)?.loginMs,
  },
  {
    label: 'a fast unit beside a slow one, to itself alone, least',
    wanted: 0.9,
    unit: '',
    atLeast: true,
    reached: ({ slow }) => (slow.length === 0 ? undefined : Math.min(...slow.map(({ ratio }) => ratio))),
  },
]

const published = ({ starts }: Report): StartRow | undefined =>
  starts.find(({ command }) => command === 'published')

function mostMemory({ memory }: Report): number | undefined {
  const own = memory.filter(({ name, serving }) => name === 'lunkit' && serving === 'file')
  return own.length === 0 ? undefined : Math.max(...own.map(({ most }) => most))
}

/** One goal's outcome. `byCost`: the load generator was the limit, so processor time decided. */
export interface Outcome {
  readonly label: string
  readonly against: string
  readonly wanted: string
  readonly reached: string
  /** What the bare limit reaches beside the same opponent: how much room that leaves. */
  readonly bare: string
  readonly verdict: 'met' | 'missed'
  readonly byCost: boolean
}

export function outcomes(report: Report): Outcome[] {
  const ratios = GOALS.flatMap(goal =>
    (Object.keys(goal.wanted) as Opponent[]).flatMap(opponent =>
      ratioOutcome(report.results, goal, opponent),
    ),
  )
  const bounds = BOUNDS.flatMap(({ label, wanted, unit, atLeast, reached }): Outcome[] => {
    const figure = reached(report)
    if (figure === undefined) return []
    const verdict = (atLeast === true ? figure >= wanted : figure < wanted) ? 'met' : 'missed'
    const sign = atLeast === true ? '≥' : '<'
    const value = `${figure.toFixed(atLeast === true ? 2 : 0)} ${unit}`.trim()
    return [
      {
        label,
        against: '',
        wanted: `${sign} ${wanted} ${unit}`.trim(),
        reached: value,
        bare: '',
        verdict,
        byCost: false,
      },
    ]
  })
  return [...ratios, ...bounds]
}

function ratioOutcome(results: readonly Result[], goal: RatioGoal, opponent: Opponent): Outcome[] {
  const find = (name: string): Result | undefined => results.find(result => result.case === name)
  const own = find(goal.case)?.medians['lunkit']
  const theirs = find(opponent === 'plain' ? goal.case.replace('-digests', '-plain') : goal.case)?.medians
  const rivals = OPPONENTS[opponent].names.flatMap(name => theirs?.[name] ?? [])
  if (own === undefined || rivals.length === 0) return []
  const wanted = goal.wanted[opponent]!
  const best = Math.max(...rivals.map(rival => rival.rate))
  const cheapest = Math.min(...rivals.map(rival => rival.cost))
  const rates = own.rate / best
  const costs = own.cost / cheapest
  const bare = opponent === 'limit' ? undefined : theirs?.['limit']
  const bareRatio = (figure: (run: Run) => number, rival: number): string =>
    bare === undefined ? '' : (figure(bare) / rival).toFixed(2)
  const common = {
    label: `${goal.case}${goal.figure === 'cost' ? ', processor time a command' : ''}`,
    against: OPPONENTS[opponent].head,
  }
  if (goal.figure === 'cost') {
    const verdict = costs <= wanted ? 'met' : 'missed'
    const reached = costs.toFixed(2)
    const bareCosts = bareRatio(run => run.cost, cheapest)
    return [{ ...common, wanted: `≤ ${wanted}`, reached, bare: bareCosts, verdict, byCost: false }]
  }
  // A generator at its limit shows its own speed: then the target's work a command says what there is to say.
  const byCost = rates < wanted && own.client >= SATURATED
  const verdict = rates >= wanted || (byCost && 1 / costs >= wanted) ? 'met' : 'missed'
  const reached = byCost ? `${rates.toFixed(2)}† (${(1 / costs).toFixed(2)})` : rates.toFixed(2)
  const bareRates = bareRatio(run => run.rate, best)
  return [{ ...common, wanted: `≥ ${wanted}`, reached, bare: bareRates, verdict, byCost }]
}

const HEADS = ['Goal', 'Beside', 'Wanted', 'Reached', 'The bare limit there', 'Verdict']

export function goalsTable(report: Report): string {
  const all = outcomes(report)
  if (all.length === 0) return ''
  const met = all.filter(({ verdict }) => verdict === 'met').length
  const rows = all.map(one => [one.label, one.against, one.wanted, one.reached, one.bare, one.verdict])
  const note = all.some(({ byCost }) => byCost)
    ? '\n\n† The load generator is the limit: its core was full. In parentheses the ratio of processor time a command, ' +
      'the other target to lunkit, which decides.'
    : ''
  return `${met} of ${all.length} met.\n\n${table(HEADS, rows)}${note}`
}
