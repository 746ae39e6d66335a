// SPDX-License-Identifier: Apache-2.0
// The clock of a session: commands that take too long, and what each connection does when it hears nothing.
import { TransportError } from '@lunkit/initiator-core'
import type { Links } from './links.ts'
import type { Settled } from './options.ts'
import type { Task } from './task.ts'
import type { TaskQueue } from './task-queue.ts'

/** Coarsest and finest grain of the clock in ms. */
const GRAIN = { coarse: 250, fine: 10 }

export class Watch {
  readonly #links: Links
  readonly #commandTimeoutMs: number
  readonly #queue: TaskQueue
  readonly #expired: (task: Task) => void
  readonly #timer: NodeJS.Timeout
  #stuckSince = 0

  /** `expired` is called for each command that is over its time, once. */
  constructor(links: Links, queue: TaskQueue, options: Settled, expired: (task: Task) => void) {
    this.#links = links
    this.#queue = queue
    this.#commandTimeoutMs = options.commandTimeoutMs
    this.#expired = expired
    const wanted = [options.nopIntervalMs / 4, options.commandTimeoutMs / 4].filter(ms => ms > 0)
    const grain = Math.max(GRAIN.fine, Math.min(GRAIN.coarse, ...wanted))
    this.#timer = setInterval(() => this.#tick(performance.now()), grain)
    // The socket keeps the process alive, not its clock.
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(now: number): void {
    for (const task of this.#links.tasks) {
      if (task.state === 'sent' && task.timeoutMs > 0 && now - task.sentAt >= task.timeoutMs)
        this.#expired(task)
    }
    if (this.#commandTimeoutMs > 0) this.#checkWindow(now)
    for (const link of [...this.#links.live]) if (link.gone === null) link.tick(now)
  }

  /** Commands that wait while none is under way: the target does not open its window. */
  #checkWindow(now: number): void {
    const { tasks } = this.#links
    const open = this.#links.leastLoaded()
    if (tasks.size > 0 || this.#queue.isEmpty || open === null) this.#stuckSince = 0
    else if (this.#stuckSince === 0) this.#stuckSince = now
    else if (now - this.#stuckSince >= this.#commandTimeoutMs) {
      const closed = `The target takes no command for ${this.#commandTimeoutMs} ms: its window stays closed`
      open.connection.fail(new TransportError('TRANSPORT_TIMEOUT', closed))
    }
  }
}

/** The error of a command that was over its time. */
export function timeoutError(task: Task): TransportError {
  return new TransportError(
    'TRANSPORT_TIMEOUT',
    `The command was not answered in ${task.timeoutMs} ms and was aborted; it is not known whether it ran`,
  )
}
