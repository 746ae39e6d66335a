// SPDX-License-Identifier: Apache-2.0
// Data that came with commands which have to wait: the engine has not charged it to its memory, so it is counted here.
import type { IscsiTask } from './iscsi-task.ts'
import type { Session } from './session.ts'

/** What each session may have in any case: the data of two commands. */
const SHARE_BYTES = 524_288

export class EarlyData {
  #bytes = 0
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether a session's next command may bring this much. */
  takes(session: Session, bytes: number): boolean {
    return this.#bytes + bytes <= this.#limit || session.early + bytes <= SHARE_BYTES
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
