// SPDX-License-Identifier: Apache-2.0
// What there is to register: the engine's targets and the portals of all its iSCSI ports, as they are now.
import { lookup } from 'node:dns/promises'
import { isIP, isIPv6 } from 'node:net'
import type { Engine } from '@lunkit/target-api'
import { plainAddress } from '../defence/address-key.ts'
import { isWildcard } from '../discovery.ts'
import { IscsiTargetPort } from '../port.ts'

export interface ListedNode {
  readonly name: string
  readonly alias: string
}

export interface ListedPortal {
  /** As it is bound or advertised: perhaps a name, perhaps all addresses. */
  readonly host: string
  readonly port: number
  /** Portal group tag. */
  readonly tag: number
  /** Where the server's inquiries are answered for it, or null where they could not come. */
  readonly esiHost: string | null
}

export interface Listing {
  readonly nodes: readonly ListedNode[]
  readonly portals: readonly ListedPortal[]
}

/** Portals with TLS are listed only by what is advertised for them: nothing in a registration tells of TLS. */
export function list({ targets, ports }: Pick<Engine, 'targets' | 'ports'>): Listing {
  const portals: ListedPortal[] = []
  for (const port of ports) {
    if (!(port instanceof IscsiTargetPort) || port.stopping) continue
    const { tpgt: tag } = port.settings
    for (const { portal, advertise, tls } of port.listeners) {
      if (advertise !== null) portals.push({ ...advertise, tag, esiHost: null })
      else if (tls === null) portals.push({ ...portal, tag, esiHost: portal.host })
    }
  }
  return { nodes: targets.map(({ name, alias }) => ({ name, alias })), portals }
}

/** A portal by an address that means the same to everybody. */
export interface PlacedPortal {
  readonly address: string
  readonly port: number
  readonly tag: number
  readonly esiHost: string | null
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')
const isLinkLocal = (address: string): boolean => /^(fe80:|169\.254\.)/i.test(address)

/**
 * Portals by their addresses. One on all addresses is the one that the server is talked to from; names are looked up, and
 * left out if this machine does not know them.
 * Loopback is told to servers on this machine alone, link-local addresses only where there are no others.
 */
export async function place(portals: readonly ListedPortal[], local: string): Promise<PlacedPortal[]> {
  const own = plainAddress(local)
  const placed = new Map<string, PlacedPortal>()
  for (const { host, port, tag, esiHost } of portals) {
    for (const address of await addressesOf(host, own)) {
      if (isLoopback(address) && !isLoopback(own)) continue
      const key = `${address} ${port}`
      if (!placed.has(key)) placed.set(key, { address, port, tag, esiHost })
    }
  }
  const all = [...placed.values()]
  const global = all.filter(({ address }) => !isLinkLocal(address))
  return global.length > 0 ? global : all
}

async function addressesOf(host: string, own: string): Promise<readonly string[]> {
  if (isWildcard(host)) return host === '0.0.0.0' && isIPv6(own) ? [] : [own]
  if (isIP(host) !== 0) return [plainAddress(host)]
  // A name may be known to others alone: then this portal is not registered.
  const found = await lookup(host, { all: true }).catch(() => [])
  return found.map(({ address }) => plainAddress(address))
}
