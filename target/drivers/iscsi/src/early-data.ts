// SPDX-License-Identifier: Apache-2.0
// Data that came with commands which have to wait: the engine has not charged it to its memory, so it is counted here.
import type { ParkedTotal } from './command-window.ts'
import { heldBy, PARKED_BYTES, SHARE_BYTES } from './defence/session-memory.ts'
import type { IscsiTask } from './iscsi-task.ts'
import type { Session } from './session.ts'

export class EarlyData {
  /** Of requests that wait for a lower CmdSN: the windows count it. */
  readonly parked: ParkedTotal = { bytes: 0 }
  #bytes = 0
  readonly #limit: number
  readonly #sessionLimit: number

  /** In bytes: for all sessions, and for all that one session holds. */
  constructor(limit: number, sessionLimit: number) {
    this.#limit = limit
    this.#sessionLimit = sessionLimit
  }

  /** Whether a session's next command may bring this much. */
  takes(session: Session, bytes: number): boolean {
    if (session.early + bytes <= SHARE_BYTES) return true
    return this.#hasRoom(session, bytes)
  }

  /** Whether this much more may be kept of a session's commands that wait for a lower CmdSN. */
  parks(session: Session, bytes: number): boolean {
    return session.window.parkedBytes + bytes <= PARKED_BYTES || this.#hasRoom(session, bytes)
  }

  #hasRoom(session: Session, bytes: number): boolean {
    const all = this.#bytes + this.parked.bytes + bytes
    return all <= this.#limit && heldBy(session) + bytes <= this.#sessionLimit
  }

  /** The task waits, and this much has come for it or will come unasked. */
  hold(one: IscsiTask, bytes: number): void {
    one.early = bytes
    one.session.early += bytes
    this.#bytes += bytes
  }

  /** The task goes on or has ended. */
  drop(one: IscsiTask): void {
    one.session.early -= one.early
    this.#bytes -= one.early
    one.early = 0
  }
}
