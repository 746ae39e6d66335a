// SPDX-License-Identifier: Apache-2.0
// One logged-in session: who, with which parameters, its tasks and its command window.
import type { KeyValue } from '@lunkit/spec'
import type { Nexus, Target, Task } from '@lunkit/target-api'
import { CommandWindow } from './command-window.ts'
import type { Connection } from './connection.ts'
import { IscsiTask, slotOf } from './iscsi-task.ts'
import type { SessionParameters } from './login/parameters.ts'
import { TaskTable } from './task-table.ts'

/** Ended tasks whose data may still arrive are remembered, this many of them. */
const RETIRED = 256
/** Requests that a session without a nexus (discovery) may have under way. */
const DISCOVERY_WINDOW = 8

export interface SessionIdentity {
  readonly initiator: string
  /** 12 hexadecimal digits. */
  readonly isid: string
  readonly tsih: number
  readonly cid: number
}

export class Session {
  readonly connection: Connection
  readonly identity: SessionIdentity
  /** Null in a discovery session. */
  readonly target: Target | null
  readonly parameters: SessionParameters
  /** Results of the login's negotiation, by key. */
  readonly settled: ReadonlyMap<string, KeyValue>
  readonly window: CommandWindow
  nexus: Nexus | null = null
  /** Bytes of its tasks counted by `EarlyData`; task management requests that have no answer yet. */
  early = 0
  managed = 0
  /** Resolves when no task can touch a store any more; set when the session ends. */
  draining: Promise<void> | null = null
  /** By initiator task tag. */
  readonly tasks: TaskTable = new TaskTable()
  readonly #slots: IscsiTask[] = []
  readonly #free: IscsiTask[] = []
  readonly #retired: Set<number> = new Set()

  constructor(
    connection: Connection,
    identity: SessionIdentity,
    target: Target | null,
    parameters: SessionParameters,
    settled: ReadonlyMap<string, KeyValue>,
    firstCmdSn: number,
  ) {
    this.connection = connection
    this.identity = identity
    this.target = target
    this.parameters = parameters
    this.settled = settled
    this.window = new CommandWindow(firstCmdSn)
  }

  /** MaxCmdSN to send now: opened as far as the engine's credit goes. */
  maxCmdSn(): number {
    const credit = this.nexus === null ? DISCOVERY_WINDOW : this.nexus.credit
    return this.window.open(credit - this.tasks.size)
  }

  begin(task: Task, itt: number, expected: number): IscsiTask {
    let one = this.#free.pop()
    if (one === undefined) {
      one = new IscsiTask(this.#slots.length, this)
      this.#slots.push(one)
    }
    one.begin(task, itt, expected)
    task.driverData = one
    this.tasks.add(one)
    if (this.#retired.size > 0) this.#retired.delete(itt)
    return one
  }

  end(one: IscsiTask): void {
    this.tasks.remove(one)
    if (one.early > 0) this.connection.port.early.drop(one)
    if (one.awaitsData) this.retire(one.itt)
    one.end()
    this.#free.push(one)
  }

  /** A task whose data the initiator owes since before `clock`. */
  overdue(clock: number): IscsiTask | undefined {
    return this.#slots.find(
      one => one.movedAt < clock && (one.fetching || one.unsolicited) && this.tasks.get(one.itt) === one,
    )
  }

  /** Task of a target transfer tag, if it is that of `itt`. */
  byTransferTag(tag: number, itt: number): IscsiTask | undefined {
    const one = this.#slots[slotOf(tag)]
    return one !== undefined && one.itt === itt && this.tasks.get(itt) === one ? one : undefined
  }

  /** Data-Out for this tag may still come and is then thrown away without a word. */
  retire(itt: number): void {
    this.#retired.add(itt)
    if (this.#retired.size <= RETIRED) return
    for (const oldest of this.#retired) {
      this.#retired.delete(oldest)
      break
    }
  }

  isRetired(itt: number): boolean {
    return this.#retired.has(itt)
  }
}
