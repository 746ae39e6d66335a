// SPDX-License-Identifier: Apache-2.0
// What a session above error recovery level 0 keeps, and what becomes of it when a connection is lost (RFC 7143, section 7).
import { RESERVED_TAG } from '@lunkit/spec'
import type { Engine, Task } from '@lunkit/target-api'
import { reportLack } from '../answer-task.ts'
import type { Connection } from '../connection.ts'
import { KEPT_BYTES } from '../defence/session-memory.ts'
import { endTask } from '../end-tasks.ts'
import type { IscsiTask } from '../iscsi-task.ts'
import { sendPing } from '../outbound/nop-in.ts'
import type { Session } from '../session.ts'
import { type Answer, KeptCommand } from './kept-command.ts'
import { sendKept } from './send-kept.ts'

export class Recovery {
  readonly level: number
  readonly #session: Session
  /** By ITT: answered, and the answer not acknowledged. */
  readonly #commands: Map<number, KeptCommand> = new Map()
  /** Connections that went without a logout of the session, and the port's clock until which their commands are kept. */
  readonly #lost: Map<number, number> = new Map()
  #bytes = 0
  /** Answers that nobody could keep yet. */
  #waiting: { one: IscsiTask; task: Task; answer: Answer }[] = []
  #lastTag = 0
  #wasFull = false

  constructor(session: Session, level: number) {
    this.#session = session
    this.level = level
  }

  /** The command window stays shut until the initiator acknowledges. */
  get full(): boolean {
    return this.#bytes > KEPT_BYTES
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
    for (const command of this.#commands.values()) if (command.tag === tag) return command
    return undefined
  }

  // ---- Answers ----

  /**
   * Answers a command of the engine, and keeps what was answered: the task is the engine's again. While too much is kept
   * it waits, charged to the engine's memory, until the initiator acknowledges.
   */
  answerTask(engine: Engine, one: IscsiTask, task: Task, answer: Answer): void {
    if (this.full && task.inLength > 0) {
      this.#waiting.push({ one, task, answer })
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
    this.#commands.set(command.itt, command)
    this.#bytes += command.bytes
    return command
  }

  /** The initiator has it all, or wants it no more. */
  drop(command: KeptCommand): void {
    if (this.#commands.get(command.itt) !== command) return
    this.#commands.delete(command.itt)
    this.#bytes -= command.bytes
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
    const waiting = this.#waiting
    this.#waiting = []
    for (const { one, task } of waiting) giveBack(this.#session, one, task)
  }

  // ---- Lost connections ----

  /** The connection is gone; at level 2 its commands wait for another to take them over, for the negotiated time. */
  strand(connection: Connection): void {
    const session = this.#session
    const { port, parameters } = session
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
      command.statSn = -1
    }
    const seconds = parameters.time2Wait + parameters.time2Retain
    this.#lost.set(connection.cid, port.clock + port.ticks(seconds * 1000))
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

  /** Gives up what nobody came for in time; without any connection the session ends then. */
  expire(clock: number): void {
    if (this.#lost.size === 0) return
    const session = this.#session
    for (const [cid, deadline] of this.#lost) {
      if (clock < deadline) continue
      this.#lost.delete(cid)
      for (const command of this.#commands.values()) {
        if (command.connection === null && command.lostCid === cid) this.drop(command)
      }
      this.#giveUpWaiting(one => one.connection === null && one.lostCid === cid)
      for (const one of [...session.tasks.all()]) {
        if (one.connection === null && one.lostCid === cid) void endTask(session, one)
      }
    }
    if (this.#lost.size === 0 && session.connections.size === 0) void session.end('lost')
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
