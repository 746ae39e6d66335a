// SPDX-License-Identifier: Apache-2.0
// Who may see and use what of a target: its settings, what leaves a portal open, and what one initiator would see.
import { type Device, OperatorError } from '@lunkit/target-api'
import {
  type AccessAccount,
  type AccessOptions,
  type AccessRule,
  AccessTable,
  type Chap,
  type Explanation,
  explain,
  type PeerCertificate,
} from '@lunkit/target-driver-iscsi'
import { type TargetDevice, TargetEngine } from '@lunkit/target-engine'
import { checkGroups, type GroupLun, hasGroup, settleGroups } from './groups.ts'
import { formatPortal, type Portal } from './portal.ts'
import { findExposed, type SettledPortal } from './portal-settings.ts'

export interface AccessSettings {
  /** CHAP accounts, one of which initiators must prove. An account may give less than others: `group`, `readonly`. */
  readonly chap?: AccessAccount | readonly AccessAccount[]
  /** Initiator names that may log in, with `*` and `?`, and `!` before those that may not; everybody if not given. */
  readonly initiators?: readonly string[]
  /** Addresses and subnets that initiators may come from: `10.0.0.0/8`, `fd00::/8`, `!10.1.0.0/16`. */
  readonly addresses?: readonly string[]
  /** The first rule that fits decides what an initiator gets; who fits none may not log in. */
  readonly rules?: readonly AccessRule[]
  /** LUNs that rules and accounts give by the group's name; a group without LUNs hides the target from its members. */
  readonly groups?: Readonly<Record<string, readonly GroupLun[]>>
  /** Accounts of discovery sessions. If not given, discovery is open, and CHAP is done where the initiator wants it. */
  readonly discoveryChap?: Chap | readonly Chap[]
}

/** Whose view of the target is asked for. */
export interface ViewQuestion {
  /** Its iSCSI name. */
  readonly initiator: string
  /** The address that it comes from: `127.0.0.1` if not given. */
  readonly address?: string
  /** The portal that it comes to; each of the target's if not given. */
  readonly portal?: string
  /** The CHAP user that it proves to be; if not given, all that it could. */
  readonly user?: string
  /** What it shows by TLS. */
  readonly certificate?: PeerCertificate
}

/** For the driver: the settings of one target. */
export function accessOf(target: string, settings: AccessSettings): AccessOptions {
  const { chap, initiators, addresses, rules, discoveryChap } = settings
  return {
    access: {
      [target]: {
        ...(chap !== undefined && { chap }),
        ...(initiators !== undefined && { initiators }),
        ...(addresses !== undefined && { addresses }),
        ...(rules !== undefined && { rules }),
      },
    },
    ...(discoveryChap !== undefined && { discoveryChap }),
  }
}

/** Throws OperatorError where settings would let anybody in from another machine. */
export type OpenGuard = (settings: AccessSettings) => void

export async function openGuard(portals: readonly SettledPortal[], open = false): Promise<OpenGuard> {
  const exposed = open ? undefined : await findExposed(portals)
  return settings => {
    if (exposed === undefined || !letsAnybodyIn(settings)) return
    throw new OperatorError(
      'PORTAL_OPEN',
      `Portal ${formatPortal(exposed)} can be reached from other machines, and anybody could log in`,
      {
        hint: 'set CHAP, a list of initiators or TLS with client certificates, or say --open if that is wanted',
      },
    )
  }
}

function letsAnybodyIn({ chap, initiators, addresses, rules }: AccessSettings): boolean {
  if (asks(initiators) || asks(addresses)) return false
  const hasAccounts = chap !== undefined && [chap].flat().length > 0
  if (rules === undefined) return !hasAccounts
  return rules.some(rule => {
    if (rule.hide === true) return false
    if ([rule.initiators, rule.addresses, rule.portals, rule.certificates].some(asks)) return false
    return rule.chap === 'none' || (rule.chap === undefined && !hasAccounts)
  })
}

const asks = (list: readonly unknown[] | undefined): boolean => list !== undefined && list.length > 0

/** A target that is not served here, as far as access asks for it: its name, LUNs and groups. Throws OperatorError. */
export function declareTarget(
  engine: TargetEngine,
  { name, luns }: { readonly name: string; readonly luns: number },
  settings: AccessSettings,
  absent: Device,
): TargetDevice {
  const target = engine.addTarget({ name })
  const unit = engine.addUnit(absent, NOBODY)
  for (let lun = 0; lun < luns; lun++) target.map(lun, unit)
  declareGroups(target, settings)
  return target
}

/** Groups of a target that was declared. Throws OperatorError. */
export function declareGroups(target: TargetDevice, settings: AccessSettings): void {
  const groups = settleGroups(settings, lun => target.unitAt(lun) !== null)
  for (const [group, places] of groups) {
    target.addGroup(group, [])
    for (const { lun, as, readonly } of places) target.map(as, target.unitAt(lun)!, group, readonly)
  }
  checkGroups(settings, group => hasGroup(target, group))
}

/** What an initiator would see of a target that is not running, with so many LUNs. Throws OperatorError. */
export async function explainAccess(
  target: { readonly name: string; readonly luns: number; readonly portals: readonly Portal[] },
  settings: AccessSettings,
  question: ViewQuestion,
  absent: Device,
): Promise<Explanation[]> {
  const engine = new TargetEngine({ observe: () => undefined, absent })
  try {
    const device = declareTarget(engine, target, settings, absent)
    const table = new AccessTable(accessOf(target.name, settings), () => undefined)
    const { initiator, address = LOCAL, user, certificate = null } = question
    return target.portals.flatMap(({ tag, host, port }) =>
      explain(table, [device], { initiator, address, portal: { tag, host, port }, certificate }, user),
    )
  } finally {
    await engine.close()
  }
}

export const LOCAL = '127.0.0.1'
const NOBODY = { vendor: '', product: '', revision: '', serial: '', naa: new Uint8Array(8) }
