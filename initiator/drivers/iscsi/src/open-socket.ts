// SPDX-License-Identifier: Apache-2.0
// Opens the byte stream to a portal: TCP, or TLS over it, with each way to fail in words.
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { RequestError, TransportError } from '@lunkit/initiator-core'
import type { TlsOptions } from './options.ts'
import { type Portal, portalText } from './portal.ts'

/** Bytes taken from the socket at once. */
const RECEIVE_BYTES = 256 * 1024

/**
 * `opened` makes the result from the socket as soon as bytes can go through; `received` gets the first `length` bytes
 * of a buffer that is used again after the call. Rejects with a TransportError (`TRANSPORT_CONNECT_FAILED`), or with
 * the signal's reason.
 */
export function openSocket<T>(
  portal: Portal,
  tls: TlsOptions | null,
  received: (buffer: Uint8Array, length: number) => void,
  opened: (socket: Socket) => T,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const socket = tls === null ? overTcp(portal, received) : overTls(portal, tls, received)
    const abort = (): void => {
      socket.destroy()
      reject(signal.reason)
    }
    const failed = (error: Error): void => {
      signal.removeEventListener('abort', abort)
      socket.destroy()
      reject(connectError(portal, error, tls !== null))
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.once('error', failed)
    socket.once(tls === null ? 'connect' : 'secureConnect', () => {
      signal.removeEventListener('abort', abort)
      socket.off('error', failed)
      resolve(opened(socket))
    })
  })
}

function overTcp({ host, port }: Portal, received: (buffer: Uint8Array, length: number) => void): Socket {
  const buffer = new Uint8Array(RECEIVE_BYTES)
  const callback = (length: number): boolean => {
    received(buffer, length)
    return true
  }
  return connectTcp({ host, port, noDelay: true, onread: { buffer, callback } })
}

function overTls(
  { host, port }: Portal,
  tls: TlsOptions,
  received: (buffer: Uint8Array, length: number) => void,
): Socket {
  const socket = startTls({ host, port, minVersion: 'TLSv1.2', ...tls })
  socket.setNoDelay(true)
  socket.on('data', chunk => received(chunk, chunk.length))
  return socket
}

/** Throws RequestError where certificate and key are none, or do not belong together. */
function startTls(options: ConnectionOptions): Socket {
  try {
    return connectTls(options)
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string }
    throw new RequestError('OPTION_INVALID', `Option tls cannot be used: ${reason ?? message}`, {
      cause: error,
      hint: 'certificate and key must be PEM, belong together, and the key must have no passphrase',
    })
  }
}

/** Why a socket failed, in words where its code is a known one. */
export const socketFault = (error: Error): string =>
  WHY[(error as NodeJS.ErrnoException).code ?? ''] ?? error.message

const WHY: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  ETIMEDOUT: 'the host does not answer',
  ECONNRESET: 'the target reset it',
  EPIPE: 'the target closed it',
}

function connectError(portal: Portal, error: Error, tls: boolean): TransportError {
  // A peer that ends a handshake has most likely to do with TLS.
  const { code = '' } = error as NodeJS.ErrnoException
  const known = code in WHY && !(tls && code === 'ECONNRESET')
  const hint =
    tls && !known
      ? 'check that the portal speaks TLS, that its certificate is signed by the given authority and names this host'
      : 'check the address and that the target is running'
  const what = tls && !known ? `TLS: ${error.message}` : socketFault(error)
  return new TransportError(
    'TRANSPORT_CONNECT_FAILED',
    `Could not connect to ${portalText(portal)}: ${what}`,
    { cause: error, hint },
  )
}
