// SPDX-License-Identifier: Apache-2.0
// What a file comes to: targets with all their settings, each in its process, and what they share.
import type { TargetFlags } from '../serve-options.ts'
import { checkTargetName, defaultTargetName } from '../target-face/identity.ts'
import type { LunSpec } from '../target-face/lun-spec.ts'
import { parsePortal } from '../target-face/portal.ts'
import { UsageError } from '../usage-error.ts'
import type { Config } from './config-file.ts'

/** Plain data: it goes to the process that serves the target. */
export interface TargetPlan {
  readonly name: string
  readonly luns: readonly (string | LunSpec)[]
  readonly flags: TargetFlags
}

export interface Plan {
  /** What all targets share: portals, limits, TLS, iSNS. */
  readonly flags: TargetFlags
  /** By process; one list is for the process that has the portals, too. */
  readonly processes: readonly (readonly TargetPlan[])[]
}

/** Keys that only who has the portals goes by. */
const SHARED = ['isns', 'isnsEntity', 'isnsEsiPort'] as const satisfies readonly (keyof TargetFlags)[]

/** `processes` comes before what the file says. Throws UsageError and OperatorError. */
export function planOf(config: Config, processes: number | null, state: string): Plan {
  const count = processes ?? config.processes ?? 1
  const flags: TargetFlags = { state, ...config.flags }
  const own = { ...flags }
  for (const key of SHARED) delete own[key]
  const shares: TargetPlan[][] = Array.from({ length: count }, () => [])
  const names = new Map<string, string>()
  for (const [at, { where, luns, process, flags: given }] of config.targets.entries()) {
    if (given.name === undefined && config.targets.length > 1)
      throw wrong(`${where}.name is missing`, 'each of several targets needs its own')
    const name = given.name === undefined ? defaultTargetName() : checkTargetName(given.name)
    const twin = names.get(name)
    if (twin !== undefined) throw wrong(`${where} and ${twin} have one name`, 'give each its own')
    names.set(name, where)
    if (process !== null && count > 1 && process > count) {
      const hint = `--processes ${process} has that many`
      throw wrong(`${where}.process is ${process}, but there are ${count} processes`, hint)
    }
    const share = shares[count === 1 ? 0 : process === null ? at % count : process - 1]!
    share.push({ name, luns, flags: { ...own, ...given, name } })
  }
  if (count > 1 && (flags.portal ?? []).some(portal => parsePortal(portal).tls))
    throw wrong(
      'a portal has TLS, which one process has to do for all targets',
      'leave out --processes, or give the portal to a tunnel such as stunnel',
    )
  return { flags, processes: shares.filter(share => share.length > 0) }
}

const wrong = (what: string, hint: string): UsageError =>
  new UsageError('CONFIG_FILE', `Configuration: ${what}`, hint)
