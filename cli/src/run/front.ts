// SPDX-License-Identifier: Apache-2.0
// The portals that targets share: they listen, answer discovery for all, and hand each login to whom it is for.
import type { Observer } from '@lunkit/target-api'
import {
  type AccessOptions,
  driver,
  type HandOver,
  type IscsiPort,
  type IsnsRegistration,
  registerWithIsns,
} from '@lunkit/target-driver-iscsi'
import { type TargetDevice, TargetEngine } from '@lunkit/target-engine'
import { readAccess } from '../access-flags.ts'
import { targetOptions } from '../serve-options.ts'
import type { Report } from '../signals.ts'
import { type AccessSettings, accessOf, declareGroups, declareTarget } from '../target-face/access.ts'
import { guarded, isnsOptions, openAbsent } from '../target-face/create-target.ts'
import { hasGroup } from '../target-face/groups.ts'
import { byTag } from '../target-face/port-groups.ts'
import { formatPortal } from '../target-face/portal.ts'
import { portalOptions, settlePortals } from '../target-face/portal-settings.ts'
import { openWatch } from '../target-face/watch.ts'
import type { Plan, TargetPlan } from './plan.ts'
import type { Portals } from './share.ts'

/** A target as discovery needs to know it. */
interface Declared {
  readonly plan: TargetPlan
  readonly device: TargetDevice
  settings: AccessSettings
}

export class Front {
  readonly portals: Portals
  /** As bound: `127.0.0.1:3260`. */
  readonly addresses: readonly string[]
  readonly #engine: TargetEngine
  readonly #ports: readonly IscsiPort[]
  readonly #declared: readonly Declared[]
  readonly #isns: IsnsRegistration | null

  private constructor(
    engine: TargetEngine,
    ports: readonly IscsiPort[],
    declared: readonly Declared[],
    isns: IsnsRegistration | null,
  ) {
    this.#engine = engine
    this.#ports = ports
    this.#declared = declared
    this.#isns = isns
    this.addresses = ports.flatMap(port => port.portals.map(formatPortal))
    const receptions = new Map(ports.map(port => [port.relativeId, port.reception]))
    this.portals = { texts: textsOf(ports), of: tag => receptions.get(tag)! }
  }

  /** Rejects with OperatorError or UsageError. Logins may come before it resolves. */
  static async open({ flags, processes }: Plan, handOver: HandOver, observe: Observer): Promise<Front> {
    const plans = processes.flat()
    const { portal, tls, isns, watch, ...options } = targetOptions([], flags)
    const groups = byTag(settlePortals(portal!, tls))
    const engine = new TargetEngine({ observe, absent: await openAbsent() })
    const ports: IscsiPort[] = []
    try {
      const absent = await openAbsent()
      const declared: Declared[] = []
      for (const plan of plans) {
        const settings = await readAccess(plan.flags)
        const facts = { name: plan.name, luns: plan.luns.length }
        declared.push({ plan, settings, device: declareTarget(engine, facts, settings, absent) })
      }
      const { limits, ...negotiated } = guarded(options)
      const watched = await openWatch(watch ?? {}, limits, observe)
      for (const [tpgt, group] of groups) {
        ports.push(
          await driver.start(engine, {
            limits,
            ...negotiated,
            ...watched.settings,
            ...accessOfAll(declared),
            portals: group.map(portalOptions),
            tpgt,
            handOver,
          }),
        )
      }
      const registration = isns === undefined ? null : await registerWithIsns(engine, isnsOptions(isns))
      return new Front(engine, ports, declared, registration)
    } catch (error) {
      await Promise.all(ports.map(port => port.stop(0)))
      await engine.close()
      throw error
    }
  }

  /** Discovery sessions, and what became of connections that were not handed over. */
  report(): Report {
    return {
      of: 'discovery',
      sessions: this.#ports.flatMap(port => port.watch.sessions()),
      logins: this.#ports.map(port => port.watch.logins()),
    }
  }

  /**
   * Reads the files of accounts and rules anew. Where they are wrong, discovery goes on by the old ones, as the target
   * does, which tells why. Throws OperatorError if targets do not agree with each other, and then nothing has changed.
   */
  async readAccess(): Promise<void> {
    for (const one of this.#declared) {
      const settings = await readAccess(one.plan.flags).catch(() => one.settings)
      for (const group of Object.keys(one.settings.groups ?? {})) one.device.removeGroup(group)
      one.settings = declaredAs(one.device, settings) ?? declaredAs(one.device, one.settings)!
    }
    const access = accessOfAll(this.#declared)
    for (const port of this.#ports) port.access.set(access)
  }

  async close(): Promise<void> {
    await Promise.all([this.#isns?.close(), ...this.#ports.map(port => port.stop(0))])
    await this.#engine.close()
  }
}

/** Null, and no group, if the settings do not fit the target. */
function declaredAs(device: TargetDevice, settings: AccessSettings): AccessSettings | null {
  try {
    declareGroups(device, settings)
    return settings
  } catch {
    for (const group of Object.keys(settings.groups ?? {}))
      if (hasGroup(device, group)) device.removeGroup(group)
    return null
  }
}

function accessOfAll(declared: readonly Declared[]): AccessOptions {
  const all = declared.map(({ plan, settings }) => accessOf(plan.name, settings))
  return Object.assign({}, ...all, { access: Object.assign({}, ...all.map(({ access }) => access)) })
}

/** As `--portal` takes them, with the ports that were picked. */
function textsOf(ports: readonly IscsiPort[]): string[] {
  return ports.flatMap(({ relativeId, reception }) =>
    reception.listeners.map(({ portal, advertise, tls }) => {
      const words = [formatPortal(portal), relativeId]
      if (tls !== null) words.push('tls')
      if (advertise !== null) words.push(`advertise=${formatPortal(advertise)}`)
      return words.join(',')
    }),
  )
}
