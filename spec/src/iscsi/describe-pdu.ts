// SPDX-License-Identifier: Apache-2.0
// One line that says what a PDU header holds, for log lines about refused PDUs and for traces.
import { hex } from '../bytes/dump.ts'
import { describeCommand } from '../scsi/describe-command.ts'
import { readSense } from '../scsi/sense.ts'
import { senseText } from '../scsi/sense-codes.ts'
import { statusText } from '../scsi/status.ts'
import { asyncEventText } from './async-event.ts'
import { loginStatusText } from './login-status.ts'
import { logoutReasonText, logoutResponseText } from './logout.ts'
import {
  AHS,
  AhsType,
  ASYNC_MESSAGE,
  BHS_LENGTH,
  DATA_IN,
  EXTENDED_CDB_AHS,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  Opcode,
  PDU_BY_OPCODE,
  REJECT,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
} from './pdu.ts'
import { rejectReasonText } from './reject-reason.ts'
import { ScsiResponse, SENSE_SEGMENT, scsiResponseText } from './scsi-response.ts'
import { taskManagementFunctionText, taskManagementResponseText } from './task-management.ts'

// Tags are opaque, so they read best as both ends' traces show them.
const TAGS: ReadonlySet<string> = new Set(['itt', 'ttt', 'referencedTaskTag', 'snackTag'])

/**
 * The header at `at` as one line: the PDU's name, what its code or its command means, and each field that is not zero. Takes
 * any bytes: a short array or an unknown opcode is shown in hexadecimal. The additional header is read where it follows.
 * Never shows the data segment, where secrets may be; of a SCSI Response, `data` is read for the sense code alone.
 */
export function describePdu(bytes: Uint8Array, at = 0, data: Uint8Array = NO_DATA): string {
  const header = bytes.subarray(at, at + BHS_LENGTH)
  if (header.length < BHS_LENGTH) return `Short PDU header of ${header.length} bytes ${hex(header)}`.trimEnd()
  const opcode = header[0]! & 0x3f
  const layout = PDU_BY_OPCODE[opcode]
  if (layout === undefined) {
    return `Unknown opcode 0x${opcode.toString(16).padStart(2, '0')} ${hex(header)}`
  }
  let out = layout.name
  const meaning = meaningOf(bytes.subarray(at), opcode, data)
  if (meaning !== null) out += ` (${meaning})`
  for (const [name, field] of Object.entries(layout.field)) {
    if (name === 'opcode') continue
    const shown = show(name, field.get(header, 0))
    if (shown !== null) out += ` ${name}=${shown}`
  }
  const stray = layout.reserved(header)
  return stray === null ? out : `${out} reserved bit set in byte ${stray.byte} bit ${stray.bit}`
}

function show(name: string, value: unknown): string | null {
  if (value instanceof Uint8Array) return value.every(byte => byte === 0) ? null : hex(value)
  if (TAGS.has(name)) return `0x${Number(value).toString(16).padStart(8, '0')}`
  return value === 0 ? null : String(value)
}

const NO_DATA = new Uint8Array(0)

/** `header` with what follows it. */
function meaningOf(header: Uint8Array, opcode: number, data: Uint8Array): string | null {
  switch (opcode) {
    case Opcode.scsiCommand:
      return describeCommand(cdbOf(header))
    case Opcode.scsiResponse: {
      const response = SCSI_RESPONSE.field.response.get(header, 0)
      if (response !== ScsiResponse.commandCompleted) return scsiResponseText(response)
      return statusText(SCSI_RESPONSE.field.status.get(header, 0)) + senseOf(data)
    }
    case Opcode.dataIn:
      return DATA_IN.field.statusPresent.get(header, 0) === 1
        ? statusText(DATA_IN.field.status.get(header, 0))
        : null
    case Opcode.taskManagementRequest:
      return taskManagementFunctionText(TASK_MANAGEMENT_REQUEST.field.function.get(header, 0))
    case Opcode.taskManagementResponse:
      return taskManagementResponseText(TASK_MANAGEMENT_RESPONSE.field.response.get(header, 0))
    case Opcode.loginResponse: {
      const { statusClass, statusDetail } = LOGIN_RESPONSE.field
      return loginStatusText((statusClass.get(header, 0) << 8) | statusDetail.get(header, 0))
    }
    case Opcode.logoutRequest:
      return logoutReasonText(LOGOUT_REQUEST.field.reason.get(header, 0))
    case Opcode.logoutResponse:
      return logoutResponseText(LOGOUT_RESPONSE.field.response.get(header, 0))
    case Opcode.asyncMessage:
      return asyncEventText(ASYNC_MESSAGE.field.asyncEvent.get(header, 0))
    case Opcode.reject:
      return rejectReasonText(REJECT.field.reason.get(header, 0))
    default:
      return null
  }
}

/** The CDB of a SCSI Command, with what an additional header has of it. */
function cdbOf(header: Uint8Array): Uint8Array {
  const cdb = SCSI_COMMAND.field.cdb.get(header, 0)
  const end = BHS_LENGTH + SCSI_COMMAND.field.totalAhsLength.get(header, 0) * 4
  const from = BHS_LENGTH + EXTENDED_CDB_AHS.length
  if (end <= from || header.length < end || AHS.field.ahsType.get(header, BHS_LENGTH) !== AhsType.extendedCdb)
    return cdb
  const rest = header.subarray(from, Math.min(end, from + AHS.field.ahsLength.get(header, BHS_LENGTH) - 1))
  const whole = new Uint8Array(cdb.length + rest.length)
  whole.set(cdb)
  whole.set(rest, cdb.length)
  return whole
}

function senseOf(data: Uint8Array): string {
  if (data.length < SENSE_SEGMENT.length) return ''
  const { length } = SENSE_SEGMENT
  const end = length + SENSE_SEGMENT.field.senseLength.get(data, 0)
  const sense = readSense(data.subarray(length, end))
  return sense === null ? '' : `: ${senseText(sense.key, sense.asc, sense.ascq)}`
}
