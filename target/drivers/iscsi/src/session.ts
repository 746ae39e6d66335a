// SPDX-License-Identifier: Apache-2.0
// One logged-in session: who, with which parameters, its connections, its tasks and its command window.
import type { KeyValue } from '@lunkit/spec'
import type { Nexus, Target, Task } from '@lunkit/target-api'
import { CommandWindow } from './command-window.ts'
import type { Connection, EndCause } from './connection.ts'
import { ConnectionCounters } from './connection-counters.ts'
import type { HeldFunction } from './inbound/held-functions.ts'
import { IscsiTask, slotOf } from './iscsi-task.ts'
import type { Admission } from './login/login.ts'
import type { SessionParameters } from './login/parameters.ts'
import type { IscsiTargetPort } from './port.ts'
import { Recovery } from './recovery/recovery.ts'
import { SentAnswers } from './recovery/sent-answers.ts'
import { type Response, ResponseFence } from './response-fence.ts'
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
}

export class Session {
  readonly port: IscsiTargetPort
  readonly identity: SessionIdentity
  /** Null in a discovery session. */
  readonly target: Target | null
  readonly parameters: SessionParameters
  /** Results of the leading login's negotiation, by key. */
  readonly settled: ReadonlyMap<string, KeyValue>
  readonly window: CommandWindow
  /** Logged-in connections by CID, the oldest first. */
  readonly connections: Map<number, Connection> = new Map()
  /** Address of the first connection's peer. */
  readonly address: string
  /** Which initiator port at which target this is. */
  readonly nexusKey: string | null
  /** Who began it, and what it sees of its target. */
  admission: Admission
  nexus: Nexus | null = null
  /** Bytes of its tasks counted by `EarlyData`; tags of task management requests that have no answer yet. */
  early = 0
  managed: number[] = []
  /** Tags of logouts of single connections under way. */
  logouts: number[] = []
  /** Functions that wait for commands before them. */
  held: HeldFunction[] = []
  /** Resolves when no task can touch a store any more; set when the session ends. */
  draining: Promise<void> | null = null
  /** By `Date.now()`. */
  readonly openedAt: number = Date.now()
  /** What ended connections have counted, and how many others took the place of one. */
  readonly past: ConnectionCounters = new ConnectionCounters()
  reconnects = 0
  /** It takes no connection any more. */
  ended = false
  /** What the initiator acknowledges is kept track of. */
  readonly tracks: boolean
  /** Null at error recovery level 0. */
  readonly recovery: Recovery | null
  /** It has several connections, so that answers may overtake each other; or answers still wait because it had. */
  several = false
  /** Answers that wait for acknowledgements; null where none does. */
  fence: ResponseFence | null = null
  /** By initiator task tag. */
  readonly tasks: TaskTable = new TaskTable()
  readonly #slots: IscsiTask[] = []
  readonly #free: IscsiTask[] = []
  readonly #retired: Set<number> = new Set()

  /** `leading` is the connection that it begins with. */
  constructor(
    leading: Connection,
    identity: SessionIdentity,
    target: Target | null,
    parameters: SessionParameters,
    settled: ReadonlyMap<string, KeyValue>,
    firstCmdSn: number,
    admission: Admission,
  ) {
    this.admission = admission
    this.port = leading.port
    this.address = leading.address
    this.nexusKey = leading.nexusKey
    this.identity = identity
    this.target = target
    this.parameters = parameters
    this.settled = settled
    const { errorRecoveryLevel } = parameters
    this.recovery = errorRecoveryLevel > 0 ? new Recovery(this, errorRecoveryLevel) : null
    this.tracks = parameters.maxConnections > 1 || errorRecoveryLevel > 0
    this.window = new CommandWindow(firstCmdSn, this.port.early.parked)
  }

  /** The oldest connection, for what does not belong to any one of them; null if there is none. */
  get anyConnection(): Connection | null {
    for (const connection of this.connections.values()) return connection
    return null
  }

  /** MaxCmdSN to send now: opened as far as the engine's credit goes. */
  maxCmdSn(): number {
    if (this.recovery?.full === true) return this.window.open(0)
    const credit = this.nexus === null ? DISCOVERY_WINDOW : this.nexus.credit
    return this.window.open(credit - this.tasks.size)
  }

