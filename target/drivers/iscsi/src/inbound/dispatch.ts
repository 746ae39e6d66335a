// SPDX-License-Identifier: Apache-2.0
// Full feature phase: each PDU to its handler, numbered requests in the order of their CmdSN.
import { BHS, NOP_OUT, Opcode, RejectReason } from '@lunkit/spec'
import { type Parked, Turn } from '../command-window.ts'
import type { Connection } from '../connection.ts'
import { PARKED_BYTES } from '../defence/session-memory.ts'
import { copies } from '../gather.ts'
import type { Session } from '../session.ts'
import { isUnfinishedWrite } from './data-behind.ts'
import { receiveDataOut } from './data-out.ts'
import { releaseFunctions } from './held-functions.ts'
import { receiveLogout } from './logout.ts'
import { receiveNopOut } from './nop-out.ts'
import { receiveScsiCommand } from './scsi-command.ts'
import { receiveSnack } from './snack.ts'
import { receiveManagement } from './task-management.ts'
import { receiveText } from './text.ts'

const { opcode, immediate, itt } = BHS.field
const { cmdSn, expStatSn } = NOP_OUT.field

/**
 * Handles one PDU. `data` is the framer's array: a handler that keeps slices takes them out. `damaged`: the data digest
 * was wrong.
 */
export function dispatch(
  connection: Connection,
  header: Buffer,
  at: number,
  data: Buffer[],
  length: number,
  damaged: boolean,
): void {
  // All PDUs of full feature phase have it at one place.
  if (connection.session!.tracks) {
    connection.acknowledge(expStatSn.get(header, at))
    if (connection.answersPileUp) connection.fatal(header, at, 'Answers are never acknowledged')
    if (connection.over) return
  }
  const code = opcode.get(header, at)
  // A wrong digest is told as that, whatever else is wrong (RFC 7143, 7.8).
  switch (code) {
    case Opcode.dataOut:
      if (!damaged && isMisshapen(connection, code, header, at, length)) return
      receiveDataOut(connection, header, at, data, length, damaged)
      break
    case Opcode.scsiCommand:
    case Opcode.nopOut:
    case Opcode.taskManagementRequest:
    case Opcode.textRequest:
    case Opcode.logoutRequest:
      receiveNumbered(connection, header, at, data, length, damaged)
      break
    case Opcode.snack:
      if (damaged) connection.reject(RejectReason.dataDigestError, header, at, 'Data digest is wrong')
      else if (!isMisshapen(connection, code, header, at, length)) receiveSnack(connection, header, at)
      break
    case Opcode.loginRequest:
      connection.protocolError(header, at, 'Login request came after login')
      break
    default:
      connection.reject(RejectReason.commandNotSupported, header, at, 'Opcode is not known')
      break
  }
}

const NO_DATA: ReadonlySet<number> = new Set([
  Opcode.taskManagementRequest,
  Opcode.logoutRequest,
  Opcode.snack,
])

/** Refuses what is no SCSI command and has an additional header, or data where its kind has none (RFC 7143, 11.2.1.5). */
function isMisshapen(
  connection: Connection,
  code: number,
  header: Buffer,
  at: number,
  length: number,
): boolean {
  if (BHS.field.totalAhsLength.get(header, at) !== 0) {
    connection.reject(RejectReason.protocolError, header, at, 'PDU has an additional header')
    return true
  }
  if (length === 0 || !NO_DATA.has(code)) return false
  connection.reject(RejectReason.protocolError, header, at, 'PDU has data where there is none')
  return true
}

function receiveNumbered(
  connection: Connection,
  header: Buffer,
  at: number,
  data: Buffer[],
  length: number,
  damaged: boolean,
): void {
  const session = connection.session!
  if (damaged) {
    // Not received, immediate data and all: its number stays free for the initiator's retry (RFC 7143, 7.8).
    connection.reject(RejectReason.dataDigestError, header, at, 'Data digest is wrong')
    ignoreDataOf(session, header, at)
    return
  }
  if (immediate.get(header, at) === 1) {
    perform(connection, header, at, data, length)
    // An immediate ABORT TASK may have taken the place of the request that others wait for.
    performParked(session)
    return
  }
  const { window } = session
  const number = cmdSn.get(header, at)
  switch (window.take(number)) {
    case Turn.now:
      perform(connection, header, at, data, length)
      break
    case Turn.early: {
      const isCommand = opcode.get(header, at) === Opcode.scsiCommand
      const hasRoom = isCommand
        ? connection.port.early.parks(session, length)
        : window.parkedBytes + length <= PARKED_BYTES
      if (!hasRoom && !isCommand) {
        connection.protocolError(header, at, 'Too many requests wait for one with a lower CmdSN')
        return
      }
      const parked = park(connection, header, at, data, length)
      window.park(number, parked)
      if (!hasRoom) window.crowd(parked)
      return
    }
    default:
      // Not answered (RFC 7143, 4.2.2.1), nor is the data that may follow.
      ignoreDataOf(session, header, at)
      return
  }
  performParked(session)
}

/** Requests whose turn has come, on whichever connection of the session they came. */
function performParked(session: Session): void {
  const { window } = session
  while (!session.ended) {
    // A function comes before the commands that have its number, or higher ones.
    if (session.held.length > 0) releaseFunctions(session)
    const parked = window.unpark()
    if (parked === null) break
    const { connection } = parked
    if (connection === null || connection.over) continue
    if (parked.isCrowded) receiveScsiCommand(connection, parked.header, 0, [], 0, true)
    else perform(connection, parked.header, 0, parked.data, lengthOf(parked.header))
    for (const { header, data, length, damaged } of parked.behind) {
      if (connection.over) break
      receiveDataOut(connection, header, 0, data, length, damaged)
    }
  }
}

const lengthOf = (header: Buffer): number => BHS.field.dataSegmentLength.get(header, 0)

/** Unsolicited data of a write that is not carried out may still come. */
function ignoreDataOf(session: Session, header: Buffer, at: number): void {
  const tag = itt.get(header, at)
  if (isUnfinishedWrite(header, at) && !session.tasks.has(tag)) session.retire(tag)
}

function park(connection: Connection, header: Buffer, at: number, data: Buffer[], length: number): Parked {
  const end = at + 48 + BHS.field.totalAhsLength.get(header, at) * 4
  const copy = Buffer.from(header.subarray(at, end))
  return { connection, header: copy, data: copies(data), behind: [], bytes: length, isCrowded: false }
}

/** Its turn has come: only now is it refused, for a request that is refused has not been received, and gives its number back. */
function perform(connection: Connection, header: Buffer, at: number, data: Buffer[], length: number): void {
  const code = opcode.get(header, at)
  if (code !== Opcode.scsiCommand && isMisshapen(connection, code, header, at, length)) return
  switch (code) {
    case Opcode.scsiCommand:
      receiveScsiCommand(connection, header, at, data, length)
      break
    case Opcode.nopOut:
      receiveNopOut(connection, header, at, data, length)
      break
    case Opcode.taskManagementRequest:
      receiveManagement(connection, header, at)
      break
    case Opcode.textRequest:
      receiveText(connection, header, at, data)
      break
    default:
      receiveLogout(connection, header, at)
      break
  }
}
