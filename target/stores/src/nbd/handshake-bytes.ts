// SPDX-License-Identifier: Apache-2.0
// What a server sends before transmission, as pieces of the length that is asked for.
import type { Wire, WireOwner } from './wire.ts'

/** What a server may send ahead, or in the whole of a handshake. */
const MOST_BYTES = 1024 * 1024

/** The connection ended, or was given up, before the handshake did. */
export class HandshakeEnded extends Error {}

export class HandshakeBytes implements WireOwner {
  #chunks: Buffer[] = []
  #held = 0
  #seen = 0
  #ended: string | null = null
  #waiting: { readonly length: number; resolve(bytes: Buffer): void; reject(error: Error): void } | null =
    null
  readonly #wire: Wire

  constructor(wire: Wire) {
    this.#wire = wire
    wire.owner = this
  }

  /** The next so many bytes. Rejects with HandshakeEnded. */
  take(length: number): Promise<Buffer> {
    if (length === 0) return Promise.resolve(Buffer.alloc(0))
    return new Promise((resolve, reject) => {
      this.#waiting = { length, resolve, reject }
      this.#serve()
    })
  }

  /** What came and was not taken. */
  rest(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  bytes(bytes: Buffer): void {
    this.#seen += bytes.length
    if (this.#seen > MOST_BYTES) {
      this.#wire.reset(`the server sent more than ${MOST_BYTES} bytes in its handshake`)
      return
    }
    this.#chunks.push(Buffer.from(bytes))
    this.#held += bytes.length
    this.#serve()
  }

  closed(why: string): void {
    this.#ended = why
    this.#serve()
  }

  #serve(): void {
    const waiting = this.#waiting
    if (waiting === null) return
    if (this.#held >= waiting.length) {
      this.#waiting = null
      waiting.resolve(this.#cut(waiting.length))
    } else if (this.#ended !== null) {
      this.#waiting = null
      waiting.reject(new HandshakeEnded(this.#ended))
    }
  }

  #cut(length: number): Buffer {
    const parts: Buffer[] = []
    this.#held -= length
    for (let left = length; left > 0; ) {
      const first = this.#chunks[0]!
      parts.push(first.subarray(0, left))
      if (first.length > left) this.#chunks[0] = first.subarray(left)
      else this.#chunks.shift()
      left -= Math.min(left, first.length)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }
}
