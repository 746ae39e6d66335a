// SPDX-License-Identifier: Apache-2.0
// What a session above error recovery level 0 keeps, and what becomes of it when a connection is lost (RFC 7143, section 7).
import { RESERVED_TAG } from '@lunkit/spec'
import type { Engine, Task } from '@lunkit/target-api'
import { reportLack } from '../answer-task.ts'
import type { Connection } from '../connection.ts'
import { ALL_KEPT_BYTES, KEPT_BYTES, SHARE_BYTES } from '../defence/session-memory.ts'
import { endTasks } from '../end-tasks.ts'
import type { IscsiTask } from '../iscsi-task.ts'
import { sendPing } from '../outbound/nop-in.ts'
import type { Session } from '../session.ts'
import { type Answer, KeptCommand } from './kept-command.ts'
import { sendKept } from './send-kept.ts'

/** Lost connections that are remembered; a peer may have had many CIDs. */
const MOST_LOST = 64

/** An answer that waits since the clock of the port was `since`. */
interface Waiting {
  readonly one: IscsiTask
  readonly task: Task
  readonly answer: Answer
  readonly since: number
}

export class Recovery {
  readonly level: number
  readonly #session: Session
  /** By ITT: answered, and the answer not acknowledged. */
  readonly #commands: Map<number, KeptCommand> = new Map()
  /** Those that ask for acknowledgements of their data, by the tag that they ask with. */
  readonly #byTag: Map<number, KeptCommand> = new Map()
  /** Connections that went without a logout of the session, and the port's clock until which their commands are kept. */
  readonly #lost: Map<number, number> = new Map()
  #bytes = 0
  /** Answers that nobody could keep yet. */
  #waiting: Waiting[] = []
  #lastTag = 0
  #wasFull = false
  #closed = false

  constructor(session: Session, level: number) {
    this.#session = session
    this.level = level
  }

