// SPDX-License-Identifier: Apache-2.0
// The targets of one process: opened together, given connections that somebody else has met, looked at and closed.
import type { Handed, IscsiPort, Reception } from '@lunkit/target-driver-iscsi'
import { readAccess } from '../access-flags.ts'
import { TargetControl } from '../control/commands.ts'
import type { Reply } from '../control/reply.ts'
import { lookAgain } from '../look-again.ts'
import { type Say, sayEvent, sayWaiting } from '../say.ts'
import { targetOptions } from '../serve-options.ts'
import type { Report } from '../signals.ts'
import { openTarget } from '../target-face/create-target.ts'
import type { LunView } from '../target-face/lun.ts'
import { named } from '../target-face/named-error.ts'
import type { RunningTarget } from '../target-face/running-target.ts'
import type { TargetPlan } from './plan.ts'

/** A LUN of one of several targets. */
export interface ServedLun extends LunView {
  readonly target: string
  /** What its names are made of, if they were not given. */
  readonly storage: string
}

/** Where somebody else listens for them. */
export interface Portals {
  /** As they are bound, to be read like `--portal`. */
  readonly texts: string[]
  /** By portal group tag. */
  of(tag: number): Reception
}

interface Open {
  readonly target: RunningTarget
  readonly plan: TargetPlan
  readonly control: TargetControl
  /** By portal group tag. */
  readonly ports: ReadonlyMap<number, IscsiPort>
}

export class Share {
  readonly #open: ReadonlyMap<string, Open>
  readonly #say: Say

  private constructor(open: ReadonlyMap<string, Open>, say: Say) {
    this.#open = open
    this.#say = say
  }

  /** Rejects with OperatorError or UsageError that says which target it is, and then none is open. */
  static async open(plans: readonly TargetPlan[], portals: Portals, say: Say): Promise<Share> {
    const open = new Map<string, Open>()
    try {
      for (const plan of plans) open.set(plan.name, await openOne(plan, portals, say))
    } catch (error) {
      await Promise.allSettled([...open.values()].map(({ target }) => target.close({ graceMs: 0 })))
      throw error
    }
    return new Share(open, say)
  }

  get luns(): ServedLun[] {
    return [...this.#open.values()].flatMap(({ target }) =>
      target.luns.map(lun => ({
        target: target.name,
        ...lun.toJSON(),
        storage: lun.behind.opened.storage,
      })),
    )
  }

  take(target: string, tag: number, handed: Handed): void {
    const port = this.#open.get(target)?.ports.get(tag)
    if (port === undefined) handed.socket.destroy()
    else port.take(handed)
  }

  report(): Report[] {
    return [...this.#open.values()].map(({ target }) => ({
      of: target.name,
      sessions: target.sessions(),
      logins: target.logins(),
    }))
  }

  /** The target has to be one of these. */
  obey(target: string, line: string): Promise<Reply> {
    return this.#open.get(target)!.control.obey(line)
  }

  async look(): Promise<void> {
    for (const { target, plan } of this.#open.values())
      await lookAgain(target, plan.flags, this.#say, target.name)
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ target }) => target.close({ graceMs })))
  }
}

async function openOne(plan: TargetPlan, portals: Portals, say: Say): Promise<Open> {
  const ports = new Map<number, IscsiPort>()
  const reception = {
    of: (tag: number) => portals.of(tag),
    opened: (tag: number, port: IscsiPort) => void ports.set(tag, port),
  }
  try {
    const access = await readAccess(plan.flags)
    const options = targetOptions(plan.luns, { ...plan.flags, portal: portals.texts })
    const waiting = (reason: string): void => sayWaiting(say, reason, plan.name)
    const target = await openTarget({ ...options, ...access, waiting }, reception)
    target.on('event', event => sayEvent(say, event))
    return { target, plan, control: new TargetControl(target), ports }
  } catch (error) {
    throw named(`Target ${plan.name}`, error)
  }
}
