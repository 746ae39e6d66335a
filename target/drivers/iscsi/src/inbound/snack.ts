// SPDX-License-Identifier: Apache-2.0
// SNACK: what the initiator did not get is sent again, what it has is forgotten (RFC 7143, 11.16).
import { RESERVED_TAG, RejectReason, SNACK, SnackType } from '@lunkit/spec'
import { serialDistance } from '../command-window.ts'
import { SNACK_REJECTED } from '../condition.ts'
import type { Connection } from '../connection.ts'
import { repeatR2T } from '../outbound/r2t.ts'
import type { KeptCommand } from '../recovery/kept-command.ts'
import type { Recovery } from '../recovery/recovery.ts'
import { sendAgain, sendPiece, sendRecut } from '../recovery/send-kept.ts'
import type { SentAnswers } from '../recovery/sent-answers.ts'

const { type, itt, ttt, expStatSn, begRun, runLength } = SNACK.field

/** A request for numbers from `first` on; all that there are if `count` is 0. */
interface Run {
  readonly first: number
  readonly count: number
}

export function receiveSnack(connection: Connection, header: Buffer, at: number): void {
  const { recovery } = connection.session!
  if (recovery === null) {
    refuse(connection, header, at)
    return
  }
  if (type.get(header, at) === SnackType.dataAck) connection.counters.dataAcks++
  else connection.counters.snacks++
  const run: Run = { first: begRun.get(header, at), count: runLength.get(header, at) }
  const fault = answer(connection, recovery, run, header, at)
  if (fault === null) connection.kick()
  else {
    const isAck = type.get(header, at) === SnackType.dataAck
    const reason = isAck ? RejectReason.invalidDataAck : RejectReason.protocolError
    const number = nextNumber(connection, recovery, header, at)
    connection.reject(fault === TOO_LONG ? RejectReason.snackReject : reason, header, at, fault, number)
  }
}

const TOO_LONG = 'Data was sent in longer pieces than the initiator takes now'

/** Without recovery nothing is sent again: a command whose R2T was asked for ends by that (RFC 7143, 7.8). */
function refuse(connection: Connection, header: Buffer, at: number): void {
  const kind = type.get(header, at)
  const one = kind === SnackType.status ? undefined : connection.session!.tasks.get(itt.get(header, at))
  const own = one?.connection === connection ? one : undefined
  if (own !== undefined && own.r2tsDone === own.r2tsSent) {
    const fault = 'Nothing was sent for the command that is not done with'
    connection.reject(RejectReason.protocolError, header, at, fault, own.r2tsSent)
    return
  }
  connection.reject(RejectReason.snackReject, header, at, 'SNACK needs a higher error recovery level')
  if (own !== undefined) own.fault ??= SNACK_REJECTED
}

/** The DataSN or R2TSN that a command would send next, where data or an R2T was asked for; else 0. */
function nextNumber(connection: Connection, recovery: Recovery, header: Buffer, at: number): number {
  if (type.get(header, at) !== SnackType.dataOrR2t) return 0
  const tag = itt.get(header, at)
  const command = ownCommand(connection, recovery, tag)
  if (command !== null) return command.endSn
  const one = connection.session!.tasks.get(tag)
  return one?.connection === connection ? one.r2tsSent : 0
}

/** Does what is asked for; or returns what is wrong. */
function answer(
  connection: Connection,
  recovery: Recovery,
  run: Run,
  header: Buffer,
  at: number,
): string | null {
  const tag = itt.get(header, at)
  switch (type.get(header, at)) {
    case SnackType.status:
      return statuses(connection, connection.answers!, run, expStatSn.get(header, at))
    case SnackType.dataOrR2t: {
      const command = ownCommand(connection, recovery, tag)
      return command === null ? r2t(connection, tag, run) : pieces(connection, command, run)
    }
    case SnackType.dataAck: {
      const command = recovery.byTag(ttt.get(header, at))
      if (command === undefined || command.connection !== connection)
        return 'Data is acknowledged that nobody asked about'
      if (run.count !== 0) return 'Acknowledgement of data has a run length'
      return command.acknowledge(run.first) ? null : 'Acknowledged DataSN was not sent, or before'
    }
    case SnackType.rData: {
      const command = ownCommand(connection, recovery, tag)
      if (command === null) return 'R-Data SNACK belongs to no command that has been answered'
      const snackTag = ttt.get(header, at)
      if (run.count !== 0 || snackTag === 0 || snackTag === RESERVED_TAG)
        return 'R-Data SNACK has a wrong tag or run length'
      if (run.first !== 0 && run.first !== command.ackedSn)
        return 'R-Data SNACK begins before or behind what is not acknowledged'
      sendRecut(connection, command, snackTag)
      return null
    }
    default:
      return 'Kind of SNACK is not known'
  }
}

function ownCommand(connection: Connection, recovery: Recovery, tag: number): KeptCommand | null {
  const command = recovery.command(tag)
  return command?.connection === connection ? command : null
}

function statuses(connection: Connection, answers: SentAnswers, run: Run, expected: number): string | null {
  const all = run.first === 0 && run.count === 0
  const { acknowledged, statSn } = connection
  const oldest = serialDistance(expected, acknowledged) < 0 ? acknowledged : expected
  const first = all ? oldest : run.first
  const sent = Math.max(0, serialDistance(statSn, first))
  if (!all && (answers.get(first) === undefined || run.count > sent)) {
    return `StatSN ${first} was not sent, or is acknowledged`
  }
  const count = run.count === 0 ? sent : run.count
  for (let i = 0; i < count; i++) {
    const one = answers.get((first + i) >>> 0)
    if (one !== undefined) sendAgain(connection, one)
  }
  return null
}

function pieces(connection: Connection, command: KeptCommand, run: Run): string | null {
  const first = run.first === 0 && run.count === 0 ? command.ackedSn : run.first
  const count = run.count === 0 ? (command.endSn - first) >>> 0 : run.count
  const last = (first + count - 1) >>> 0
  // A run of more than there is could go around all numbers and end within them.
  if (count > command.count || command.piece(first) === null || command.piece(last) === null) {
    return `DataSN ${first} was not sent, or is acknowledged`
  }
  if (command.pieceBytes > connection.sendLimit) return TOO_LONG
  for (let i = 0; i < count; i++) {
    sendPiece(connection, command, command.piece((first + i) >>> 0)!)
    connection.counters.resentData++
  }
  return null
}

/** One R2T at a time is outstanding above level 0. */
function r2t(connection: Connection, tag: number, run: Run): string | null {
  const one = connection.session!.tasks.get(tag)
  if (one === undefined || one.connection !== connection)
    return 'SNACK belongs to no command of this connection'
  const all = run.first === 0 && run.count === 0
  const isOutstanding = one.r2tsDone < one.r2tsSent
  // Nothing of it is lost: the command runs, and has sent nothing that is not done with.
  if (all && !isOutstanding) return null
  if (!all && !(isOutstanding && run.first === one.r2tsSent - 1 && run.count <= 1)) {
    return `R2TSN ${run.first} was not sent, or is done with, or is not all that is asked for`
  }
  repeatR2T(connection, one)
  return null
}
