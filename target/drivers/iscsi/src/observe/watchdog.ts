// SPDX-License-Identifier: Apache-2.0
// What lasts too long: commands without an answer, answers that nobody reads, and commands slower than the operator wants.
import { commandWords, statusText } from '@lunkit/spec'
import { type Task, TaskState } from '@lunkit/target-api'
import type { Connection } from '../connection.ts'
import type { IscsiTask } from '../iscsi-task.ts'
import type { IscsiTargetPort } from '../port.ts'
import type { Session } from '../session.ts'

/** How often it looks within the time of a response. */
const LOOKS = 8

/** `one.begunAt` of a command that has been told of. */
const TOLD = 0x7fff_ffff

/** What a command waits for, by its state. */
const WAITS: Readonly<Record<TaskState, string>> = {
  [TaskState.free]: 'nothing',
  [TaskState.decode]: 'decoding',
  [TaskState.admit]: 'admission',
  [TaskState.waitOrder]: 'commands before it',
  [TaskState.waitAca]: 'the end of an auto contingent allegiance',
  [TaskState.waitMemory]: 'memory',
  [TaskState.fetch]: 'data from the initiator',
  [TaskState.waitData]: 'data from the initiator',
  [TaskState.run]: 'the storage',
  [TaskState.execute]: 'the storage',
  [TaskState.finish]: 'its answer to be sent',
  [TaskState.respond]: 'its answer to be sent',
  [TaskState.lost]: 'the storage, after an abort',
}

export class Watchdog {
  /** Commands that take this long are told of, in milliseconds; 0 for none. */
  readonly slowMs: number
  readonly #port: IscsiTargetPort
  readonly #timeoutMs: number
  /** Writes that were through at the last look, and the clock when that number changed. */
  readonly #writes: WeakMap<Connection, { readonly through: number; readonly at: number }> = new WeakMap()

  constructor(port: IscsiTargetPort) {
    this.#port = port
    this.slowMs = port.settings.slowMs
    this.#timeoutMs = port.settings.limits.responseTimeoutMs
  }

  /** The port's clock has ticked. */
  tick(clock: number): void {
    const limit = this.#port.ticks(this.#timeoutMs)
    if (clock % Math.max(1, Math.floor(limit / LOOKS)) !== 0) return
    for (const session of [...this.#port.sessions.values()]) {
      if (session.tasks.size > 0) this.#lookForStuck(session, clock, limit)
      for (const connection of [...session.connections.values()]) this.#lookAtWrites(connection, clock, limit)
    }
  }

  #lookForStuck(session: Session, clock: number, limit: number): void {
    // A copy: who is told may end sessions.
    for (const one of [...session.tasks.all()]) {
      const { task } = one
      if (task === null || one.begunAt > clock - limit) continue
      const age = clock - one.begunAt
      one.begunAt = TOLD
      this.#port.observe({
        type: 'stuck-command',
        ...commandOf(one, task),
        address: one.connection?.address ?? session.address,
        ms: Math.round((age * this.#timeoutMs) / limit),
        waitsFor: WAITS[task.state],
      })
    }
  }

  /** A write under way that does not end: the peer reads nothing of it, or next to nothing. */
  #lookAtWrites(connection: Connection, clock: number, limit: number): void {
    const { out } = connection
    const seen = this.#writes.get(connection)
    if (!out.writing || out.writes !== seen?.through) {
      this.#writes.set(connection, { through: out.writes, at: clock })
      return
    }
    if (clock - seen.at < limit) return
    this.#port.observe({
      type: 'answers-not-read',
      target: connection.session!.target?.name ?? '',
      initiator: connection.initiator,
      address: connection.address,
      cid: connection.cid,
      bytes: out.queued,
      ms: this.#timeoutMs,
    })
    void connection.end('fault')
  }

  /** A command has its answer, or was aborted. Called only where `slowMs` is not 0. */
  ended(one: IscsiTask, task: Task, aborted: boolean): void {
    const ms = performance.now() - one.startedAt
    if (ms < this.slowMs) return
    this.#port.observe({
      type: 'slow-command',
      ...commandOf(one, task),
      ms: Math.round(ms),
      outcome: aborted ? 'aborted' : statusText(task.status),
    })
  }
}

function commandOf({ session }: IscsiTask, task: Task) {
  const { name, lba, blocks } = commandWords(task.cdb)
  return {
    target: session.target?.name ?? '',
    initiator: session.identity.initiator,
    lun: task.lun,
    command: name,
    lba,
    blocks,
  }
}
