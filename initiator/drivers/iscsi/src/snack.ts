// SPDX-License-Identifier: Apache-2.0
// Sends SNACK requests: ask again for data, R2Ts and statuses, and acknowledge data (RFC 7143, 11.16).
import { Opcode, RESERVED_TAG, SNACK, SnackType } from '@lunkit/spec'
import type { Connection } from './connection.ts'
import type { Task } from './task.ts'

const NO_LUN = new Uint8Array(8)

function send(connection: Connection, values: Parameters<typeof SNACK.write>[0]): void {
  connection.countAnswer()
  const at = connection.begin()
  const common = { opcode: Opcode.snack, final: 1, ttt: RESERVED_TAG, expStatSn: connection.expStatSn }
  SNACK.write({ ...common, ...values }, connection.staging, at)
  connection.end()
}

/** Asks for `runLength` Data-In or R2T PDUs of a task again, from number `begRun` on. */
export function askForData(connection: Connection, task: Task, begRun: number, runLength: number): void {
  send(connection, { type: SnackType.dataOrR2t, lun: task.lun, itt: task.itt, begRun, runLength })
}

/** Asks for all data that are not acknowledged, cut anew; the response will carry the tag, which is of `Links.snackTag`. */
export function askForDataCutAnew(connection: Connection, task: Task, tag: number): void {
  send(connection, { type: SnackType.rData, lun: task.lun, itt: task.itt, ttt: tag, begRun: 0, runLength: 0 })
}

/** Asks for `runLength` numbered responses again, from StatSN `begRun` on. */
export function askForStatus(connection: Connection, begRun: number, runLength: number): void {
  send(connection, { type: SnackType.status, lun: NO_LUN, itt: RESERVED_TAG, begRun, runLength })
}

/** Acknowledges the Data-In PDUs before DataSN `begRun`, to the transfer tag and LUN of the one that asked for it. */
export function acknowledgeData(connection: Connection, lun: Uint8Array, ttt: number, begRun: number): void {
  send(connection, { type: SnackType.dataAck, lun, itt: RESERVED_TAG, ttt, begRun, runLength: 0 })
}
