// SPDX-License-Identifier: Apache-2.0
// A TLS handshake under way: it counts as a connection that has not logged in, and has no more time than one.
import type { Socket } from 'node:net'
import { plainAddress } from '../defence/address-key.ts'
import type { Newcomer } from '../newcomer.ts'
import type { IscsiTargetPort } from '../port.ts'
import { portalText } from '../portal.ts'

export class Handshake implements Newcomer {
  readonly port: IscsiTargetPort
  readonly socket: Socket
  readonly address: string
  readonly peer: string
  readonly initiator = ''
  readonly login = null
  readonly nexusKey = null
  readonly deadline: number
  readonly drained: Promise<void> = Promise.resolve()
  loginBytes = 0
  #over = false

  constructor(port: IscsiTargetPort, socket: Socket) {
    this.port = port
    this.socket = socket
    this.peer = plainAddress(socket.remoteAddress ?? '')
    this.address = portalText({ host: this.peer, port: socket.remotePort ?? 0 })
    this.deadline = port.clock + port.ticks(port.settings.limits.loginTimeoutMs)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      void this.end()
      this.port.gone(this)
    })
  }

  /** It has led to a connection, which goes on with the socket. */
  complete(): void {
    this.#over = true
    this.port.forget(this)
  }

  end(): Promise<void> {
    if (!this.#over) {
      this.#over = true
      this.port.forget(this)
      this.socket.destroy()
    }
    return this.drained
  }

  get over(): boolean {
    return this.#over
  }
}
