// SPDX-License-Identifier: Apache-2.0
// SendTargets: the targets that an initiator may use, with the addresses at which it can reach them (RFC 7143, 13.3).
import { isIPv6 } from 'node:net'
import { KeyAnswer, type TextPair } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import { accessOf, mayUse } from './login/access.ts'
import type { Portal } from './options.ts'
import { IscsiTargetPort } from './port.ts'

/** The answer to `SendTargets=<value>` on this connection. */
export function sendTargets(connection: Connection, value: string): TextPair[] {
  const session = connection.session!
  const { port } = connection
  let names: string[]
  if (value === 'All') {
    if (session.target !== null) return [{ key: 'SendTargets', value: KeyAnswer.reject }]
    names = port.engine.targets.map(target => target.name)
  } else if (value === '') {
    if (session.target === null) return [{ key: 'SendTargets', value: KeyAnswer.reject }]
    names = [session.target.name]
  } else {
    const target = port.findTarget(value.toLowerCase())
    const visible = target !== null && (session.target === null || session.target === target)
    names = visible ? [target.name] : []
  }
  const groups = portsOf(port).map(one => ({ addresses: reachable(one, connection), tag: one.settings.tpgt }))
  const pairs: TextPair[] = []
  for (const name of names) {
    if (!mayUse(accessOf(port.settings, name), session.identity.initiator)) continue
    pairs.push({ key: 'TargetName', value: name })
    for (const { addresses, tag } of groups) {
      for (const address of addresses) pairs.push({ key: 'TargetAddress', value: `${address},${tag}` })
    }
  }
  return pairs
}

/** All portal groups of the engine: an initiator that comes to one is told of the others. */
function portsOf(own: IscsiTargetPort): readonly IscsiTargetPort[] {
  const open = own.engine.ports.filter(port => port instanceof IscsiTargetPort)
  return open.includes(own) ? open : [own]
}

/**
 * Addresses of a portal group for the peer of a connection. Nothing in a TargetAddress tells of TLS, so each peer hears of
 * portals of the kind that it came to; and one that came by TLS, which is a tunnel's as a rule, only of what was given to
 * be told. Without an address a target is where the peer is already (RFC 7143, Appendix C).
 */
export function reachable(group: IscsiTargetPort, { overTls, localAddress }: Connection): string[] {
  const open = group.listeners.filter(
    ({ tls, advertise }) => (tls !== null) === overTls && (!overTls || advertise !== null),
  )
  return addressesOf(
    open.map(({ portal, advertise }) => advertise ?? portal),
    localAddress,
  )
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
