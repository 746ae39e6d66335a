// SPDX-License-Identifier: Apache-2.0
// What lies in the way of one connection during a rehearsal: its bytes are lost, left unread, or late.
import type { Connection } from '../connection.ts'
import { copyOut } from '../gather.ts'

export type ObstacleMode = 'silence' | 'deaf' | 'delay'

/** What may be on its way through a delay, in bytes; then the socket is not read. */
const DELAYED_BYTES = 1024 * 1024

export class Obstacle {
  readonly mode: ObstacleMode
  /** Who put it there, and takes it away. */
  readonly owner: unknown
  readonly #connection: Connection
  readonly #delayMs: number
  readonly #late: Set<NodeJS.Timeout> = new Set()
  readonly #chunks: Buffer[] = []
  #bytes = 0
  /** Something was lost: the connection cannot go on. */
  #lost = false

  constructor(connection: Connection, mode: ObstacleMode, delayMs: number, owner: unknown) {
    this.mode = mode
    this.owner = owner
    this.#connection = connection
    this.#delayMs = delayMs
    if (mode === 'silence') this.mute()
    if (mode === 'deaf') connection.socket.pause()
  }

  /** Whether the socket is not to be read. */
  get blocks(): boolean {
    return this.mode === 'deaf' || this.#bytes > DELAYED_BYTES
  }

  /** Answers are lost from now on. */
  mute(): void {
    this.#lost = true
    this.#connection.out.muted = true
  }

  /** What has arrived; good until the call ends. */
  take(chunk: Buffer): void {
    if (this.mode === 'silence') return
    if (this.mode === 'deaf') {
      // It was on its way when reading stopped.
      this.#connection.take(copyOut(chunk))
      return
    }
    this.#chunks.push(copyOut(chunk))
    this.#bytes += chunk.length
    if (this.blocks) this.#connection.socket.pause()
    const timer = setTimeout(() => {
      this.#late.delete(timer)
      this.#deliver()
    }, this.#delayMs)
    this.#late.add(timer)
  }

  #deliver(): void {
    const chunk = this.#chunks.shift()
    if (chunk === undefined) return
    const blocked = this.blocks
    this.#bytes -= chunk.length
    this.#connection.take(chunk)
    if (blocked && !this.blocks) this.#connection.readOn()
  }

  /** The way is free again; a connection that has lost something is reset, so that its initiator comes anew. */
  lift(): void {
    const connection = this.#connection
    for (const timer of this.#late) clearTimeout(timer)
    if (this.#lost) {
      resetConnection(connection)
      return
    }
    connection.obstacle = null
    const { port } = connection
    connection.heardAt = port.clock
    if (connection.session === null)
      connection.deadline = port.clock + port.ticks(port.settings.limits.loginTimeoutMs)
    while (this.#chunks.length > 0) connection.take(this.#chunks.shift()!)
    connection.readOn()
  }

  /** The connection has ended. */
  close(): void {
    for (const timer of this.#late) clearTimeout(timer)
    this.#chunks.length = 0
  }
}

/** Ends a connection the hard way. */
export function resetConnection(connection: Connection): void {
  const { socket } = connection
  // A TLS socket has no handle that could be reset. Amid a shutdown the system refuses a reset, and Node then loses the
  // handle without closing it: the port would wait for it for ever.
  if (connection.overTls || (socket.writableEnded && !socket.writableFinished)) socket.destroy()
  else socket.resetAndDestroy()
  void connection.end('lost')
}
