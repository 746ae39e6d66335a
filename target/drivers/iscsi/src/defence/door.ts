// SPDX-License-Identifier: Apache-2.0
// The door of a port: who is let in, what is told of those who are not, and what their logins came to.
import type { Socket } from 'node:net'
import { LoginStatus } from '@lunkit/spec'
import type { Observer } from '@lunkit/target-api'
import type { Reception } from '../handover/options.ts'
import type { Settings } from '../options.ts'
import { AddressGuard } from './address-guard.ts'
import { plainAddress } from './address-key.ts'
import { Refusals } from './refusals.ts'

/** Refusals by which somebody may be guessing secrets or names. */
const PROBES: ReadonlySet<number> = new Set([
  LoginStatus.authenticationFailure,
  LoginStatus.authorizationFailure,
])

export class Door {
  readonly #guard: AddressGuard
  readonly #refusals: Refusals
  /** That of the port which lets connections in, where this one only takes them. */
  readonly #outer: Reception['door'] | null

  constructor({ limits, trusted, reception }: Settings, observe: Observer) {
    this.#guard = new AddressGuard(limits, trusted, () => performance.now())
    this.#refusals = new Refusals(observe)
    this.#outer = reception?.door ?? null
  }

  /** Whether the limits of its address let a connection in; it then counts until its socket is closed. */
  letIn(socket: Socket): boolean {
    const address = socket.remoteAddress ?? ''
    const refusal = this.#guard.admit(address)
    if (refusal === null) socket.once('close', () => this.left(address))
    else this.#refusals.add(refusal, plainAddress(address))
    return refusal === null
  }

  /** A connection has closed, of which this process may not know: its socket was given to another. */
  left(address: string): void {
    this.#guard.left(address)
  }

  /** A login was refused with this status. */
  refused(address: string, status: number): void {
    if (this.#outer !== null) this.#outer.refused(address, status)
    else if (PROBES.has(status)) this.#guard.failed(address)
  }

  /** An initiator has proved who it is. */
  proved(address: string): void {
    if (this.#outer !== null) this.#outer.proved(address)
    else this.#guard.succeeded(address)
  }

  /** Nobody comes any more. */
  close(): void {
    this.#refusals.close()
  }
}
