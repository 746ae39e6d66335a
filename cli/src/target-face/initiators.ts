// SPDX-License-Identifier: Apache-2.0
// The initiators of a running target: messages to them, polite and hard ends, redirects, rehearsed path loss.
import { OperatorError } from '@lunkit/target-api'
import type {
  Drained,
  IscsiPort,
  PortControl,
  Redirect,
  RedirectDecision,
  RehearsalOptions,
  SessionSelection,
  VendorEvent,
} from '@lunkit/target-driver-iscsi'

/** Sessions for which all that is given holds; all of the target if nothing is. */
export interface InitiatorSelection extends Omit<SessionSelection, 'target'> {
  /** Tag of the portal group that they came to. */
  readonly tag?: number
}

/**
 * Calls on a target's sessions. Each tells how many sessions were meant. All throw (or reject with) OperatorError on values
 * out of range.
 */
export class Initiators {
  readonly #ports: readonly IscsiPort[]

  constructor(ports: readonly IscsiPort[]) {
    this.#ports = ports
  }

  /**
   * Asks for a logout and waits for it up to `seconds`; what is left is told that it is dropped. The initiators may come
   * back at once: redirect them first if they are to go elsewhere.
   */
  async evict(which: InitiatorSelection, seconds = 10): Promise<Drained> {
    // A selection that meets everybody still keeps nobody out afterwards.
    const { tag, ...rest } = which
    return sum(await Promise.all(this.#at(tag).map(one => one.drain(seconds, { initiator: '*', ...rest }))))
  }

  /** Tells sessions that they are dropped, and drops them; their initiators may come back after `wait` seconds. */
  drop(which: InitiatorSelection = {}, wait = 0): number {
    return this.#count(which, (control, rest) => control.drop(rest, wait))
  }

  /** Drops the connection with this CID of each session; the session goes on where its error recovery level is 2. */
  dropConnection(cid: number, which: InitiatorSelection = {}): number {
    return this.#count(which, (control, rest) => control.dropConnection(cid, rest))
  }

  /** Asks for a logout within `seconds`, without an end to it. */
  askLogout(seconds: number, which: InitiatorSelection = {}): number {
    return this.#count(which, (control, rest) => control.askLogout(seconds, rest))
  }

  /** Asks for a text negotiation within `seconds`. */
  askNegotiation(seconds: number, which: InitiatorSelection = {}): number {
    return this.#count(which, (control, rest) => control.askNegotiation(seconds, rest))
  }

  /** Tells an event of a vendor. */
  tellVendorEvent(event: VendorEvent, which: InitiatorSelection = {}): number {
    return this.#count(which, (control, rest) => control.tellVendorEvent(event, rest))
  }

  /** Tells a SCSI asynchronous event: sense data of a LUN. */
  tellSense(lun: number, sense: Uint8Array, which: InitiatorSelection = {}): number {
    return this.#count(which, (control, rest) => control.tellSense(lun, sense, rest))
  }

  /** Sends new sessions elsewhere from now on, or lets a function decide for each; null ends that. */
  redirect(to: Redirect | RedirectDecision | null, { tag }: { readonly tag?: number } = {}): void {
    for (const control of this.#known(tag)) control.redirect(to)
  }

  /** Rehearses the loss of paths; the function that is returned ends it. */
  rehearse(
    options: RehearsalOptions,
    which: InitiatorSelection & { readonly portal?: string } = {},
  ): () => void {
    const { tag, ...rest } = which
    const ends = this.#known(tag).map(control => control.rehearse(options, rest))
    return () => ends.forEach(end => void end())
  }

  /** What is set for later logins tells no number of sessions, so that a tag that is none has to be told. */
  #known(tag: number | undefined): readonly PortControl[] {
    const found = this.#at(tag)
    if (found.length > 0) return found
    throw new OperatorError('PORTAL_TAG', `No portal has the tag ${tag}`, {
      hint: `tags are ${this.#ports.map(port => port.relativeId).join(', ')}`,
    })
  }

  #at(tag: number | undefined): readonly PortControl[] {
    const ports = tag === undefined ? this.#ports : this.#ports.filter(port => port.relativeId === tag)
    return ports.map(port => port.control)
  }

  #count(
    { tag, ...rest }: InitiatorSelection,
    act: (control: PortControl, which: SessionSelection) => number,
  ): number {
    return this.#at(tag).reduce((count, control) => count + act(control, rest), 0)
  }
}

/** What drains of several ports came to. */
export const sum = (drained: readonly Drained[]): Drained => ({
  sessions: drained.reduce((all, { sessions }) => all + sessions, 0),
  dropped: drained.reduce((all, { dropped }) => all + dropped, 0),
})
