// SPDX-License-Identifier: Apache-2.0
// Runs the cases: on every contestant in turn, so that a drift of the machine's speed meets all of them.
import type { Case, Serving } from './cases.ts'
import { type Contestant, entrants, start } from './contestants.ts'
import type { Generator } from './generators/generator.ts'
import type { Folders } from './images.ts'
import { DISTURBED, measure, medianRun, type Run } from './measure.ts'
import { memoryOf } from './processor.ts'
import type { Progress } from './progress.ts'
import type { Memory, Report } from './report.ts'

const WARM_UP_SECONDS = 1

export interface Plan {
  readonly cases: readonly Case[]
  readonly targets: readonly string[]
  readonly runs: number
  readonly seconds: number
  readonly retries: number
  readonly folders: Folders
  readonly imageBytes: number
  readonly core: number
}

/** Runs that the plan has still to make, with one to warm up before those of a case. */
export const runsOf = ({ cases, targets, runs }: Plan): number =>
  cases.reduce((sum, one) => sum + (1 + runs) * entrants(one, targets).length, 0)

/** Fills the report; `keep` is called whenever there is something new in it. Who fails is named there and left out. */
export async function runMatrix(
  plan: Plan,
  generator: Generator,
  report: Report,
  progress: Progress,
  keep: () => void,
): Promise<void> {
  const groups = Map.groupBy(plan.cases, servingName)
  for (const [serving, cases] of groups) {
    const team = new Team(plan, cases[0]!, report)
    try {
      for (const one of cases) {
        await runCase(plan, generator, one, team, report, progress)
        keep()
      }
      report.memory.splice(0, Infinity, ...replaced(report.memory, team.memory(serving)))
    } finally {
      await team.stop()
    }
    keep()
  }
}

/** What is known of memory, with the rows of a part that was resumed in place of those before. */
export const replaced = (known: readonly Memory[], fresh: readonly Memory[]): Memory[] => [
  ...known.filter(old => !fresh.some(one => one.name === old.name && one.serving === old.serving)),
  ...fresh,
]

const servingName = ({ store, luns, onDisk }: Serving): string =>
  [store, onDisk ? 'disk' : '', luns > 1 ? `${luns} LUNs` : ''].filter(word => word !== '').join(', ')

async function runCase(
  plan: Plan,
  generator: Generator,
  one: Case,
  team: Team,
  report: Report,
  progress: Progress,
): Promise<void> {
  const runs = new Map<string, Run[]>(entrants(one, plan.targets).map(name => [name, []]))
  let disturbed = 0
  // What a compiler makes of a road while it is new is no part of the figure; nor is what a file system does at its first touch.
  for (const name of runs.keys()) {
    progress.begin(`${one.name} ${name}`)
    await team
      .get(name)
      .then(it => measure(generator, it, one, Math.min(plan.seconds, WARM_UP_SECONDS), () => false))
      .catch(() => team.drop(name))
    progress.end()
  }
  for (let round = 0; round < plan.runs; round++) {
    for (const [name, all] of runs) {
      progress.begin(`${one.name} ${name}`)
      const mayRepeat = (attempt: number): boolean => attempt < plan.retries && progress.hasTimeToSpare()
      try {
        const run = await secondTime(
          () => team.get(name).then(it => measure(generator, it, one, plan.seconds, mayRepeat)),
          async error => {
            progress.say(`${one.name} on ${name} is tried again: ${firstLine(error)}`)
            await team.drop(name)
          },
        )
        if (run.others > DISTURBED) disturbed++
        all.push(run)
      } catch (error) {
        report.failures.push(`${one.name} on ${name}: ${firstLine(error)}`)
        progress.say(report.failures.at(-1)!)
        runs.delete(name)
        await team.drop(name)
      }
      progress.end()
    }
  }
  if (runs.size === 0) return
  const medians = Object.fromEntries([...runs].map(([name, all]) => [name, medianRun(all)]))
  report.results.push({ case: one.name, medians, disturbed })
}

/** Load generators hang now and then, whatever the target: what failed once may have been bad luck. */
async function secondTime<T>(
  use: () => Promise<T>,
  onFailure: (error: unknown) => Promise<void>,
): Promise<T> {
  try {
    return await use()
  } catch (error) {
    await onFailure(error)
    return use()
  }
}

const firstLine = (error: unknown): string => (error as Error).message.split('\n', 1)[0]!

/** The contestants of some cases: started when first wanted, ended together. One that failed is started anew. */
class Team {
  readonly #plan: Plan
  readonly #serving: Serving
  readonly #report: Report
  readonly #members = new Map<string, Contestant>()

  constructor(plan: Plan, serving: Serving, report: Report) {
    this.#plan = plan
    this.#serving = serving
    this.#report = report
  }

  async get(name: string): Promise<Contestant> {
    const { core, folders, imageBytes } = this.#plan
    const folder = this.#serving.onDisk ? folders.disk : folders.memory
    const member = this.#members.get(name) ?? (await start(name, core, folder, this.#serving, imageBytes))
    this.#members.set(name, member)
    return member
  }

  memory(serving: string): Memory[] {
    return [...this.#members.values()].map(({ name, pid, idleMemory }) => ({
      name,
      serving,
      idle: idleMemory,
      ...memoryOf(pid),
    }))
  }

  async drop(name: string): Promise<void> {
    const member = this.#members.get(name)
    this.#members.delete(name)
    try {
      await member?.stop()
    } catch (error) {
      this.#report.failures.push(`${name}: ${firstLine(error)}`)
    }
  }

  async stop(): Promise<void> {
    for (const name of [...this.#members.keys()]) await this.drop(name)
  }
}
