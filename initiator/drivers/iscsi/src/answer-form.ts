// SPDX-License-Identifier: Apache-2.0
// What no answer of a target may look like, whoever it is for: data where there are none, and reserved codes (RFC 7143, 11).
import { TransportError } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  BHS,
  FIRST_VENDOR_EVENT,
  IscsiTaskResponse,
  Opcode,
  TASK_MANAGEMENT_RESPONSE,
} from '@lunkit/spec'

const NO_DATA: ReadonlySet<number> = new Set([
  Opcode.taskManagementResponse,
  Opcode.r2t,
  Opcode.logoutResponse,
])

const FUNCTION_RESPONSES: ReadonlySet<number> = new Set(Object.values(IscsiTaskResponse))

/** Throws a TransportError where a PDU that has data is of a kind that has none (RFC 7143, 11.6.2, 11.8.1 and 11.15.2). */
export function refuseData(header: Uint8Array): void {
  const opcode = BHS.field.opcode.get(header, 0)
  if (NO_DATA.has(opcode)) throw broken(`sent a PDU of opcode 0x${opcode.toString(16)} with data`)
}

/**
 * Throws a TransportError where an answer that is no task's has a code that the standard reserves; one to a logout is taken
 * for a logout that failed, after which nothing goes on.
 */
export function refuseReservedCode(header: Uint8Array): void {
  switch (BHS.field.opcode.get(header, 0)) {
    case Opcode.taskManagementResponse: {
      const code = TASK_MANAGEMENT_RESPONSE.field.response.get(header, 0)
      if (!FUNCTION_RESPONSES.has(code)) throw broken(`answered a function with the reserved code ${code}`)
      break
    }
    case Opcode.asyncMessage: {
      const event = ASYNC_MESSAGE.field.asyncEvent.get(header, 0)
      if (event > AsyncEvent.tasksTerminated && event < FIRST_VENDOR_EVENT)
        throw broken(`sent a message with the reserved event ${event}`)
      break
    }
  }
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