  // ---- Connections ----

  /** Takes a logged-in connection; one with the same CID must have gone. */
  join(connection: Connection): void {
    if (this.recovery !== null) connection.answers = new SentAnswers()
    this.connections.set(connection.cid, connection)
    this.several ||= this.connections.size > 1
    connection.open(this)
    this.port.keepAlive.watch(connection)
  }

  /**
   * A connection has ended. Below error recovery level 2 the commands that it may have lost cannot be had again, so the
   * whole session ends with it (RFC 7143, 7.1.4.4), unless its initiator took it out. Returns when the tasks have let go
   * of their stores.
   */
  left(connection: Connection, cause: EndCause): Promise<void> {
    if (this.connections.get(connection.cid) === connection) this.connections.delete(connection.cid)
    this.port.keepAlive.forget(connection)
    this.past.add(connection.counters)
    this.window.forget(connection)
    if (this.several) this.#lessen()
    if (this.ended) return this.drained
    if (this.draining !== null) return this.end(cause, true)
    if (this.#survives(connection, cause)) this.recovery!.strand(connection)
    else if (!connection.loggedOut || (this.connections.size === 0 && !connection.replaced)) {
      return this.end(cause, true)
    } else this.recovery?.forget(connection)
    this.port.observe({
      type: 'connection-closed',
      target: this.target?.name ?? '',
      initiator: this.identity.initiator,
      address: connection.address,
      cid: connection.cid,
      cause,
    })
    return RESOLVED
  }

  // ---- The order of answers over connections ----

  /** Sends an answer in its turn; while the session ends, at once. */
  sendInOrder(response: Response): void {
    if (this.draining !== null) {
      response.send()
      return
    }
    this.fence ??= new ResponseFence(this)
    this.port.keepAlive.attend(this)
    this.fence.add(response)
  }

  /** No answer waits any more. */
  unfenced(): void {
    this.fence = null
    this.port.keepAlive.attend(this)
    this.several = this.connections.size > 1
  }

  #lessen(): void {
    if (this.fence === null) this.several = this.connections.size > 1
    else this.fence.look()
  }

  /** Whether the commands of an ended connection may be taken over by another. */
  #survives(connection: Connection, cause: EndCause): boolean {
    if (this.recovery?.level !== 2 || connection.loggedOut) return false
    if (connection.replaced) return true
    return this.parameters.time2Retain > 0 && (cause === 'lost' || cause === 'fault')
  }

  /** Resolves when no task of an ended session can touch a store any more. */
  get drained(): Promise<void> {
    return this.draining ?? RESOLVED
  }

  /** Ends the session with all its connections, once. Returns when its tasks have let go of their stores. */
  end(cause: EndCause, politely = false): Promise<void> {
    if (this.ended) return this.drained
    this.ended = true
    const drained = this.port.table.close(this, cause)
    for (const connection of [...this.connections.values()]) void connection.end(cause, politely)
    return drained
  }

  // ---- Tasks ----

  begin(connection: Connection, task: Task, itt: number, expected: number): IscsiTask {
    let one = this.#free.pop()
    if (one === undefined) {
      one = new IscsiTask(this.#slots.length, this)
      this.#slots.push(one)
    }
    one.begin(connection, task, itt, expected)
    task.driverData = one
    this.tasks.add(one)
    if (this.#retired.size > 0) this.#retired.delete(itt)
    return one
  }

  /** The task has no answer to give any more, or gives it now. */
  endTask(one: IscsiTask): void {
    this.tasks.remove(one)
    if (one.early > 0) this.port.early.drop(one)
    if (one.awaitsData) this.retire(one.itt)
    one.end()
    this.#free.push(one)
  }

  /** The task has its answer, which waits for its turn: data that was asked for is not for the engine any more. */
  dismissData(one: IscsiTask): void {
    if (one.awaitsData) this.retire(one.itt)
    one.dismissData()
  }

  /** Tasks whose data the initiator owes since before `clock`. */
  overdue(clock: number): IscsiTask[] {
    return this.#slots.filter(
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

const RESOLVED: Promise<void> = Promise.resolve()
