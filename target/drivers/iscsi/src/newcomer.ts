// SPDX-License-Identifier: Apache-2.0
// Somebody at the door: a connection that has not logged in, or the TLS handshake before it.
import type { Socket } from 'node:net'
import type { EndCause } from './connection.ts'

/** What a port keeps an eye on until there is a session. */
export interface Newcomer {
  readonly socket: Socket
  /** The peer, as `host:port`. */
  readonly address: string
  readonly initiator: string
  readonly login: {
    readonly targetName: string
    readonly first: { readonly isid: string; readonly tsih: number } | null
  } | null
  /** Which initiator port at which target it will be, once its login is through. */
  readonly nexusKey: string | null
  /** Bytes received so far. */
  loginBytes: number
  /** Clock of the port at which its time is over. */
  readonly deadline: number
  readonly drained: Promise<void>
  end(cause: EndCause): Promise<void>
}

/** Adds one that only waits for its peer to close; the oldest of `most` is cut off for it. */
export function letLinger(waiting: Set<Newcomer>, most: number, newcomer: Newcomer): void {
  if (waiting.size >= most) {
    for (const oldest of waiting) {
      waiting.delete(oldest)
      oldest.socket.destroy()
      break
    }
  }
  waiting.add(newcomer)
}
