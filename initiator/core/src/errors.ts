// SPDX-License-Identifier: Apache-2.0
// What can go wrong for an initiator, as error classes with stable codes.
import { SenseKey, Status } from '@lunkit/spec'
import { reportSense } from './sense-report.ts'

/** Base of all errors of the initiator. */
export class InitiatorError extends Error {
  /** Stable, for scripts. */
  readonly code: string
  /** The way out, in a few words; or empty. */
  readonly hint: string
  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'InitiatorError'
    this.code = code
    this.hint = options.hint ?? ''
  }
}

export type RequestErrorCode =
  | 'URL_INVALID'
  | 'OPTION_INVALID'
  | 'CHAP_SECRET_INVALID'
  | 'ARGUMENT_INVALID'
  | 'OUT_OF_RANGE'
  | 'BLOCKS_CHANGED'
  | 'UNSUPPORTED'
  | 'LUN_MISSING'

/** The caller asked for something that cannot be sent, or that the unit does not have. */
export class RequestError extends InitiatorError {
  declare readonly code: RequestErrorCode
  constructor(code: RequestErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(code, message, options)
    this.name = 'RequestError'
  }
}

export type TransportErrorCode =
  | 'TRANSPORT_CONNECT_FAILED'
  | 'TRANSPORT_CONNECTION_LOST'
  | 'TRANSPORT_TIMEOUT'
  | 'TRANSPORT_PROTOCOL'
  | 'TRANSPORT_DIGEST'
  | 'TRANSPORT_REJECTED'
  | 'TRANSPORT_TARGET_FAILURE'
  | 'TRANSPORT_DATA_MISSING'
  | 'TRANSPORT_TASK_ABORTED'
  | 'TRANSPORT_CLOSED'

/**
 * The road to the target failed. For a command that failed with `TRANSPORT_CONNECTION_LOST` or `TRANSPORT_TIMEOUT`
 * it is unknown whether it ran.
 */
export class TransportError extends InitiatorError {
  declare readonly code: TransportErrorCode
  constructor(code: TransportErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(code, message, options)
    this.name = 'TransportError'
  }
}

export type LoginErrorCode =
  | 'LOGIN_AUTHENTICATION'
  | 'LOGIN_FORBIDDEN'
  | 'LOGIN_NOT_FOUND'
  | 'LOGIN_REFUSED'
  | 'LOGIN_TARGET_ERROR'
  | 'LOGIN_REDIRECTED'
  | 'LOGIN_PROTOCOL'
  | 'LOGIN_TIMEOUT'

export interface LoginErrorOptions {
  readonly statusClass?: number
  readonly statusDetail?: number
  readonly hint?: string
  readonly cause?: unknown
}

/** The target refused the login, or its answers to it were not acceptable. */
export class LoginError extends InitiatorError {
  declare readonly code: LoginErrorCode
  /** Status-Class and Status-Detail (RFC 7143, 11.13.5), or 0 and 0 where the refusal is this side's. */
  readonly statusClass: number
  readonly statusDetail: number
  constructor(code: LoginErrorCode, message: string, options: LoginErrorOptions = {}) {
    super(code, message, options)
    this.name = 'LoginError'
    this.statusClass = options.statusClass ?? 0
    this.statusDetail = options.statusDetail ?? 0
  }
}

const STATUS_CODES: Readonly<Record<number, readonly [code: string, text: string]>> = {
  [Status.checkCondition]: ['CHECK_CONDITION', 'CHECK CONDITION'],
  [Status.conditionMet]: ['CONDITION_MET', 'CONDITION MET'],
  [Status.busy]: ['BUSY', 'BUSY'],
  [Status.reservationConflict]: ['RESERVATION_CONFLICT', 'RESERVATION CONFLICT'],
  [Status.taskSetFull]: ['TASK_SET_FULL', 'TASK SET FULL'],
  [Status.acaActive]: ['ACA_ACTIVE', 'ACA ACTIVE'],
  [Status.taskAborted]: ['TASK_ABORTED', 'TASK ABORTED'],
}

/** The unit ended a command with another status than GOOD. `code` names the status: `SCSI_CHECK_CONDITION`. */
export class ScsiError extends InitiatorError {
  readonly status: number
  /** Sense data as received, empty if there were none. */
  readonly sense: Uint8Array
  /** Name of the command, as T10 writes it. */
  readonly command: string
  readonly senseKey: number
  readonly asc: number
  readonly ascq: number
  constructor(status: number, sense: Uint8Array, command: string) {
    const [code, text] = STATUS_CODES[status] ?? ['UNKNOWN_STATUS', `status ${status.toString(16)}h`]
    const report = status === Status.checkCondition ? reportSense(sense) : null
    super(`SCSI_${code}`, `${command} ended with ${text}${report === null ? '' : `: ${report.text}`}`)
    this.name = 'ScsiError'
    this.status = status
    this.sense = sense
    this.command = command
    this.senseKey = report?.key ?? SenseKey.noSense
    this.asc = report?.asc ?? 0
    this.ascq = report?.ascq ?? 0
  }
}
