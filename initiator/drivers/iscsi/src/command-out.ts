// SPDX-License-Identifier: Apache-2.0
// Sends a SCSI Command PDU with what data may go along, and the unsolicited data after it (RFC 7143, 11.3).
import { AhsType, BHS_LENGTH, EXTENDED_CDB_AHS, Opcode, RESERVED_TAG, SCSI_COMMAND } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import { immediateLength, sendSequence, unsolicitedLength } from './data-out.ts'
import type { SessionSettings } from './settings.ts'
import type { Task } from './task.ts'

const field = SCSI_COMMAND.field
/** Bytes of a CDB in the header itself. */
const CDB_ROOM = 16

/** Sends the command. The task has its tag and its number already. */
export function sendCommand(connection: Connection, settings: SessionSettings, task: Task): void {
  const { cdb, dataOut, outLength, dataIn } = task
  const immediate = immediateLength(task, settings)
  const unsolicited = unsolicitedLength(task, settings)
  task.solicited = unsolicited
  const extra = cdb.length > CDB_ROOM ? 4 + ((cdb.length - CDB_ROOM + 3) & ~3) : 0
  const at = connection.begin(BHS_LENGTH + extra)
  const header = connection.staging
  field.opcode.set(header, at, Opcode.scsiCommand)
  field.final.set(header, at, unsolicited === immediate ? 1 : 0)
  if (dataIn.length > 0) field.read.set(header, at, 1)
  if (outLength > 0) field.write.set(header, at, 1)
  field.attribute.set(header, at, task.attribute)
  field.lun.set(header, at, task.lun)
  field.itt.set(header, at, task.itt)
  field.expectedDataTransferLength.set(header, at, dataIn.length + outLength)
  field.cmdSn.set(header, at, task.cmdSn)
  field.expStatSn.set(header, at, connection.expStatSn)
  field.cdb.set(header, at, cdb)
  if (extra > 0) putLongCdb(header, at, cdb, extra)
  connection.endOf(dataOut, 0, immediate)
  if (unsolicited > immediate) {
    sendSequence(connection, settings, task, RESERVED_TAG, immediate, unsolicited)
  }
}

function putLongCdb(header: Uint8Array, at: number, cdb: Uint8Array, length: number): void {
  const ahs = at + BHS_LENGTH
  field.totalAhsLength.set(header, at, length / 4)
  EXTENDED_CDB_AHS.field.ahsLength.set(header, ahs, cdb.length - CDB_ROOM + 1)
  EXTENDED_CDB_AHS.field.ahsType.set(header, ahs, AhsType.extendedCdb)
  header.set(cdb.subarray(CDB_ROOM), ahs + EXTENDED_CDB_AHS.length)
}
