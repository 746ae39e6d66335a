// SPDX-License-Identifier: Apache-2.0
// All of `lunkit run`: the portals, and the processes that serve the targets behind them.
import { OperatorError } from '@lunkit/target-api'
import { DEFAULT_LIMITS } from '@lunkit/target-driver-iscsi'
import { type Addressee, dispatcher } from '../control/dispatcher.ts'
import type { Obey } from '../control/reply.ts'
import { describeError } from '../exit.ts'
import { type Say, sayEvent } from '../say.ts'
import type { Report } from '../signals.ts'
import { parseGuard } from '../target-face/guard.ts'
import { Front } from './front.ts'
import { OwnProcess } from './own-process.ts'
import type { Plan } from './plan.ts'
import { refuseCaptures } from './refuse-captures.ts'
import type { Serving } from './serving.ts'
import type { Portals, ServedLun } from './share.ts'
import { ThisProcess } from './this-process.ts'

/** Longest that a login waits for a process that is started again. */
const HOLD_MS = 5000

export class Fleet {
  /** As bound: `127.0.0.1:3260`. */
  readonly addresses: readonly string[]
  readonly luns: readonly ServedLun[]
  /** Control lines, for whichever target they name. */
  readonly obey: Obey
  readonly #plan: Plan
  readonly #front: Front
  readonly #servings: readonly Serving[]
  readonly #say: Say

  private constructor(
    plan: Plan,
    front: Front,
    servings: readonly Serving[],
    luns: readonly ServedLun[],
    say: Say,
  ) {
    this.addresses = front.addresses
    this.luns = luns
    this.obey = dispatcher(addresseesOf(plan, servings))
    this.#plan = plan
    this.#front = front
    this.#servings = servings
    this.#say = say
  }

  /** Rejects with OperatorError or UsageError, and then nothing is left. */
  static async open(plan: Plan, say: Say): Promise<Fleet> {
    await refuseCaptures(plan)
    let front: Front | null = null
    const portals = (): Portals => front!.portals
    const servings = servingsOf(plan, portals, say)
    const byTarget = new Map(
      plan.processes.flatMap((plans, at) => plans.map(({ name }) => [name, servings[at]!])),
    )
    front = await Front.open(
      plan,
      arrival => byTarget.get(arrival.target)!.give(arrival),
      event => sayEvent(say, event),
    )
    try {
      const opened = await Promise.allSettled(servings.map(serving => serving.open()))
      const luns = opened.flatMap(one => {
        if (one.status === 'rejected') throw one.reason
        return one.value
      })
      refuseTwins(luns)
      return new Fleet(plan, front, servings, luns, say)
    } catch (error) {
      await Promise.allSettled([front.close(), ...servings.map(serving => serving.close(0))])
      throw error
    }
  }

  /** Those that serve, with their targets. */
  get processes(): { readonly pid: number; readonly targets: readonly string[] }[] {
    return this.#servings.map(({ pid }, at) => ({
      pid: pid ?? process.pid,
      targets: this.#plan.processes[at]!.map(({ name }) => name),
    }))
  }

  async report(): Promise<readonly Report[]> {
    const reports = await Promise.all(this.#servings.map(serving => serving.report()))
    return [...reports.flat(), this.#front.report()]
  }

  async look(): Promise<void> {
    try {
      await this.#front.readAccess()
    } catch (error) {
      // Each process reads the same, and tells what is wrong with it; discovery goes on as it was.
      sayEvent(this.#say, { type: 'warning', reason: `Discovery: ${describeError(error).message}` })
    }
    for (const serving of this.#servings) serving.look()
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([this.#front.close(), ...this.#servings.map(serving => serving.close(graceMs))])
  }
}

const addresseesOf = ({ processes }: Plan, servings: readonly Serving[]): Addressee[] =>
  processes.flatMap((plans, at) =>
    plans.map(({ name }) => ({
      name,
      get serves() {
        return servings[at]!.serves
      },
      obey: line => servings[at]!.obey(name, line),
    })),
  )

function servingsOf({ processes, flags }: Plan, portals: () => Portals, say: Say): Serving[] {
  if (processes.length === 1) return [new ThisProcess(processes[0]!, portals, say)]
  const { loginTimeoutMs = DEFAULT_LIMITS.loginTimeoutMs } = parseGuard(flags.limit ?? [], [])
  const holdMs = Math.min(HOLD_MS, loginTimeoutMs / 2)
  return processes.map((plans, at) => new OwnProcess({ number: at + 1, plans, portals, holdMs, say }))
}

/** As within one target: two disks of one serial would be one to multipath software, which then mixes them. */
function refuseTwins(luns: readonly ServedLun[]): void {
  const bySerial = new Map<string, ServedLun>()
  for (const one of luns) {
    const other = bySerial.get(one.serial)
    bySerial.set(one.serial, one)
    if (other === undefined || other.storage === one.storage) continue
    const names = [other, one].map(({ target, lun }) => `LUN ${lun} of ${target}`).join(' and ')
    throw new OperatorError('SERIAL_TWICE', `${names} have one serial number`, {
      hint: 'give each its own, or none',
    })
  }
}
