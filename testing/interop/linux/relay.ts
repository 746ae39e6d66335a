// SPDX-License-Identifier: Apache-2.0
// A TCP relay in front of a target, whose connections can be cut or held still to see how an initiator recovers.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from '../../kit/reset-socket.ts'

/** Ports that the kernel gives to nobody who asks for any: while the relay is shut, its port stays free. */
const PORTS = [20_000, 30_000] as const

/** Relays connections from a free port on loopback to `target`, another port there. */
export class Relay {
  port = randomInt(...PORTS)
  /** Where connections that come from now on are taken to. */
  target: number
  /** Connections taken so far. */
  connections = 0
  #held = false
  readonly #sockets = new Set<Socket>()
  readonly #stranded = new WeakSet<Socket>()
  readonly #server: Server

  private constructor(target: number) {
    this.target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, near => this.#accept(near))
  }

  static async start(target: number): Promise<Relay> {
    const relay = new Relay(target)
    while (!(await relay.#listens())) relay.port = randomInt(...PORTS)
    return relay
  }

  /** False if the port is taken. */
  async #listens(): Promise<boolean> {
    this.#server.listen(this.port, '127.0.0.1')
    try {
      await once(this.#server, 'listening')
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
      throw error
    }
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
      to.once('drain', () => this.#held || this.#stranded.has(from) || from.resume())
    })
    from.on('end', () => to.end())
    from.on('error', () => this.#stranded.has(from) || resetSocket(to))
    from.on('close', () => {
      this.#sockets.delete(from)
      if (!this.#stranded.has(from)) to.destroy()
    })
  }

  /**
   * Lets nothing more through in the connections that there are, nor word of their end: neither side hears of the other
   * again. New connections pass.
   */
  strand(): void {
    for (const socket of this.#sockets) {
      this.#stranded.add(socket)
      socket.pause()
    }
  }

  /** Resets all connections and refuses new ones until `open`, as a machine does on which nobody listens. */
  async shut(): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }

  /** Listens again, on the same port. */
  async open(): Promise<void> {
    if (!(await this.#listens())) throw new Error(`Port ${this.port} was taken meanwhile`)
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
    for (const socket of this.#sockets) if (!this.#stranded.has(socket)) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.shut()
  }
}
