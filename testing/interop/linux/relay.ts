// SPDX-License-Identifier: Apache-2.0
// A TCP relay in front of a target, whose connections can be cut or held still to see how an initiator recovers.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from '../../kit/reset-socket.ts'

/** Relays connections from a free port on loopback to `target`, another port there. */
export class Relay {
  /** Where connections that come from now on are taken to. */
  target: number
  /** Connections taken so far. */
  connections = 0
  #held = false
  readonly #sockets = new Set<Socket>()
  readonly #server: Server

  private constructor(target: number) {
    this.target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, near => this.#accept(near))
  }

  static async start(target: number): Promise<Relay> {
    const relay = new Relay(target)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #accept(near: Socket): void {
    this.connections++
    const far = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#pass(near, far)
    this.#pass(far, near)
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from)
    if (this.#held) from.pause()
    from.on('data', data => {
      if (to.write(data)) return
      from.pause()
      to.once('drain', () => this.#held || from.resume())
    })
    from.on('end', () => to.end())
    from.on('error', () => resetSocket(to))
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }

  /** Resets all connections, at both ends. */
  cut(): void {
    for (const socket of this.#sockets) resetSocket(socket)
  }

  /** Lets nothing more through, in connections old or new, until `release`. */
  hold(): void {
    this.#held = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Lets through what was held back and what follows. */
  release(): void {
    this.#held = false
    for (const socket of this.#sockets) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }
}
