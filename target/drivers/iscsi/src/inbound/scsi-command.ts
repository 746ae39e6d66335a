// SPDX-License-Identifier: Apache-2.0
// SCSI Command: checks that belong to iSCSI, then a task for the engine (RFC 7143, 11.3).
import {
  decodeLun,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  type SenseCode,
  Status,
  TaskAttribute,
} from '@lunkit/spec'
import { type Nexus, type Task, TaskState } from '@lunkit/target-api'
import { DATA_INCORRECT, DATA_UNEXPECTED } from '../condition.ts'
import type { Connection } from '../connection.ts'
import { sendScsiResponse } from '../outbound/response.ts'
import type { Session } from '../session.ts'
import { passOn } from '../write-data.ts'
import { bidirectionalReadLength, CDB_BYTES, extendedCdb, IN_BASIC_HEADER } from './additional-header.ts'

const { immediate, final, read, write, attribute, itt, cmdSn, totalAhsLength } = SCSI_COMMAND.field
const { expectedDataTransferLength } = SCSI_COMMAND.field

/** Where the CDB stands in the header. */
const CDB_AT = 32
const VARIABLE_LENGTH_CDB = 0x7e
const NO_SENSE = Buffer.alloc(0)

/** Tasks beyond the credit that immediate commands may make; more are refused. */
const IMMEDIATE_TASKS = 16

/** `isCrowded`: its data had to be dropped for want of room. */
export function receiveScsiCommand(
  connection: Connection,
  header: Buffer,
  at: number,
  data: Buffer[],
  length: number,
  isCrowded = false,
): void {
  const session = connection.session!
  const tag = itt.get(header, at)
  const writes = write.get(header, at) === 1
  const unfinished = final.get(header, at) === 0
  if (!isAcceptable(connection, header, at, tag, writes, unfinished, length)) {
    // Data that was announced comes all the same.
    if (writes && unfinished && !session.tasks.has(tag)) session.retire(tag)
    return
  }
  const { nexus } = session
  const { engine, early, watch } = connection.port
  const expected = expectedDataTransferLength.get(header, at)
  const unasked = unfinished ? Math.max(length, Math.min(session.parameters.firstBurst, expected)) : length
  if (isCrowded || (unasked > 0 && !early.takes(session, unasked))) {
    const wanted = writes && read.get(header, at) === 1 ? bidirectionalReadLength(header, at) : 0
    sendScsiResponse(connection, tag, Status.taskSetFull, -expected, 0, NO_SENSE, 0, -wanted)
    connection.kick()
    if (unfinished) session.retire(tag)
    return
  }
  const task = engine.takeTask(nexus!)
  const { cdb } = task
  for (let i = 0; i < IN_BASIC_HEADER; i++) cdb[i] = header[at + CDB_AT + i]!
  if (cdb[0]! >= VARIABLE_LENGTH_CDB || totalAhsLength.get(header, at) !== 0) {
    cdb.fill(0, IN_BASIC_HEADER)
    extendedCdb(header, at, cdb)
  }
  task.nexus = nexus!
  task.lun = decodeLun(header, at + 8)
  task.tag = tag
  task.attribute = attribute.get(header, at)
  if (read.get(header, at) === 0) task.expectedIn = 0
  else task.expectedIn = writes ? bidirectionalReadLength(header, at) : expected
  task.expectedOut = writes ? expected : 0
  connection.counters.commands++
  const one = session.begin(connection, task, tag, task.expectedOut)
  if (writes || session.recovery !== null) one.keepLun(header, at + 8)
  if (session.tracks) {
    one.cmdSn = cmdSn.get(header, at)
    one.immediate = immediate.get(header, at) === 1
  }
  if (length > 0 || unfinished) {
    one.fault = dataFault(session, expected, length, unfinished)
    if (one.fault !== null)
      connection.blame(header, at, `Data with the command: ${one.fault.text.toLowerCase()}`)
  }
  if (unfinished) {
    one.unsolicited = true
    one.sequenceEnd = Math.min(session.parameters.firstBurst, expected)
  }
  if (one.fault === null) {
    for (let i = 0; i < data.length; i++) task.segments.push(data[i]!)
    passOn(connection.lent, task)
    task.received = length
    connection.counters.bytesWritten += length
    one.got = length
  }
  one.movedAt = connection.port.clock
  one.begunAt = one.movedAt
  if (watch.dog.slowMs > 0) one.startedAt = performance.now()
  engine.submit(task)
  if (unasked > 0 && one.task === task && isWaiting(task)) early.hold(one, unasked)
}

/** Whether the engine has put the task aside before it charged it for its data. */
const isWaiting = ({ state }: Task): boolean =>
  state === TaskState.waitOrder || state === TaskState.waitMemory

/** Immediate commands pass the window, but not what it protects. */
const isCrowded = ({ tasks, recovery }: Session, nexus: Nexus): boolean =>
  tasks.size >= nexus.credit + IMMEDIATE_TASKS || recovery?.full === true

/** What is wrong with the data that comes without being asked for; the task then fails if it needs data at all. */
function dataFault(
  session: Session,
  expected: number,
  length: number,
  unfinished: boolean,
): SenseCode | null {
  const { immediateData, initialR2T, firstBurst } = session.parameters
  if (unfinished && initialR2T) return DATA_UNEXPECTED
  if (length === 0) return null
  if (!immediateData || length > firstBurst) return DATA_UNEXPECTED
  return length > expected ? DATA_INCORRECT : null
}

/** Refuses what cannot become a task. */
function isAcceptable(
  connection: Connection,
  header: Buffer,
  at: number,
  tag: number,
  writes: boolean,
  unfinished: boolean,
  length: number,
): boolean {
  const session = connection.session!
  const { nexus } = session
  const reject = (reason: number, fault: string): false => {
    connection.reject(reason, header, at, fault)
    return false
  }
  if (nexus === null) return reject(RejectReason.protocolError, 'SCSI command came in a discovery session')
  if (tag === RESERVED_TAG) return reject(RejectReason.invalidPduField, 'SCSI command has the reserved tag')
  if (session.tasks.has(tag)) return reject(RejectReason.taskInProgress, 'Tag is in use')
  if (!writes && (length > 0 || unfinished)) {
    return reject(RejectReason.protocolError, 'Data comes with a command that is no write')
  }
  if (attribute.get(header, at) > TaskAttribute.aca) {
    return reject(RejectReason.protocolError, 'Task attribute is reserved')
  }
  if (totalAhsLength.get(header, at) !== 0) {
    const longest = extendedCdb(header, at, null)
    if (longest < 0) return reject(RejectReason.invalidPduField, 'Additional header is malformed')
    if (longest > CDB_BYTES) {
      return reject(RejectReason.commandNotSupported, `CDB of ${longest} bytes is longer than ${CDB_BYTES}`)
    }
  }
  if (writes && read.get(header, at) === 1 && bidirectionalReadLength(header, at) < 0) {
    return reject(RejectReason.invalidPduField, 'Command with data in both directions has no read length')
  }
  if (immediate.get(header, at) === 1 && isCrowded(session, nexus)) {
    if (session.tasks.get(connection.urgentTag)?.connection === connection)
      return reject(RejectReason.immediateCommandReject, 'Too many commands are in flight')
    // Each connection has room for one (RFC 7143, 4.2.2.1).
    connection.urgentTag = tag
  }
  return true
}
