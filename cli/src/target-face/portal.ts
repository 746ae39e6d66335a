// SPDX-License-Identifier: Apache-2.0
// Portal addresses as people write them, and whether they are safe to listen on.
import { BlockList, isIP } from 'node:net'
import { OperatorError } from '@lunkit/target-api'

export interface Portal {
  readonly host: string
  readonly port: number
  /** Target portal group tag. */
  readonly tag: number
}

const ISCSI_PORT = 3260

/**
 * `HOST`, `HOST:PORT`, `:PORT`, `[V6]`, `[V6]:PORT`; host `*` is every address. Port 0 picks a free one. `,TAG` behind it
 * names the portal group, 1 if not given.
 */
export function parsePortal(given: string): Portal {
  const [, text = '', tagText = '1'] = /^(.*?)(?:,(\d+))?$/.exec(given) ?? []
  const tag = Number(tagText)
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(text)
  const bare = match === null && isIP(text) === 6 ? text : undefined
  const port = match?.[3] === undefined ? ISCSI_PORT : Number(match[3])
  const host = bare ?? match?.[1] ?? match?.[2]
  if (
    text === '' ||
    /^\d+$/.test(text) ||
    host === undefined ||
    port > 65535 ||
    tag < 1 ||
    tag > 65535 ||
    (match?.[1] !== undefined && isIP(match[1]) !== 6)
  ) {
    throw new OperatorError('PORTAL', `'${given}' is no portal`, {
      hint: 'write 127.0.0.1:3260, :3260 or [::1]:3260; with a portal group 127.0.0.1:3260,2',
    })
  }
  return { host: host === '' ? '127.0.0.1' : host === '*' ? '::' : host, port, tag }
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
