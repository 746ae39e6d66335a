// SPDX-License-Identifier: Apache-2.0
// The clock of a connection: commands that take too long, and the probe of a connection that is silent.
import { TransportError } from '@lunkit/initiator-core'
import type { FullFeature } from './full-feature.ts'
import type { Settled } from './options.ts'
import { portalText } from './portal.ts'
import type { Task } from './task.ts'
import type { TaskQueue } from './task-queue.ts'

/** Coarsest and finest grain of the clock in ms. */
const GRAIN = { coarse: 250, fine: 10 }

export class Watch {
  readonly #feature: FullFeature
  readonly #nopIntervalMs: number
  readonly #commandTimeoutMs: number
  readonly #queue: TaskQueue
  readonly #expired: (task: Task) => void
  readonly #timer: NodeJS.Timeout
  #heard = -1
  #quietSince = performance.now()
  #pinged = 0
  #ticksSincePing = 0
  #stuckSince = 0

  /** `expired` is called for each command that is over its time, once. */
  constructor(feature: FullFeature, queue: TaskQueue, options: Settled, expired: (task: Task) => void) {
    this.#queue = queue
    this.#commandTimeoutMs = options.commandTimeoutMs
    this.#feature = feature
    this.#nopIntervalMs = options.nopIntervalMs
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
    for (const task of this.#feature.tasks) {
      if (task.state === 'sent' && task.timeoutMs > 0 && now - task.sentAt >= task.timeoutMs)
        this.#expired(task)
    }
    if (this.#commandTimeoutMs > 0) this.#checkWindow(now)
    if (this.#nopIntervalMs > 0) this.#probe(now)
  }

  /** Commands that wait while none is under way: the target does not open its window. */
  #checkWindow(now: number): void {
    const { tasks, connection, leaving } = this.#feature
    if (tasks.size > 0 || this.#queue.isEmpty || leaving) this.#stuckSince = 0
    else if (this.#stuckSince === 0) this.#stuckSince = now
    else if (now - this.#stuckSince >= this.#commandTimeoutMs) {
      const closed = `The target takes no command for ${this.#commandTimeoutMs} ms: its window stays closed`
      connection.fail(new TransportError('TRANSPORT_TIMEOUT', closed))
    }
  }

  #probe(now: number): void {
    const { connection, exchanges } = this.#feature
    if (connection.heard !== this.#heard) {
      this.#heard = connection.heard
      this.#quietSince = now
      this.#pinged = 0
    } else if (this.#pinged === 0) {
      if (now - this.#quietSince < this.#nopIntervalMs) return
      this.#pinged = now
      this.#ticksSincePing = 0
      // A lost connection is told to the session by other means.
      exchanges.ping().catch(() => {})
    } else if (++this.#ticksSincePing > 2 && now - this.#pinged >= this.#nopIntervalMs) {
      // Ticks are counted too: after a stall of this process, answers that lie in the socket must be read first.
      const silent = `${portalText(connection.portal)} did not answer a ping in ${this.#nopIntervalMs} ms`
      connection.fail(new TransportError('TRANSPORT_CONNECTION_LOST', silent))
    }
  }
}
