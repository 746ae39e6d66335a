// SPDX-License-Identifier: Apache-2.0
// Portals as programs give them, as text or as an object, and what they become for the driver.
import { OperatorError } from '@lunkit/target-api'
import type { PortalOptions, Tls, TlsSource } from '@lunkit/target-driver-iscsi'
import { type Advertised, isLoopback, type Portal, parseAdvertised, parsePortal } from './portal.ts'

/** A portal of a target. */
export interface PortalSettings {
  /** Address to listen on: `*` is every one. */
  readonly host: string
  /** 3260 if not given; 0 picks a free one. */
  readonly port?: number
  /** Portal group tag: 1 if not given. */
  readonly tag?: number
  /** TLS on its connections: with certificates of its own, or with those of the target's `tls`. */
  readonly tls?: TlsSource | boolean
  /** `HOST[:PORT]` that initiators are told instead, where others reach it by another name. */
  readonly advertise?: string
}

export type PortalGiven = string | PortalSettings

/** A portal and its certificates. */
export interface SettledPortal extends Portal {
  readonly source: TlsSource | null
}

/** Throws OperatorError: no portal, certificates without a portal or the other way round. */
export function settlePortals(given: PortalGiven | readonly PortalGiven[], tls?: TlsSource): SettledPortal[] {
  const portals = [given].flat().map((one): SettledPortal => {
    if (typeof one === 'string') {
      const portal = parsePortal(one)
      return { ...portal, source: portal.tls ? (tls ?? null) : null }
    }
    const host = one.host.includes(':') ? `[${one.host}]` : one.host
    const words = [`${host}${one.port === undefined ? '' : `:${one.port}`}`]
    if (one.tag !== undefined) words.push(String(one.tag))
    const own = typeof one.tls === 'boolean' || one.tls === undefined ? null : one.tls
    const wanted = one.tls !== undefined && one.tls !== false
    const advertise = one.advertise === undefined ? null : parseAdvertised(one.advertise)
    const source = wanted ? (own ?? tls ?? null) : null
    return { ...parsePortal(words.join(',')), tls: wanted, advertise, source }
  })
  const bare = portals.find(portal => portal.tls && portal.source === null)
  if (bare !== undefined) {
    throw new OperatorError('TLS_MISSING', 'A portal has TLS, but no certificate is given', {
      hint: "give 'tls' with cert and key: --tls-cert FILE --tls-key FILE",
    })
  }
  if (tls !== undefined && !portals.some(portal => portal.source === tls)) {
    throw new OperatorError('TLS_UNUSED', 'A certificate is given, but no portal has TLS', {
      hint: "write ',tls' behind a portal, as in --portal 0.0.0.0:3260,tls",
    })
  }
  return portals
}

/** As the driver takes it. */
export function portalOptions({ host, port, advertise, source }: SettledPortal): PortalOptions {
  return { host, port, ...(source !== null && { tls: source }), ...(advertise !== null && { advertise }) }
}

/** Where it is reached: itself, and what initiators are told. */
export function placesOf({ host, port, advertise }: Portal): { host: string; port: number }[] {
  return advertise === null
    ? [{ host, port }]
    : [
        { host, port },
        { port, ...advertise },
      ]
}

/** The first portal at which a stranger from another machine would need no certificate; undefined if there is none. */
export async function findExposed(portals: readonly SettledPortal[]): Promise<SettledPortal | undefined> {
  for (const portal of portals) {
    if (!isLoopback(portal.host) && !(await needsCertificate(portal.source))) return portal
  }
  return undefined
}

async function needsCertificate(source: TlsSource | null): Promise<boolean> {
  if (source === null) return false
  const { ca, clientCert }: Tls = typeof source === 'function' ? await source() : source
  return clientCert === undefined ? ca !== undefined : clientCert === 'require'
}

/**
 * Where a program on this machine reaches the target: the first portal that speaks iSCSI at once, or what the first one
 * with TLS is known as. A wildcard address cannot be connected to and becomes loopback.
 */
export function reachable(
  settled: readonly SettledPortal[],
  bound: readonly { readonly host: string; readonly port: number }[],
): { readonly host: string; readonly port: number } {
  const first = Math.max(
    settled.findIndex(({ tls }) => !tls),
    0,
  )
  const portal = bound[first]!
  const { tls, advertise }: { tls: boolean; advertise: Advertised | null } = settled[first]!
  if (tls && advertise !== null) return { host: advertise.host, port: advertise.port ?? portal.port }
  if (portal.host === '0.0.0.0') return { ...portal, host: '127.0.0.1' }
  return portal.host === '::' ? { ...portal, host: '::1' } : portal
}
