// SPDX-License-Identifier: Apache-2.0
// A connection whose first login request decides who serves it: this port, or another that it is given away to.
import type { Socket } from 'node:net'
import { plainAddress } from '../defence/address-key.ts'
import type { Newcomer } from '../newcomer.ts'
import type { IscsiTargetPort } from '../port.ts'
import { portalText } from '../portal.ts'
import { SlabSocket } from '../receive/slab-socket.ts'
import type { PeerCertificate } from '../tls/certificate.ts'
import { firstTarget } from './first-target.ts'
import type { Arrival, HandOver, Released } from './options.ts'

const NOTHING = Buffer.alloc(0)

export class Visitor implements Newcomer, Arrival {
  readonly socket: Socket
  readonly address: string
  readonly initiator = ''
  readonly nexusKey = null
  readonly deadline: number
  readonly drained: Promise<void> = Promise.resolve()
  readonly #port: IscsiTargetPort
  readonly #peer: string
  readonly #certificate: PeerCertificate | null
  readonly #handOver: HandOver
  loginBytes = 0
  login: { readonly targetName: string; readonly first: null } | null = null
  #bytes: Buffer = NOTHING
  #over = false

  constructor(
    port: IscsiTargetPort,
    socket: Socket,
    certificate: PeerCertificate | null,
    deadline: number,
    handOver: HandOver,
  ) {
    this.#port = port
    this.socket = socket
    this.#certificate = certificate
    this.#handOver = handOver
    this.#peer = socket.remoteAddress ?? ''
    this.address = portalText({ host: plainAddress(this.#peer), port: socket.remotePort ?? 0 })
    this.deadline = deadline
    // Its bytes are its own only until this returns.
    if (socket instanceof SlabSocket) socket.onBytes = bytes => this.#onData(Buffer.from(bytes))
    else socket.on('data', this.#onData)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
  }

  get target(): string {
    return this.login?.targetName ?? ''
  }

  get tag(): number {
    return this.#port.settings.tpgt
  }

  get over(): boolean {
    return this.#over
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#port.countLoginBytes(this, chunk.length)) return
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    // It only waits: an initiator has nothing to send before it is answered.
    if (this.login !== null) return
    const name = firstTarget(this.#bytes)
    if (name === null) return
    const target = name === '' ? null : this.#port.findTarget(name)
    if (target === null) {
      this.#stay()
      return
    }
    this.login = { targetName: target.name, first: null }
    this.#handOver(this)
  }

  readonly #onClose = (): void => {
    void this.end()
    this.#port.gone(this)
  }

  release(): Released {
    const { door, settings, clock, watch } = this.#port
    const { loginTimeoutMs } = settings.limits
    const share = (this.deadline - clock) / this.#port.ticks(loginTimeoutMs)
    const peer = this.#peer
    watch.counters.accepted--
    return {
      socket: this.socket,
      bytes: this.#leave(),
      msLeft: Math.max(0, Math.round(loginTimeoutMs * share)),
      certificate: this.#certificate,
      left: () => door.left(peer),
    }
  }

  refuse(): void {
    if (!this.#over) this.#stay()
  }

  end(): Promise<void> {
    if (!this.#over) {
      this.#over = true
      this.#port.forget(this)
      this.socket.destroy()
    }
    return this.drained
  }

  /** The login goes on at this port: that is where discovery is done and faults are told, and targets of others are closed. */
  #stay(): void {
    this.#port.begin(this.socket, this.#certificate, this.deadline, this.#leave())
  }

  /** Nothing that comes from now on comes here; gives what has come. */
  #leave(): Buffer {
    this.#over = true
    this.socket.off('data', this.#onData)
    this.socket.off('error', ignore)
    this.socket.off('close', this.#onClose)
    this.#port.forget(this)
    this.#port.gone(this)
    const bytes = this.#bytes
    this.#bytes = NOTHING
    return bytes
  }
}

const ignore = (): void => undefined
