// SPDX-License-Identifier: Apache-2.0
// TLS of one portal: handshakes on its sockets, with certificates that can be replaced while it listens.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { LoginStatus } from '@lunkit/spec'
import type { IscsiTargetPort } from '../port.ts'
import { certificateOf } from './certificate.ts'
import { Handshake } from './handshake.ts'
import { type ClientCert, loadTls, type TlsSource } from './options.ts'

/** Codes of handshakes that fail because the peer has gone: nothing to tell. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])
const LONGEST_TIMER = 2 ** 31 - 1

export class TlsFace {
  readonly #portal: string
  readonly #source: TlsSource
  readonly #clientCert: ClientCert
  readonly #server: Server
  /** Node does not tell which socket a TLS socket was made of, but calls back in the context of its making. */
  readonly #current: AsyncLocalStorage<Handshake> = new AsyncLocalStorage()

  private constructor(portal: string, source: TlsSource, clientCert: ClientCert, server: Server) {
    this.#portal = portal
    this.#source = source
    this.#clientCert = clientCert
    this.#server = server
    server.on('secureConnection', socket => this.#secured(socket))
    server.on('tlsClientError', error => this.#failed(error))
  }

  /** Rejects with OperatorError: certificates that are none. */
  static async open(portal: string, source: TlsSource, warn: (reason: string) => void): Promise<TlsFace> {
    const { clientCert, context } = await loadTls(portal, source, warn)
    // It never listens itself: sockets are handed to it once the port has let them in.
    const server = createServer({
      ...context,
      requestCert: clientCert !== 'none',
      // Judged here, where it is known whose handshake it was.
      rejectUnauthorized: false,
      // The port's own clock ends what takes too long.
      handshakeTimeout: LONGEST_TIMER,
    })
    return new TlsFace(portal, source, clientCert, server)
  }

  /** Whether nobody gets in without a certificate. */
  get requiresCertificate(): boolean {
    return this.#clientCert === 'require'
  }

  /**
   * Reads the certificates anew, for connections that come from now on. Rejects with OperatorError, and keeps the old
   * ones, if they are no good. How initiators are asked for theirs does not change.
   */
  async reload(warn: (reason: string) => void): Promise<void> {
    const { context } = await loadTls(this.#portal, this.#source, warn)
    this.#server.setSecureContext(context)
  }

  begin(port: IscsiTargetPort, socket: Socket): Handshake {
    const handshake = new Handshake(port, socket)
    this.#current.run(handshake, () => this.#server.emit('connection', socket))
    return handshake
  }

  #secured(socket: TLSSocket): void {
    const handshake = this.#current.getStore()
    if (handshake === undefined || handshake.over) {
      socket.destroy()
      return
    }
    const certificate = certificateOf(socket)
    if (certificate !== null || !this.requiresCertificate) {
      handshake.port.secured(handshake, socket, certificate)
      return
    }
    const { port, peer } = handshake
    port.door.refused(peer, LoginStatus.authenticationFailure)
    port.failLogin(handshake, `Client certificate is ${distrust(socket)}`)
  }

  #failed({ code = '', reason }: Error & { code?: string; reason?: string }): void {
    const handshake = this.#current.getStore()
    if (handshake === undefined || handshake.over || GONE.has(code)) return
    handshake.port.failLogin(handshake, `TLS handshake failed: ${reason ?? code}`)
  }
}

/** Why a certificate is not enough. */
function distrust(socket: TLSSocket): string {
  if (socket.getPeerX509Certificate() === undefined) return 'missing'
  return `not to be trusted: ${socket.authorizationError}`
}
