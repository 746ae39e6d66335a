// SPDX-License-Identifier: Apache-2.0
// Listening sockets: one for each portal, with errors that say what to do.
import { createServer, type Socket } from 'node:net'
import { OperatorError } from '@lunkit/target-api'
import type { Portal, PortalOptions } from './options.ts'
import type { TlsFace } from './tls/face.ts'

export interface Listener {
  /** The address as it is bound. */
  readonly portal: Portal
  /** What initiators are told instead, where that is given. */
  readonly advertise: Portal | null
  readonly tls: TlsFace | null
  /** Resolves when the port is free again; open connections are not touched. */
  close(): Promise<void>
}

/** `host:port`, with brackets for IPv6. */
export const portalText = ({ host, port }: Portal): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`

/** An address without the prefix of IPv4 in IPv6. */
export const bareAddress = (address: string | undefined): string =>
  (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')

/**
 * Listens. Rejects with OperatorError. `warn` hears of errors while listening, such as too many open files. `only6`
 * keeps an IPv6 socket from taking IPv4 as well.
 */
export async function listen(
  portal: PortalOptions,
  only6: boolean,
  accept: (socket: Socket, tls: TlsFace | null) => void,
  warn: (reason: string) => void,
): Promise<Listener> {
  const tls = await openTls(portal, warn)
  const bound = await bind(portal, only6, socket => accept(socket, tls), warn)
  const advertise = portal.advertise ?? null
  return {
    ...bound,
    tls,
    advertise: advertise && { host: advertise.host, port: advertise.port ?? bound.portal.port },
  }
}

/** Node's TLS takes 5 MiB of memory: it is loaded for who uses it. */
async function openTls(portal: PortalOptions, warn: (reason: string) => void): Promise<TlsFace | null> {
  if (portal.tls === undefined) return null
  const { TlsFace } = await import('./tls/face.ts')
  return TlsFace.open(portalText(portal), portal.tls, warn)
}

function bind(
  portal: Portal,
  only6: boolean,
  accept: (socket: Socket) => void,
  warn: (reason: string) => void,
): Promise<Pick<Listener, 'portal' | 'close'>> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, accept)
    server.once('error', error => reject(startError(portal, error as NodeJS.ErrnoException)))
    server.listen(
      { host: portal.host === '' ? '::' : portal.host, port: portal.port, ipv6Only: only6 },
      () => {
        server.removeAllListeners('error')
        server.on('error', error => warn(`Portal ${portalText(portal)}: ${error.message}`))
        const address = server.address()
        const port = address !== null && typeof address === 'object' ? address.port : portal.port
        resolve({
          portal: { host: portal.host, port },
          close: () => new Promise(closed => server.close(() => closed())),
        })
      },
    )
  })
}

function startError(portal: Portal, error: NodeJS.ErrnoException): OperatorError {
  const where = portalText(portal)
  switch (error.code) {
    case 'EADDRINUSE':
      return new OperatorError('PORT_IN_USE', `Portal ${where} is in use by another program`, {
        hint: 'give another port, or port 0 for a free one',
        cause: error,
      })
    case 'EACCES':
      return new OperatorError('PORT_DENIED', `Portal ${where} is not allowed for this user`, {
        hint: 'give a port above 1023',
        cause: error,
      })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAFNOSUPPORT':
      return new OperatorError(
        'ADDRESS_UNKNOWN',
        `Portal ${where} has an address that this host does not have`,
        {
          hint: 'give an address of this host, 127.0.0.1 for local use, or 0.0.0.0 for all',
          cause: error,
        },
      )
    default:
      return new OperatorError('PORTAL_FAILED', `Portal ${where} cannot be opened: ${error.message}`, {
        cause: error,
      })
  }
}
