// SPDX-License-Identifier: Apache-2.0
// SendTargets: the targets that an initiator may use, with the addresses at which it can reach them (RFC 7143, 13.3).
import { isIPv6 } from 'node:net'
import { KeyAnswer, type TextPair } from '@lunkit/spec'
import type { Target } from '@lunkit/target-api'
import { arrivalOf, type PortalFacts, type Who } from './access/facts.ts'
import type { Connection } from './connection.ts'
import type { Portal } from './options.ts'
import { IscsiTargetPort } from './port.ts'

/** The answer to `SendTargets=<value>` on this connection. */
export function sendTargets(connection: Connection, value: string): TextPair[] {
  const session = connection.session!
  const { port } = connection
  let targets: readonly Target[]
  if (value === 'All') {
    if (session.target !== null) return [{ key: 'SendTargets', value: KeyAnswer.reject }]
    targets = port.engine.targets
  } else if (value === '') {
    if (session.target === null) return [{ key: 'SendTargets', value: KeyAnswer.reject }]
    targets = [session.target]
  } else {
    const target = port.findTarget(value.toLowerCase())
    const visible = target !== null && (session.target === null || session.target === target)
    targets = visible ? [target] : []
  }
  const who = { initiator: session.identity.initiator, ...arrivalOf(connection) }
  const pairs: TextPair[] = []
  for (const target of targets) {
    const addresses = portsOf(port).flatMap(one =>
      reachable(one, connection, portal => isListed(one, target, { ...who, portal }, connection.user)),
    )
    // Without an address it is where the peer is already (RFC 7143, Appendix C): then it has to be visible there.
    if (addresses.length === 0 && !isListed(port, target, who, connection.user)) continue
    pairs.push({ key: 'TargetName', value: target.name })
    for (const value of addresses) pairs.push({ key: 'TargetAddress', value })
  }
  return pairs
}

/** Whether this peer is to hear of a target at a portal: the access table says so. */
function isListed(port: IscsiTargetPort, target: Target, who: Who, user: string | null): boolean {
  const { table } = port.access
  return table.lists(table.decide(target, who), target, who, user)
}

/** All portal groups of the engine: an initiator that comes to one is told of the others. */
function portsOf(own: IscsiTargetPort): readonly IscsiTargetPort[] {
  const open = own.engine.ports.filter(port => port instanceof IscsiTargetPort)
  return open.includes(own) ? open : [own]
}

/**
 * Addresses of a portal group for the peer of a connection, of those portals at which it may log in. Nothing in a
 * TargetAddress tells of TLS, so each peer hears of portals of the kind that it came to; and one that came by TLS, which is
 * a tunnel's as a rule, only of what was given to be told.
 */
function reachable(
  group: IscsiTargetPort,
  { overTls, localAddress }: Connection,
  mayUse: (portal: PortalFacts) => boolean,
): string[] {
  const { tpgt } = group.settings
  const open = group.listeners.filter(
    ({ tls, advertise, portal }) =>
      (tls !== null) === overTls &&
      (!overTls || advertise !== null) &&
      mayUse({ tag: tpgt, port: portal.port, host: isWildcard(portal.host) ? localAddress : portal.host }),
  )
  const addresses = addressesOf(
    open.map(({ portal, advertise }) => advertise ?? portal),
    localAddress,
  )
  return addresses.map(address => `${address},${tpgt}`)
}

/**
 * Portals as `host:port`. One that listens on all addresses is named by the address that the initiator came to, if it
 * is of its family; link-local addresses mean nothing to others and are left out while there is any other.
 */
export function addressesOf(portals: readonly Portal[], local: string): string[] {
  const seen = new Set<string>()
  const linkLocal = new Set<string>()
  for (const { host, port } of portals) {
    const own = isWildcard(host) ? wildcardAddress(host, local) : host
    if (own === null) continue
    const plain = own.replace(/%.*$/, '')
    const text = `${isIPv6(plain) ? `[${plain}]` : plain}:${port}`
    ;(/^(fe80:|169\.254\.)/i.test(plain) ? linkLocal : seen).add(text)
  }
  return [...(seen.size > 0 ? seen : linkLocal)]
}

export const isWildcard = (host: string): boolean => host === '' || host === '0.0.0.0' || host === '::'

// `::` takes IPv4 as well; `0.0.0.0` takes nothing else.
const wildcardAddress = (host: string, local: string): string | null =>
  host === '0.0.0.0' && isIPv6(local) ? null : local
