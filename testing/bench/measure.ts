// SPDX-License-Identifier: Apache-2.0
// One run of one case, and the medians of many.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, rateOf } from './cases.ts'
import type { Contestant } from './contestants.ts'
import type { Generator } from './generators.ts'
import { processorUse } from './processor.ts'

export interface Run {
  /** In the case's unit. */
  readonly rate: number
  /** Processor time of the target a command, in microseconds. */
  readonly cost: number
  /** Shares of one core: the load generator, and what is no part of the run. */
  readonly client: number
  readonly others: number
}

/** Above this share of a core, what else runs on the machine spoils the figure. */
export const DISTURBED = 0.1
const PAUSE_MS = 2000

/** Runs again, up to `retries` times, while other processes take part; gives the least disturbed run. */
export async function measure(
  generator: Generator,
  contestant: Contestant,
  one: Case,
  seconds: number,
  retries: number,
): Promise<Run> {
  let best = await runOnce(generator, contestant, one, seconds)
  for (let attempt = 0; attempt < retries && best.others > DISTURBED; attempt++) {
    await sleep(PAUSE_MS)
    const again = await runOnce(generator, contestant, one, seconds)
    if (again.others < best.others) best = again
  }
  return best
}

async function runOnce(
  generator: Generator,
  { url, pid }: Contestant,
  one: Case,
  seconds: number,
): Promise<Run> {
  const before = processorUse(pid)
  const load = await generator.run(url, one, seconds)
  const after = processorUse(pid)
  return {
    rate: rateOf(one, load.iops),
    cost: ((after.target - before.target) / load.commands) * 1e6,
    client: (after.client - before.client) / load.seconds,
    others: (after.others - before.others) / load.seconds,
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Figure by figure. */
export function medianRun(runs: readonly Run[]): Run {
  const of = (key: keyof Run): number => median(runs.map(run => run[key]))
  return { rate: of('rate'), cost: of('cost'), client: of('client'), others: of('others') }
}
