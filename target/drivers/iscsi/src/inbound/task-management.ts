// SPDX-License-Identifier: Apache-2.0
// Task management requests: the driver's own tasks and parked ones, then the engine (RFC 7143, 11.5).
import {
  BHS,
  decodeLun,
  IscsiTaskFunction,
  IscsiTaskResponse,
  Opcode,
  RejectReason,
  TASK_MANAGEMENT_REQUEST,
} from '@lunkit/spec'
import { Management, ManagementFunction, ManagementResponse, type Task } from '@lunkit/target-api'
import { type CommandWindow, isKilled, type Parked, serialDistance } from '../command-window.ts'
import type { Connection } from '../connection.ts'
import type { IscsiTask } from '../iscsi-task.ts'
import { sendManagementResponse } from '../outbound/response.ts'
import { reassign } from '../recovery/reassign.ts'
import { EVERY_LUN } from '../response-fence.ts'
import type { Session } from '../session.ts'
import { holdFunction } from './held-functions.ts'

const { function: fn, itt, referencedTaskTag, cmdSn, refCmdSn, expDataSn } = TASK_MANAGEMENT_REQUEST.field

/** Requests of one session that may wait for tasks to end: the command window does not count them. */
const MOST_MANAGED = 64

/** Who waits for the answer to a request: `management.driverData`. */
export interface PendingManagement {
  answered(request: Management): void
}

/** A request of an initiator. */
class RequestedManagement implements PendingManagement {
  readonly #connection: Connection
  readonly #itt: number

  constructor(connection: Connection, itt: number) {
    this.#connection = connection
    this.#itt = itt
  }

  answered(request: Management): void {
    const session = this.#connection.session!
    const fenced = request.response === ManagementResponse.complete && FENCED.has(request.fn)
    const lun = EVERYWHERE.has(request.fn) ? EVERY_LUN : request.lun
    if (!session.several || !(fenced || session.fence?.concerns(lun))) {
      this.#send(request)
      return
    }
    session.sendInOrder({
      lun,
      fenced,
      send: () => {
        this.#send(request)
        return this.#connection
      },
      drop: () => this.#end(request),
    })
  }

