// SPDX-License-Identifier: Apache-2.0
// How one port meets initiators and others serve them, perhaps in other processes: what passes between the two.
import type { Socket } from 'node:net'
import type { Door } from '../defence/door.ts'
import type { Listener } from '../portal.ts'
import type { PeerCertificate } from '../tls/certificate.ts'

/** A connection of which the first login request is here: it names a target, and waits to be given away. */
export interface Arrival {
  /** Name of the target, as the engine has it. */
  readonly target: string
  /** Portal group that it came to. */
  readonly tag: number
  readonly address: string
  /** It has gone meanwhile, or its time was over. */
  readonly over: boolean
  /** Gives it away, once: nothing here listens to the socket any more. */
  release(): Released
  /** Nobody can serve it: it is told that the service is unavailable. */
  refuse(): void
}

/** A connection on its way to the port that serves it. */
export interface Handed {
  readonly socket: Socket
  /** All that was read of it. */
  readonly bytes: Buffer
  /** What is left of its time to log in. */
  readonly msLeft: number
  readonly certificate: PeerCertificate | null
}

export interface Released extends Handed {
  /** To be called where the socket is in another process, once it has been closed there. Keeps nothing of it alive. */
  left(): void
}

/** Given each connection whose login names a target of the engine. */
export type HandOver = (arrival: Arrival) => void

/** What a port that listens nowhere needs of the one that meets its initiators. */
export interface Reception {
  /** Where that one listens: initiators are told of these portals. They stay open when the port stops. */
  readonly listeners: readonly Omit<Listener, 'close'>[]
  /** Told what logins came to, so that addresses that fail too often have to wait. */
  readonly door: Pick<Door, 'refused' | 'proved'>
}
