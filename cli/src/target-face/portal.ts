// SPDX-License-Identifier: Apache-2.0
// Portal addresses as people write them, and whether they are safe to listen on.
import { BlockList, isIP } from 'node:net'
import { OperatorError } from '@lunkit/target-api'

export interface Portal {
  readonly host: string
  readonly port: number
  /** Target portal group tag. */
  readonly tag: number
  /** Its connections begin with TLS. */
  readonly tls: boolean
  /** What initiators are told instead; the own port if it names none. */
  readonly advertise: Advertised | null
}

export interface Advertised {
  readonly host: string
  readonly port?: number
}

const ISCSI_PORT = 3260

/**
 * `HOST`, `HOST:PORT`, `:PORT`, `[V6]`, `[V6]:PORT`; host `*` is every address. Port 0 picks a free one. Behind it, each
 * after a comma: the portal group's tag (1 if not given), `tls`, and `advertise=HOST[:PORT]`.
 */
export function parsePortal(given: string): Portal {
  const [address = '', ...words] = given.split(',')
  const [host, port = ISCSI_PORT] = parseAddress(address) ?? [null]
  let tag: number | null = null
  let tls = false
  let advertise: Advertised | null = null
  let unknown = host === null
  for (const word of words) {
    const advertised = /^advertise=(.+)$/.exec(word)
    if (/^\d+$/.test(word) && tag === null) tag = Number(word)
    else if (word === 'tls') tls = true
    else if (advertised !== null) advertise = parseAdvertised(advertised[1]!)
    else unknown = true
  }
  tag ??= 1
  if (unknown || tag < 1 || tag > 65535) {
    throw new OperatorError('PORTAL', `'${given}' is no portal`, {
      hint: 'write 127.0.0.1:3260, :3260 or [::1]:3260; with a portal group 127.0.0.1:3260,2; with TLS 127.0.0.1:3260,tls',
    })
  }
  return { host: host === '' ? '127.0.0.1' : host === '*' ? '::' : host!, port, tag, tls, advertise }
}

/** Host, perhaps empty, and port if there is one; null if it is no address. */
function parseAddress(text: string): [string, number | undefined] | null {
  if (/:.*:/.test(text) && isIP(text) === 6) return [text, undefined]
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(text)
  const port = match?.[3] === undefined ? undefined : Number(match[3])
  const host = match?.[1] ?? match?.[2]
  if (text === '' || /^\d+$/.test(text) || host === undefined || (port ?? 0) > 65535) return null
  return match?.[1] !== undefined && isIP(match[1]) !== 6 ? null : [host, port]
}

/** `HOST`, `HOST:PORT`, `[V6]:PORT`; the driver tells whether that is somewhere. */
export function parseAdvertised(given: string): Advertised {
  const parsed = parseAddress(given)
  if (parsed === null || parsed[0] === '' || parsed[0] === '*') {
    throw new OperatorError('PORTAL', `'${given}' is no address to advertise`, {
      hint: 'write disk.example, 192.0.2.1:3260 or [2001:db8::1]:3260',
    })
  }
  const [host, port] = parsed
  return port === undefined ? { host } : { host, port }
}

/** As in URLs: IPv6 in brackets. */
export const formatPortal = ({ host, port }: Pick<Portal, 'host' | 'port'>): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

export function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
