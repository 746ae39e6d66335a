// SPDX-License-Identifier: Apache-2.0
// One connection to a server as bytes: TCP, a Unix socket, or TLS over either.
import { connect, isIP, type Socket } from 'node:net'
import type { NbdPlace } from './uri.ts'

/** PEM. */
export interface NbdTls {
  /** Who signs the server's certificate; the system's authorities if not given. */
  readonly ca?: string
  /** What the client shows, if it is asked. */
  readonly cert?: string
  readonly key?: string
}

export interface WireOwner {
  /** The bytes are its own until it returns. */
  bytes(bytes: Buffer): void
  /** Called once. `byPeer`: the other end, or its machine, has let the connection go. */
  closed(why: string, byPeer: boolean): void
}

const READ_AT_ONCE = 262144
const PEER_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])
/** A peer whose machine is gone is missed after some twenty seconds without traffic. */
const KEEP_ALIVE_MS = 10_000
/** How long the other end may take to close after all is said. */
const CLOSE_MS = 1000

export class Wire {
  owner: WireOwner = { bytes() {}, closed() {} }
  #socket: Socket
  #error: (Error & { code?: string }) | null = null
  #ended = false
  #closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Rejects with what the system says. Gives up when `signal` fires. */
  static connect(place: NbdPlace, signal: AbortSignal): Promise<Wire> {
    const way = place.socket === null ? { host: place.host, port: place.port } : { path: place.socket }
    return new Promise((resolve, reject) => {
      let wire: Wire | null = null
      // TLS takes the socket over, and wants it as it is.
      const onread = {
        buffer: Buffer.allocUnsafeSlow(READ_AT_ONCE),
        callback: (length: number, space: Uint8Array): boolean => {
          wire?.owner.bytes((space as Buffer).subarray(0, length))
          return true
        },
      }
      const socket = connect({
        ...way,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        signal,
        ...(!place.tls && { onread }),
      })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        wire = new Wire(socket)
        wire.#listen(socket, place.tls)
        resolve(wire)
      })
    })
  }

  /** From here on all is encrypted. Rejects where the certificate of the other end does not hold. */
  async startTls({ tlsHost }: NbdPlace, tls: NbdTls): Promise<void> {
    const { connect: connectTls } = await import('node:tls')
    const plain = this.#socket
    plain.removeAllListeners('data')
    const name = isIP(tlsHost) === 0 ? { servername: tlsHost } : { host: tlsHost }
    await new Promise<void>((resolve, reject) => {
      const secure = connectTls({ ...tls, ...name, socket: plain, minVersion: 'TLSv1.2' }, () => {
        secure.off('error', reject)
        resolve()
      })
      secure.once('error', reject)
      secure.once('close', () => reject(new Error('the connection was closed before TLS began')))
      this.#socket = secure
      this.#listen(secure, true)
    })
  }

  /** Sends the buffers as one; they must stay as they are until `left` is called, or the wire is closed. */
  write(buffers: readonly Buffer[], left: () => void): void {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return
    const last = buffers.length - 1
    socket.cork()
    for (let i = 0; i < last; i++) socket.write(buffers[i]!)
    socket.write(buffers[last]!, left)
    socket.uncork()
  }

  /** Lets it go after `bytes`, in good order. */
  end(bytes: Buffer): void {
    this.#socket.end(bytes)
    setTimeout(() => this.#socket.destroy(), CLOSE_MS).unref()
  }

  /** Lets it go at once; nothing that waited to be sent is touched any more. */
  reset(why: string): void {
    this.#error ??= new Error(why)
    this.#socket.destroy()
    this.#close()
  }

  #listen(socket: Socket, flowing: boolean): void {
    if (flowing) socket.on('data', bytes => this.owner.bytes(bytes as Buffer))
    socket.on('error', error => {
      this.#error ??= error
    })
    socket.on('end', () => {
      this.#ended = true
      socket.destroy()
    })
    socket.on('close', () => {
      if (socket === this.#socket) this.#close()
    })
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    const code = this.#error?.code ?? ''
    const byPeer = this.#error === null ? this.#ended : PEER_CODES.has(code)
    this.owner.closed(this.#error?.message ?? 'the server closed the connection', byPeer)
  }
}
