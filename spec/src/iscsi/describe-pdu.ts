// SPDX-License-Identifier: Apache-2.0
// One line that says what a PDU header holds, for log lines about refused PDUs.
import { hex } from '../bytes/dump.ts'
import { asyncEventText } from './async-event.ts'
import { loginStatusText } from './login-status.ts'
import { logoutReasonText, logoutResponseText } from './logout.ts'
import {
  ASYNC_MESSAGE,
  BHS_LENGTH,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  Opcode,
  PDU_BY_OPCODE,
  REJECT,
  SCSI_RESPONSE,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
} from './pdu.ts'
import { rejectReasonText } from './reject-reason.ts'
import { scsiResponseText } from './scsi-response.ts'
import { taskManagementFunctionText, taskManagementResponseText } from './task-management.ts'

// Tags are opaque, so they read best as both ends' traces show them.
const TAGS: ReadonlySet<string> = new Set(['itt', 'ttt', 'referencedTaskTag', 'snackTag'])

/**
 * The header at `at` as one line: the PDU's name, what its code means, and each field that is not zero. Takes any bytes:
 * a short array or an unknown opcode is shown in hexadecimal. Never shows the data segment, where secrets may be.
 */
export function describePdu(bytes: Uint8Array, at = 0): string {
  const header = bytes.subarray(at, at + BHS_LENGTH)
  if (header.length < BHS_LENGTH) return `Short PDU header of ${header.length} bytes ${hex(header)}`.trimEnd()
  const opcode = header[0]! & 0x3f
  const layout = PDU_BY_OPCODE[opcode]
  if (layout === undefined) {
    return `Unknown opcode 0x${opcode.toString(16).padStart(2, '0')} ${hex(header)}`
  }
  let out = layout.name
  const meaning = meaningOf(header, opcode)
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

function meaningOf(header: Uint8Array, opcode: number): string | null {
  switch (opcode) {
    case Opcode.scsiResponse:
      return scsiResponseText(SCSI_RESPONSE.field.response.get(header, 0))
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