  /** The command window stays shut until the initiator acknowledges. */
  get full(): boolean {
    if (this.#bytes <= SHARE_BYTES) return false
    return this.#bytes > KEPT_BYTES || this.#session.port.keptBytes > ALL_KEPT_BYTES
  }

  /** What is kept, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** CIDs of lost connections whose commands may still be had. */
  get lost(): ReadonlyMap<number, number> {
    return this.#lost
  }

  command(itt: number): KeptCommand | undefined {
    return this.#commands.get(itt)
  }

  /** The command that a Data-In PDU named when it asked for an acknowledgement. */
  byTag(tag: number): KeptCommand | undefined {
    return this.#byTag.get(tag)
  }

  // ---- Answers ----

  /**
   * Answers a command of the engine, and keeps what was answered: the task is the engine's again. While too much is kept
   * it waits, charged to the engine's memory, until the initiator acknowledges.
   */
  answerTask(engine: Engine, one: IscsiTask, task: Task, answer: Answer): void {
    if (this.full && task.inLength > 0) {
      this.#waiting.push({ one, task, answer, since: this.#session.port.clock })
      if (one.connection !== null) this.#look(one.connection)
      return
    }
    const { session, connection } = one
    const bidirectional = task.expectedIn > 0 && task.expectedOut > 0
    const data = copyOf(task.segments, Math.min(task.inLength, task.expectedIn))
    if (data === null) {
      reportLack(session.port, task)
      session.endTask(one)
      engine.responseSent(task)
      if (connection !== null) void connection.end('fault')
      return
    }
    const command = this.#keep(one, data, bidirectional ? one.r2tsSent : 0, answer)
    session.endTask(one)
    engine.responseSent(task)
    if (command.connection === null) return
    sendKept(command.connection, command)
    this.#look(command.connection)
  }

  /** Answers a command without data for the initiator, of which the engine knows nothing any more. */
  answer(one: IscsiTask, answer: Answer): void {
    const command = this.#keep(one, EMPTY, 0, answer)
    if (command.connection === null) return
    sendKept(command.connection, command)
    this.#look(command.connection)
  }

  #keep(one: IscsiTask, data: Buffer, firstSn: number, answer: Answer): KeptCommand {
    const before = this.#commands.get(one.itt)
    if (before !== undefined) this.drop(before)
    this.#lastTag = (this.#lastTag + 1) % RESERVED_TAG
    const command = new KeptCommand(one, this.#lastTag, data, firstSn, answer)
    command.lostCid = one.lostCid
    command.released = one.released
    this.#commands.set(command.itt, command)
    // Only between bursts is anything asked for.
    if (data.length > this.#session.parameters.maxBurst) this.#byTag.set(command.tag, command)
    this.#count(command.bytes)
    return command
  }

  /** The initiator has it all, or wants it no more. */
  drop(command: KeptCommand): void {
    if (this.#commands.get(command.itt) !== command) return
    this.#commands.delete(command.itt)
    this.#byTag.delete(command.tag)
    this.#count(-command.bytes)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (!this.#closed) this.#session.port.keptBytes += bytes
  }

  /** An answer was sent. Where too much is kept, the initiator is asked for a sign of life, which acknowledges. */
  #look(connection: Connection): void {
    const { full } = this
    if (full && !this.#wasFull) sendPing(connection)
    this.#wasFull = full
  }

  /** The initiator has all answers of the connection before this StatSN. */
  acknowledge(connection: Connection, expStatSn: number): void {
    connection.answers!.acknowledge(expStatSn, command => this.drop(command))
    this.#relieve()
  }

  /** There may be room again for what waits. */
  #relieve(): void {
    if (!this.#wasFull || this.full) return
    this.#wasFull = false
    const { port } = this.#session
    const waiting = this.#waiting
    this.#waiting = []
    for (const { one, task, answer } of waiting) this.answerTask(port.engine, one, task, answer)
    port.tellWindow(this.#session)
  }

  /** Gives back to the engine what waits; the session ends. */
  close(): void {
    if (!this.#closed) this.#session.port.keptBytes -= this.#bytes
    this.#closed = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const { one, task } of waiting) giveBack(this.#session, one, task)
  }

  // ---- Lost connections ----

  /** The connection is gone; at level 2 its commands wait for another to take them over, for the negotiated time. */
  strand(connection: Connection): void {
    const session = this.#session
    const { port, parameters } = session
    this.#endImmediate(connection)
    for (const one of [...session.tasks.all()]) {
      if (one.connection !== connection) continue
      one.strand()
      if (!one.answered) continue
      // It waited for data that will not come.
      this.answer(one, one.takeAnswer())
      session.endTask(one)
    }
    for (const command of this.#commands.values()) {
      if (command.connection !== connection) continue
      command.connection = null
      command.lostCid = connection.cid
      command.released = false
      command.statSn = -1
    }
    const seconds = parameters.time2Wait + parameters.time2Retain
    this.#lost.delete(connection.cid)
    for (const oldest of this.#lost.keys()) {
      if (this.#lost.size < MOST_LOST) break
      void this.giveUp(oldest)
    }
    this.#lost.set(connection.cid, port.clock + port.ticks(seconds * 1000))
  }

  /** Immediate commands are not recovered (RFC 7143, 7.14). */
  #endImmediate(connection: Connection): void {
    const luns = new Set<number>()
    for (const command of this.#commands.values()) {
      if (command.connection !== connection || !command.immediate) continue
      if (!command.sent) luns.add(command.lun)
      this.drop(command)
    }
    const isOne = (one: IscsiTask): boolean => one.connection === connection && one.immediate
    for (const { one } of this.#waiting) if (isOne(one)) luns.add(one.lun)
    this.#giveUpWaiting(isOne)
    const tasks = [...this.#session.tasks.all()].filter(isOne)
    for (const one of tasks) one.strand()
    if (tasks.length > 0 || luns.size > 0) void endTasks(this.#session, tasks, luns)
  }

  /** A lost connection was logged out for recovery, or replaced: its commands may be taken over from now on. */
  release(cid: number): void {
    for (const command of this.#commands.values()) {
      if (command.connection === null && command.lostCid === cid) command.released = true
    }
    for (const one of this.#session.tasks.all()) {
      if (one.connection === null && one.lostCid === cid) one.released = true
    }
  }

  /** A function for many tasks: of a LUN (null: of all) nobody wants the answers any more that cannot be sent now. */
  dropUnsent(isMeant: (one: IscsiTask) => boolean, lun: number | null): void {
    this.#giveUpWaiting(isMeant)
    for (const command of this.#commands.values())
      if (command.connection === null && (lun === null || command.lun === lun)) this.drop(command)
  }

  /** The connection was logged out: nothing that it answered is asked for again. */
  forget(connection: Connection): void {
    for (const command of this.#commands.values()) if (command.connection === connection) this.drop(command)
    this.#giveUpWaiting(one => one.connection === connection)
  }

  #giveUpWaiting(which: (one: IscsiTask) => boolean): void {
    const gone = this.#waiting.filter(({ one }) => which(one))
    this.#waiting = this.#waiting.filter(({ one }) => !which(one))
    for (const { one, task } of gone) giveBack(this.#session, one, task)
  }

  /** The port's clock has ticked: gives up what nobody came for in time; without any connection the session ends then. */
  expire(clock: number): void {
    this.#relieve()
    if (this.#waiting.length > 0) this.#lookAtWaiting(clock)
    if (this.#lost.size === 0) return
    for (const [cid, deadline] of this.#lost) if (clock >= deadline) void this.giveUp(cid)
    const session = this.#session
    if (this.#lost.size === 0 && session.connections.size === 0) void session.end('lost')
  }

  /** Nobody takes the commands of a lost connection over any more. Resolves when they can touch no store any more. */
  async giveUp(cid: number): Promise<void> {
    const session = this.#session
    this.#lost.delete(cid)
    const luns = new Set<number>()
    for (const command of this.#commands.values()) {
      if (command.connection !== null || command.lostCid !== cid) continue
      if (!command.sent) luns.add(command.lun)
      this.drop(command)
    }
    const isLost = (one: IscsiTask): boolean => one.connection === null && one.lostCid === cid
    for (const { one } of this.#waiting) if (isLost(one)) luns.add(one.lun)
    this.#giveUpWaiting(isLost)
    await endTasks(session, [...session.tasks.all()].filter(isLost), luns)
  }

  /** Answers that wait hold the engine's memory: whoever acknowledges nothing has them no longer than who reads nothing. */
  #lookAtWaiting(clock: number): void {
    const session = this.#session
    const { port } = session
    const ms = port.settings.limits.responseTimeoutMs
    const isOld = ({ since }: Waiting): boolean => clock - since >= port.ticks(ms)
    if (!this.#waiting.some(isOld)) return
    const owing = this.#waiting.find(waiting => isOld(waiting) && waiting.one.connection !== null)
    if (owing === undefined) {
      const late = new Set(this.#waiting.filter(isOld).map(({ one }) => one))
      this.#giveUpWaiting(one => late.has(one))
      return
    }
    const connection = owing.one.connection!
    port.observe({
      type: 'answers-not-read',
      target: session.target?.name ?? '',
      initiator: connection.initiator,
      address: connection.address,
      cid: connection.cid,
      bytes: this.#bytes,
      ms,
    })
    void session.end('fault')
  }
}

function giveBack(session: Session, one: IscsiTask, task: Task): void {
  session.endTask(one)
  session.port.engine.responseSent(task)
}

/** The first `length` bytes; null if the segments hold less. */
function copyOf(segments: readonly Buffer[], length: number): Buffer | null {
  if (length <= 0) return EMPTY
  const copy = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const segment of segments) {
    at += segment.copy(copy, at)
    if (at === length) break
  }
  return at === length ? copy : null
}

const EMPTY = Buffer.alloc(0)
