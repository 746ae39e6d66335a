// SPDX-License-Identifier: Apache-2.0
// A socket that reads into slabs: Node's `onread`, which `net.Server` does not offer for the sockets it accepts.
import { Socket } from 'node:net'
import { ReadRoom } from './read-room.ts'
import type { SlabPool } from './slab-pool.ts'

/** Told of bytes that were read; they are its own until it returns, and longer only by a lease of the room. */
export type TakeBytes = (bytes: Buffer, room: ReadRoom) => void

/** What Node keeps in an accepted socket beside its documented face. */
interface Accepted {
  _handle: { readonly fd?: number; useUserBuffer?: unknown } | null
  _server?: unknown
  server?: unknown
}

export class SlabSocket extends Socket {
  /** Set once by whoever reads; before that nothing may arrive. */
  onBytes: TakeBytes = nobody
  readonly #room: ReadRoom

  private constructor(handle: unknown, room: ReadRoom, read: { socket: SlabSocket | null }) {
    super({
      handle,
      onread: {
        buffer: () => room.space,
        callback: (length: number, space: Uint8Array) => {
          const { socket } = read
          const bytes = space as Buffer
          if (socket !== null)
            socket.onBytes(length === bytes.length ? bytes : bytes.subarray(0, length), room)
          room.advance(length)
          return true
        },
      },
    } as ConstructorParameters<typeof Socket>[0])
    read.socket = this
    this.#room = room
    this.once('close', () => this.leave())
  }

  /** Nothing is read here any more: it is closed, or another process has it. */
  leave(): void {
    this.#room.close()
  }

  /**
   * Takes over the connection of a socket that was just accepted and has read nothing. Where this Node keeps it otherwise
   * than thought, or bytes have been read, the socket itself is returned: it works, and is slower.
   */
  static over(accepted: Socket, pool: SlabPool): Socket {
    const old = accepted as unknown as Accepted
    const handle = old._handle
    if (typeof handle?.useUserBuffer !== 'function' || accepted.readableLength > 0 || accepted.bytesRead > 0)
      return accepted
    old._handle = null
    const socket = new SlabSocket(handle, new ReadRoom(pool), { socket: null })
    // The server counts its connections by these, and waits for all of them to close.
    const { _server, server } = old
    Object.assign(socket, { _server, server })
    Object.assign(old, { _server: null, server: null })
    // Who waits for the accepted one to close hears of it.
    socket.once('close', hadError => accepted.emit('close', hadError))
    return socket
  }
}

function nobody(): never {
  throw new Error('Bytes came before somebody read them')
}