  #send(request: Management): void {
    if (!this.#connection.over)
      sendManagementResponse(this.#connection, this.#itt, request.response, request.information)
    this.#end(request)
  }

  /** What comes of it behind its answer. */
  #end({ fn, nexus, response }: Management): void {
    const session = this.#connection.session!
    session.managed.splice(session.managed.indexOf(this.#itt), 1)
    this.#connection.managing--
    if (response !== ManagementResponse.complete) return
    if (fn === ManagementFunction.targetColdReset) session.port.dropTarget(nexus.target)
    // Its connections end at once, whatever was agreed on taking them up again (RFC 7144, 6.3).
    if (fn === ManagementFunction.nexusReset) void session.end('lost', true)
  }
}

export function receiveManagement(connection: Connection, header: Buffer, at: number): void {
  const session = connection.session!
  const tag = itt.get(header, at)
  const code = fn.get(header, at)
  connection.counters.managements++
  if (code === ManagementFunction.abortTask) connection.counters.aborts++
  if (session.nexus === null) {
    connection.reject(RejectReason.protocolError, header, at, 'Task management came in a discovery session')
    return
  }
  if (code === IscsiTaskFunction.taskReassign) {
    takeOver(connection, header, at, tag)
    return
  }
  if (!isServed(session, code)) {
    sendManagementResponse(connection, tag, IscsiTaskResponse.functionNotSupported)
    return
  }
  const target = referencedTaskTag.get(header, at)
  if (ONE_TASK.has(code) && isRequestOfThisKind(session, target)) {
    // It names a request of this kind, which is no task (RFC 7143, 11.5.1; RFC 7144, 6.3).
    sendManagementResponse(connection, tag, IscsiTaskResponse.functionRejected)
    return
  }
  if (code === ManagementFunction.abortTask) {
    const response = abortHere(session, header, at, target)
    if (response !== null) {
      sendManagementResponse(connection, tag, response)
      return
    }
  } else if (!QUERIES.has(code)) {
    killParked(session, code, header, at)
  }
  // Each connection has room for one (RFC 7143, 4.2.2.1).
  if (session.managed.length >= MOST_MANAGED && connection.managing > 0) {
    sendManagementResponse(connection, tag, IscsiTaskResponse.functionRejected)
    return
  }
  session.managed.push(tag)
  connection.managing++
  const number = cmdSn.get(header, at)
  const lun = decodeLun(header, at + 8)
  const isMany = MANY.has(code)
  const covers =
    isMany && session.tracks ? ({ driverData }: Task) => precedes(driverData as IscsiTask, number) : null
  const request = new Management(session.nexus, code, lun, target, covers)
  request.driverData = new RequestedManagement(connection, tag)
  const act = (): void => {
    if (session.nexus === null) return
    if (isMany) endAnswered(session, EVERYWHERE.has(code) ? EVERY_LUN : lun, number)
    session.port.engine.manage(request)
  }
  if (isMany) holdFunction(session, number, act)
  else act()
}

/** Whether a command comes before that number; an immediate one that came before has the same. */
const precedes = ({ cmdSn, immediate }: IscsiTask, number: number): boolean =>
  serialDistance(cmdSn, number) < (immediate ? 1 : 0)

/** Answers that only wait, for data or for acknowledgements, must not come behind that of the function. */
function endAnswered(session: Session, lun: number, number: number): void {
  const { recovery, tracks } = session
  const isMeant = (one: IscsiTask): boolean =>
    (lun === EVERY_LUN || one.lun === lun) && (!tracks || precedes(one, number))
  for (const one of [...session.tasks.all()]) if (one.answered && isMeant(one)) session.endTask(one)
  recovery?.dropUnsent(isMeant, lun === EVERY_LUN ? null : lun)
}

/** Functions that change nothing. */
const QUERIES: ReadonlySet<number> = new Set([
  ManagementFunction.queryTask,
  ManagementFunction.queryTaskSet,
  ManagementFunction.queryAsynchronousEvent,
])
const ONE_TASK: ReadonlySet<number> = new Set([ManagementFunction.abortTask, ManagementFunction.queryTask])
/** Functions that end many tasks. */
const MANY: ReadonlySet<number> = new Set([
  ManagementFunction.abortTaskSet,
  ManagementFunction.clearTaskSet,
  ManagementFunction.logicalUnitReset,
  ManagementFunction.targetWarmReset,
  ManagementFunction.targetColdReset,
  ManagementFunction.nexusReset,
])
/** Those of them that are not for one LUN. */
const EVERYWHERE: ReadonlySet<number> = new Set([
  ManagementFunction.targetWarmReset,
  ManagementFunction.targetColdReset,
  ManagementFunction.nexusReset,
])
/** Functions whose answer must not be overtaken, nor overtake, on other connections (RFC 7143, 4.2.2.3.4). */
const FENCED: ReadonlySet<number> = new Set([...MANY, ManagementFunction.clearAca])
/** Functions of all sessions, and those that RFC 7144 has added. */
const LAST = ManagementFunction.targetColdReset
const LAST_ADDED = ManagementFunction.queryAsynchronousEvent

const isServed = ({ parameters }: Session, code: number): boolean =>
  code >= ManagementFunction.abortTask && code <= (parameters.scsiFeatures ? LAST_ADDED : LAST)

function takeOver(connection: Connection, header: Buffer, at: number, tag: number): void {
  if (connection.session!.recovery === null) {
    sendManagementResponse(connection, tag, IscsiTaskResponse.reassignmentNotSupported)
    return
  }
  const target = referencedTaskTag.get(header, at)
  if (isNoTask(connection.session!, target)) {
    sendManagementResponse(connection, tag, IscsiTaskResponse.functionRejected)
    return
  }
  const { response, go } = reassign(connection, target, expDataSn.get(header, at))
  sendManagementResponse(connection, tag, response)
  go?.()
}

/** One that is under way, or waits for its turn. */
const isRequestOfThisKind = ({ managed, window }: Session, tag: number): boolean =>
  managed.includes(tag) || parkedOpcode(window, tag) === Opcode.taskManagementRequest

/** Requests under way that have a tag and cannot be taken over (RFC 7143, 11.5.1). */
function isNoTask(session: Session, tag: number): boolean {
  const { logouts, connections, window } = session
  if (isRequestOfThisKind(session, tag) || logouts.includes(tag)) return true
  if (parkedOpcode(window, tag) === Opcode.logoutRequest) return true
  for (const { text } of connections.values()) if (text?.itt === tag) return true
  return false
}

/** ABORT TASK as far as the engine does not know the task; null if it does. */
function abortHere(session: Session, header: Buffer, at: number, target: number): number | null {
  const { recovery } = session
  const left = recovery?.command(target)
  if (left?.connection === null) {
    // Its answer waited for another connection, and is not wanted any more.
    recovery!.drop(left)
    return ManagementResponse.complete
  }
  const one = session.tasks.get(target)
  if (one !== undefined) {
    if (!one.answered) return null
    // Its answer only waited for data that may now never come.
    session.endTask(one)
    return ManagementResponse.complete
  }
  for (const connection of session.connections.values()) {
    if (connection.text?.itt !== target) continue
    connection.text = null
    return ManagementResponse.complete
  }
  const { window } = session
  const reference = refCmdSn.get(header, at)
  let isTaken = false
  for (const [number, parked] of window.parked()) {
    if (number === reference) isTaken = true
    if (isKilled(parked) || BHS.field.itt.get(parked.header, 0) !== target) continue
    window.kill(number)
    session.retire(target)
    return ManagementResponse.complete
  }
  // Not here yet, but it will be: its number counts as received (RFC 7143, 11.5.1).
  const own = cmdSn.get(header, at)
  const awaited =
    serialDistance(reference, window.expected) >= 0 &&
    serialDistance(reference, window.max) <= 0 &&
    serialDistance(reference, own) < 0
  if (!awaited) return ManagementResponse.taskDoesNotExist
  // Another request may have come with that number.
  if (!isTaken) window.kill(reference)
  session.retire(target)
  return ManagementResponse.complete
}

/** What a request is that waits for its turn; -1 if none has that tag. */
function parkedOpcode(window: CommandWindow, tag: number): number {
  for (const [, parked] of window.parked()) {
    if (!isKilled(parked) && BHS.field.itt.get(parked.header, 0) === tag)
      return BHS.field.opcode.get(parked.header, 0)
  }
  return -1
}

const isParkedTask = (parked: Parked): boolean =>
  !isKilled(parked) && BHS.field.opcode.get(parked.header, 0) === Opcode.scsiCommand

/** Functions for many tasks also meet the commands before them that have not been delivered. */
function killParked(session: Session, code: number, header: Buffer, at: number): void {
  if (code === ManagementFunction.clearAca) return
  const { window } = session
  const everywhere = EVERYWHERE.has(code)
  const lun = decodeLun(header, at + 8)
  for (const [number, parked] of window.parked()) {
    if (!isParkedTask(parked) || serialDistance(number, cmdSn.get(header, at)) >= 0) continue
    if (!everywhere && decodeLun(parked.header, 8) !== lun) continue
    session.retire(BHS.field.itt.get(parked.header, 0))
    window.kill(number)
  }
}
