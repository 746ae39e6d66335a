// SPDX-License-Identifier: Apache-2.0
// NBD URIs (github.com/NetworkBlockDevice/nbd, doc/uri.md): where a server is, and which of its exports is meant.
import { lookup } from 'node:dns/promises'
import { realpath } from 'node:fs/promises'
import { OperatorError, withoutSecrets } from '@lunkit/target-api'
import { DEFAULT_PORT, LONGEST_STRING } from './protocol.ts'

export interface NbdPlace {
  /** As it came, for messages; without anything secret, since it has nothing secret. */
  readonly uri: string
  /** Name or address; empty for a Unix socket. */
  readonly host: string
  readonly port: number
  /** Path of a Unix socket, or null. */
  readonly socket: string | null
  readonly exportName: string
  readonly tls: boolean
  /** What the server's certificate has to name. */
  readonly tlsHost: string
}

const URI = /^(nbds?)(\+unix)?:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i
const AUTHORITY = /^(\[[0-9a-f:.%]+\]|[^:[\]@]+)(?::(\d{1,5}))?$/i

/** Reads a URI; one that begins with `//` is `nbd:`. Throws OperatorError NBD_URI. */
export function parseUri(text: string): NbdPlace {
  const uri = text.startsWith('//') ? `nbd:${text}` : text
  const match = URI.exec(uri)
  if (match === null) throw wrong(text, '')
  const [, scheme = '', unix, authority = '', path = '', query = ''] = match
  const parameters = readQuery(text, query)
  const socket = parameters.get('socket') ?? null
  if (unix === undefined && socket !== null) throw wrong(text, 'has a socket, which only nbd+unix has')
  if (unix !== undefined && !socket) throw wrong(text, 'names no socket')
  if (unix !== undefined && authority !== '') throw wrong(text, 'has a host beside its socket')
  const { host, port } = unix === undefined ? readAuthority(text, authority) : { host: '', port: 0 }
  const exportName = decode(text, path.slice(1))
  if (exportName.includes('\0') || Buffer.byteLength(exportName) > LONGEST_STRING)
    throw wrong(text, 'has an export name that cannot be')
  const tls = scheme.toLowerCase() === 'nbds'
  checkTls(text, tls, parameters)
  const tlsHost = parameters.get('tls-hostname') ?? (host || 'localhost')
  return { uri, host, port, socket, exportName, tls, tlsHost }
}

const KNOWN = ['socket', 'tls-hostname', 'tls-type', 'tls-verify-peer']

function readQuery(text: string, query: string): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const part of query.split('&').filter(one => one !== '')) {
    const at = part.indexOf('=')
    const name = decode(text, at < 0 ? part : part.slice(0, at))
    if (!KNOWN.includes(name)) throw wrong(text, `has the parameter '${name}', which is not known`)
    if (parameters.has(name)) throw wrong(text, `has '${name}' twice`)
    parameters.set(name, at < 0 ? '' : decode(text, part.slice(at + 1)))
  }
  return parameters
}

function checkTls(text: string, tls: boolean, parameters: ReadonlyMap<string, string>): void {
  if (!tls && [...parameters.keys()].some(name => name.startsWith('tls-')))
    throw wrong(text, 'has parameters of TLS, but is no nbds')
  if ((parameters.get('tls-type') ?? 'x509') !== 'x509')
    throw wrong(text, 'asks for TLS without certificates, which there is not')
  if ((parameters.get('tls-verify-peer') ?? '1') !== '1')
    throw wrong(text, 'asks for an unverified server, which there is not')
}

function readAuthority(text: string, authority: string): { host: string; port: number } {
  if (authority.includes('@')) throw wrong(text, 'names a user, which there is not')
  const match = AUTHORITY.exec(authority)
  if (match === null) throw wrong(text, 'names no host')
  const port = match[2] === undefined ? DEFAULT_PORT : Number(match[2])
  if (port < 1 || port > 65535) throw wrong(text, `has the port ${port}`)
  const host = decode(text, match[1]!)
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port }
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw wrong(text, 'has a part that cannot be decoded')
  }
}

const wrong = (uri: string, what: string): OperatorError =>
  new OperatorError(
    'NBD_URI',
    `'${withoutSecrets(uri)}' ${what === '' ? 'is no NBD URI' : `as an NBD URI ${what}`}`,
    {
      hint: 'write nbd://host:port/export, nbds://host/export or nbd+unix:///export?socket=/path',
    },
  )

/** Names the storage in the same way whatever the URI looked like. */
export function identityOf({ host, port, socket, exportName }: NbdPlace): string {
  const server = socket === null ? `${host.toLowerCase()}:${port}` : `unix:${socket}`
  return `nbd:${server}/${exportName}`
}

/** The same for all names of one address and of one socket; a server that listens at several has several. */
export async function placeOf({ host, port, socket, exportName }: NbdPlace): Promise<string> {
  if (socket !== null) return `nbd:unix:${await realpath(socket).catch(() => socket)}/${exportName}`
  const address = await lookup(host).then(
    found => (found.address === '::1' ? '127.0.0.1' : found.address),
    () => host.toLowerCase(),
  )
  return `nbd:${address}:${port}/${exportName}`
}
