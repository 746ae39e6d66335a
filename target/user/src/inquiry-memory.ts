// SPDX-License-Identifier: Apache-2.0
// What a handler answered to INQUIRY, for the time when it is away: a unit says what it is also when it is not ready (SPC-4).
import { INQUIRY } from '@lunkit/spec'
import { reply, type Task } from '@lunkit/target-api'

const { evpd, pageCode, allocation } = INQUIRY.cdb.field
/** Pages that are kept, and the longest. */
const MOST_PAGES = 32
const LONGEST = 4096

const keyOf = ({ cdb }: Task): number => (evpd.get(cdb, 0) << 8) | pageCode.get(cdb, 0)

export class InquiryMemory {
  readonly #pages = new Map<number, Buffer>()

  /** Keeps a good answer, which is in the task; a shorter allocation length does not take the place of a longer one. */
  keep(task: Task, bytes: number): void {
    if (task.cdb[0] !== INQUIRY.opcode || bytes > LONGEST) return
    const key = keyOf(task)
    const before = this.#pages.get(key)
    if (before === undefined && this.#pages.size >= MOST_PAGES) return
    const whole = bytes < allocation.get(task.cdb, 0)
    if (!whole && before !== undefined && before.length >= bytes) return
    this.#pages.set(key, Buffer.concat(task.segments, bytes))
  }

  /** Ends the task with what is kept, if it is such a command. */
  answer(task: Task): boolean {
    const page = task.cdb[0] === INQUIRY.opcode ? this.#pages.get(keyOf(task)) : undefined
    if (page === undefined) return false
    reply(task, Buffer.from(page), allocation.get(task.cdb, 0))
    return true
  }
}
