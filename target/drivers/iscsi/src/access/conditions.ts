// SPDX-License-Identifier: Apache-2.0
// The conditions of a rule, compiled: a row for each kind, with what it asks and what is said where it does not hold.
import { type BlockList, isIP } from 'node:net'
import { isListed, matchesPattern, namesInclude, OperatorError } from '@lunkit/target-api'
import { addressSet, isIn, plainAddress } from '../defence/address-key.ts'
import { portalText } from '../portal.ts'
import type { PeerCertificate } from '../tls/certificate.ts'
import type { PortalFacts, Who } from './facts.ts'
import type { AccessRule } from './options.ts'

/** Says why somebody does not fit, or null. */
export type Condition = (who: Who) => string | null

/** Compiles what a rule asks for. Throws OperatorError on entries that mean nothing. */
export function conditionsOf(
  what: string,
  { initiators, addresses, portals, certificates }: Omit<AccessRule, 'name'>,
): readonly Condition[] {
  const conditions: Condition[] = []
  if (initiators !== undefined) {
    checkEntries(what, 'initiators', initiators)
    conditions.push(who =>
      namesInclude(initiators, who.initiator)
        ? null
        : `initiator ${who.initiator} is not on the list (${list(initiators)})`,
    )
  }
  if (addresses !== undefined) {
    const sets = compile(what, 'addresses', addresses, addressOf)
    conditions.push(who =>
      isListed(addresses, one => isIn(sets.get(one)!, who.address))
        ? null
        : `address ${who.address} is not on the list (${list(addresses)})`,
    )
  }
  if (portals !== undefined) {
    const texts = portals.map(String)
    const tests = compile(what, 'portals', texts, portalOf)
    conditions.push(who =>
      isListed(texts, one => tests.get(one)!(who.portal))
        ? null
        : `portal ${portalName(who.portal)} is not on the list (${list(texts)})`,
    )
  }
  if (certificates !== undefined) {
    checkEntries(what, 'certificates', certificates)
    conditions.push(({ certificate }) => {
      if (certificate === null) return 'it has shown no certificate'
      if (isListed(certificates, one => isNamed(one, certificate))) return null
      return `certificate of ${certificate.names[0] ?? certificate.fingerprint} is not on the list (${list(certificates)})`
    })
  }
  return conditions
}

export const portalName = (portal: PortalFacts): string => `${portalText(portal)},${portal.tag}`

const list = (entries: readonly string[]): string => (entries.length === 0 ? 'empty' : entries.join(', '))

const FINGERPRINT = /^(?:[0-9a-f]{2}:){31}[0-9a-f]{2}$/i

const isNamed = (entry: string, { names, fingerprint }: PeerCertificate): boolean =>
  FINGERPRINT.test(entry)
    ? entry.toUpperCase() === fingerprint.toUpperCase()
    : names.some(name => matchesPattern(entry, name))

/** By entry without its `!`. */
function compile<T>(
  what: string,
  kind: keyof typeof HINTS,
  entries: readonly string[],
  read: (entry: string) => T | null,
): ReadonlyMap<string, T> {
  checkEntries(what, kind, entries)
  const compiled = new Map<string, T>()
  for (const entry of entries) {
    const text = entry.replace(/^!/, '')
    const one = read(text)
    if (one === null) throw wrong(what, kind, entry)
    compiled.set(text, one)
  }
  return compiled
}

const HINTS = {
  initiators: 'write names such as iqn.2026-11.org.example:host1, iqn.*:host?, or !iqn.*:guest',
  addresses: 'write 10.1.2.3, 10.0.0.0/8 or fd00::/8; with ! before it for all others',
  portals:
    'write a portal group tag such as 2, an address, a subnet, or an address and port such as [::1]:3260',
  certificates: 'write a name of the certificate, with * and ?, or its SHA-256 fingerprint AB:CD:…',
} as const

function checkEntries(what: string, kind: keyof typeof HINTS, entries: readonly string[]): void {
  if (!Array.isArray(entries)) throw wrong(what, kind, String(entries))
  for (const entry of entries) {
    if (typeof entry !== 'string' || /^!?\s*$/.test(entry) || entry.startsWith('!!'))
      throw wrong(what, kind, String(entry))
  }
}

const wrong = (what: string, kind: keyof typeof HINTS, entry: string): OperatorError =>
  new OperatorError('ACCESS_ENTRY', `'${entry}' is no entry for the ${kind} of ${what}`, {
    hint: HINTS[kind],
  })

const addressOf = (entry: string): BlockList | null => addressSet([entry])

function portalOf(entry: string): ((portal: PortalFacts) => boolean) | null {
  if (/^\d+$/.test(entry)) {
    const tag = Number(entry)
    return tag >= 1 && tag <= 65_535 ? portal => portal.tag === tag : null
  }
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d+))?$/.exec(entry) ?? []
  const host = v6 ?? v4
  if (host === undefined || port === undefined) {
    const set = addressOf(v6 ?? entry)
    return set === null ? null : portal => isIn(set, portal.host)
  }
  const number = Number(port)
  const set = isIP(host) === 0 ? null : addressOf(host)
  if (set === null || number < 1 || number > 65_535) return null
  return portal => portal.port === number && isIn(set, plainAddress(portal.host))
}
