// SPDX-License-Identifier: Apache-2.0
// Addresses of portals: written as in TargetAddress (RFC 7143, 13.8), bracketed where they are IPv6.
import { isIPv6 } from 'node:net'

export interface Portal {
  /** Name or address, without brackets. */
  readonly host: string
  readonly port: number
}

/** The port that IANA gave to iSCSI (RFC 7143, 4.2.1). */
export const ISCSI_PORT = 3260

/** `host:port`, with brackets around an IPv6 address. */
export const portalText = ({ host, port }: Portal): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

/** Reads `host`, `host:port` and `[v6]:port`; null if it is none of them. */
export function parsePortal(text: string): Portal | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return isIPv6(text) ? { host: text, port: ISCSI_PORT } : null
  const [, v6, name, digits] = match
  const port = digits === undefined ? ISCSI_PORT : Number(digits)
  if (port < 1 || port > 65_535) return null
  if (v6 !== undefined) return isIPv6(v6) ? { host: v6, port } : null
  return { host: name!, port }
}

export interface TargetAddress extends Portal {
  /** Portal group tag, or null where it is not told. */
  readonly group: number | null
}

/** Reads the value of TargetAddress, `host[:port][,tag]`; null if it is not one. */
export function parseTargetAddress(value: string): TargetAddress | null {
  const comma = value.lastIndexOf(',')
  const portal = parsePortal(comma < 0 ? value : value.slice(0, comma))
  if (portal === null) return null
  if (comma < 0) return { ...portal, group: null }
  const tag = value.slice(comma + 1)
  return /^\d{1,5}$/.test(tag) && Number(tag) <= 65_535 ? { ...portal, group: Number(tag) } : null
}
