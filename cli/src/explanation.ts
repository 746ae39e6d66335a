// SPDX-License-Identifier: Apache-2.0
// `lunkit serve --explain`: what an initiator would see of the target, and why, for people and as JSON.
import { isIP } from 'node:net'
import { parseIscsiName } from '@lunkit/spec'
import type { Explanation } from '@lunkit/target-driver-iscsi'
import { type AccessSettings, explainAccess, openGuard, type ViewQuestion } from './target-face/access.ts'
import type { TargetOptions } from './target-face/create-target.ts'
import { checkTargetName, defaultTargetName } from './target-face/identity.ts'
import { formatPortal, type Portal, parsePortal } from './target-face/portal.ts'
import { settlePortals } from './target-face/portal-settings.ts'
import { UsageError } from './usage-error.ts'

export interface ExplainFlags {
  readonly explain?: string
  readonly explainAddress?: string
  readonly explainPortal?: string
  readonly explainUser?: string
}

/** Nothing is opened or listened on, and what would be refused at the start is refused here. Rejects with OperatorError. */
export async function explainServe(
  flags: ExplainFlags & { readonly json?: true },
  settings: AccessSettings,
  { luns, portal = [], tls, name, open }: Omit<TargetOptions, keyof AccessSettings>,
): Promise<void> {
  const portals = settlePortals(portal, tls)
  const guard = await openGuard(portals, open)
  guard(settings)
  const question: ViewQuestion = {
    initiator: initiatorName(flags.explain!),
    ...(flags.explainAddress !== undefined && { address: plainAddress(flags.explainAddress) }),
    ...(flags.explainUser !== undefined && { user: flags.explainUser }),
  }
  const target = {
    name: name === undefined ? defaultTargetName() : checkTargetName(name),
    luns: luns.length,
    portals: flags.explainPortal === undefined ? portals : portalsAt(flags.explainPortal, portals),
  }
  const { device } = await import('@lunkit/target-devices/absent')
  const told = await explainAccess(target, settings, question, await device.open(null, {}))
  for (const one of told) {
    if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'explanation', ...one })}\n`)
    else process.stdout.write(`${inWords(one).join('\n')}\n`)
  }
}

function initiatorName(given: string): string {
  const parsed = parseIscsiName(given, true)
  if (parsed.ok) return parsed.name
  throw new UsageError(
    'EXPLAIN',
    `'${given}' is no iSCSI name: ${parsed.cause}`,
    'give the whole name, without * or ?',
  )
}

function plainAddress(given: string): string {
  if (isIP(given) !== 0) return given
  throw new UsageError('EXPLAIN', `'${given}' is no address`, 'give one IPv4 or IPv6 address')
}

/** Those of the target's portals that somebody comes to at this address; of its tag, if one is given. */
function portalsAt(given: string, portals: readonly Portal[]): Portal[] {
  const { host, port, tag } = parsePortal(given)
  const asksTag = given.includes(',')
  const found = portals.filter(
    one =>
      (one.host === host || isEveryAddress(one.host)) &&
      (one.port === port || one.port === 0) &&
      (!asksTag || one.tag === tag),
  )
  if (found.length > 0) return found.map(one => ({ ...one, host, port }))
  const own = portals.map(one => `${formatPortal(one)},${one.tag}`).join(' ')
  throw new UsageError('EXPLAIN', `The target has no portal at '${given}'`, `it has ${own}`)
}

const isEveryAddress = (host: string): boolean => host === '0.0.0.0' || host === '::'

function inWords(one: Explanation): string[] {
  const { portal, target, user, visible, rule, reason, skipped, luns, group } = one
  const head = `${target} at ${formatPortal(portal)},${portal.tag}${user === null ? '' : `, as ${user}`}`
  const by = [`  decided by ${rule}`, ...skipped.map(words => `    before it, ${words}`)]
  if (!visible) return [`${head}: not visible`, `  ${reason}; a login is answered: ${one.answer}`, ...by]
  const list = luns.map(({ lun, readonly }) => `${lun}${readonly ? ' (read-only)' : ''}`).join(', ')
  const seen = `  LUNs${group === null ? '' : ` of group ${group}`}: ${list === '' ? 'none' : list}`
  return [`${head}: visible`, `  ${proofOf(one)}`, seen, ...by]
}

function proofOf({ proof, users, user, mutual }: Explanation): string {
  if (proof === 'none') return 'no CHAP is asked for'
  const names = (user === null ? users : [user]).join(' or ')
  const both = mutual ? ', and the target can prove itself' : ''
  return proof === 'optional'
    ? `no CHAP is asked for, as ${names} it may be${both}`
    : `CHAP as ${names}${both}`
}
