// SPDX-License-Identifier: Apache-2.0
// One run of one case, and the medians of many.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case, isWrite, rateOf } from './cases.ts'
import type { Contestant } from './contestants.ts'
import type { Generator } from './generators/generator.ts'
import { chill, settle, warm } from './images.ts'
import { processorUse } from './processor.ts'

export interface Run {
  /** In the case's unit. */
  readonly rate: number
  /** Processor time of the target a command, in microseconds. */
  readonly cost: number
  /** 99th percentile of the latency in microseconds, or null. */
  readonly p99: number | null
  /** Shares of one core: the load generator, and what is no part of the run. */
  readonly client: number
  readonly others: number
}

/** Above this share of a core, what else runs on the machine spoils the figure. */
export const DISTURBED = 0.1
/** From this share of its core on, the load generator may be what limits the rate. */
export const SATURATED = 0.95
const PAUSE_MS = 1000

/** Runs again while other processes take part and `mayRepeat` allows it; gives the least disturbed run. */
export async function measure(
  generator: Generator,
  contestant: Contestant,
  one: Case,
  seconds: number,
  mayRepeat: (attempt: number) => boolean,
): Promise<Run> {
  let best = await runOnce(generator, contestant, one, seconds)
  for (let attempt = 0; best.others > DISTURBED && mayRepeat(attempt); attempt++) {
    await sleep(PAUSE_MS)
    const again = await runOnce(generator, contestant, one, seconds)
    if (again.others < best.others) best = again
  }
  return best
}

async function runOnce(
  generator: Generator,
  { urls, pid, images }: Contestant,
  one: Case,
  seconds: number,
): Promise<Run> {
  if (one.isCold) for (const image of images) chill(image)
  const before = processorUse(pid)
  const load = await generator.run(urls, one, seconds)
  const after = processorUse(pid)
  if (one.isCold) for (const image of images) warm(image)
  // What it left to be written to the disk would be written during the next one's run.
  if (isWrite(one)) for (const image of images) settle(image)
  return {
    rate: rateOf(one, load.iops),
    cost: ((after.target - before.target) / load.commands) * 1e6,
    p99: load.p99,
    client: load.client ?? (after.client - before.client) / load.seconds,
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
  const of = (key: 'rate' | 'cost' | 'client' | 'others'): number => median(runs.map(run => run[key]))
  const p99 = runs.map(run => run.p99).filter(value => value !== null)
  return {
    rate: of('rate'),
    cost: of('cost'),
    p99: p99.length === 0 ? null : median(p99),
    client: of('client'),
    others: of('others'),
  }
}
