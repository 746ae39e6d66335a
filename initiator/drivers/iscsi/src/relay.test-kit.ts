// SPDX-License-Identifier: Apache-2.0
// A TCP relay for tests that cut a connection in the middle of its work.
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Relay {
  /** Connections taken so far. */
  taken = 0
  /** Called with the bytes that went towards the target on the newest connection. */
  onBytes: (bytes: number) => void = () => {}
  /** May change what the target sends. */
  tamper: (chunk: Buffer) => Buffer = chunk => chunk
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async to(port: number): Promise<Relay> {
    const server = createServer()
    const relay = new Relay(server)
    server.on('connection', socket => relay.#take(socket, port))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  #take(near: Socket, port: number): void {
    this.taken++
    let bytes = 0
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    near.pipe(far)
    far.on('data', chunk => near.write(this.tamper(chunk)))
    near.on('data', chunk => {
      bytes += chunk.length
      this.onBytes(bytes)
    })
  }

  /** Ends all connections at once, whatever they were about. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
