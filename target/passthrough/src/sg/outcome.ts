// SPDX-License-Identifier: Apache-2.0
// What Linux says of a command that its unit did not answer: host statuses and error numbers are rows.
import type { BridgeOutcome } from '../bridge.ts'

/** `busy`: it can be tried again soon. */
export interface Outcome {
  readonly kind: Exclude<BridgeOutcome, 'done'> | 'busy'
  readonly reason: string
}

const row = (kind: Outcome['kind'], reason: string): Outcome => Object.freeze({ kind, reason })
const BUSY = row('busy', 'the host adapter is busy')

/** What the host adapter's driver says (DID_… of the kernel). Null: the status is the unit's. */
const HOST: readonly (Outcome | null)[] = [
  null, // OK
  row('lost', 'the host adapter does not reach it'), // NO_CONNECT
  BUSY, // BUS_BUSY
  row('ended', 'the command took too long, and Linux has ended it'), // TIME_OUT
  row('lost', 'the host adapter knows it no more'), // BAD_TARGET
  row('ended', 'Linux has ended the command'), // ABORT
  row('ended', 'data were damaged on the way'), // PARITY
  row('ended', 'the host adapter met an error'), // ERROR
  row('ended', 'it was reset'), // RESET
  row('ended', 'the host adapter met an unexpected interrupt'), // BAD_INTR
  null, // PASSTHROUGH
  BUSY, // SOFT_ERROR
  BUSY, // IMM_RETRY
  BUSY, // REQUEUE
  row('lost', 'its transport was disrupted'), // TRANSPORT_DISRUPTED
  row('lost', 'its transport failed'), // TRANSPORT_FAILFAST
  // These only classify a status of the unit
  null, // TARGET_FAILURE
  null, // NEXUS_FAILURE
  null, // ALLOC_FAILURE
  null, // MEDIUM_ERROR
  row('lost', 'its transport is marginal'), // TRANSPORT_MARGINAL
]
/** DID_TIME_OUT, which older kernels tell as a driver status (DRIVER_TIMEOUT). */
const TIMED_OUT = 3
const TIMED_OUT_DRIVER = 6

/** Null: the unit has answered, and its status counts. */
export function ofStatuses(host: number, driver: number): Outcome | null {
  const outcome = HOST[host === 0 && (driver & 0xf) === TIMED_OUT_DRIVER ? TIMED_OUT : host]
  return outcome === undefined ? row('ended', `the host adapter met the error ${host}`) : outcome
}

const CANNOT = 'Linux cannot send such a command, or not so long a transfer, to it'
const MAY_NOT = 'Linux does not let this process send such a command to it'

/** Why the kernel did not take a command, or a reset. */
const REFUSED: Readonly<Record<string, Outcome>> = Object.freeze({
  ENODEV: row('lost', 'it was taken away'),
  ENXIO: row('lost', 'Linux has set it offline'),
  ESHUTDOWN: row('lost', 'it is being shut down'),
  ENOMEM: BUSY,
  EAGAIN: BUSY,
  EBUSY: BUSY,
  EDOM: BUSY,
  EPERM: row('refused', MAY_NOT),
  EACCES: row('refused', MAY_NOT),
  EINVAL: row('refused', CANNOT),
  EMSGSIZE: row('refused', CANNOT),
  E2BIG: row('refused', CANNOT),
})

/** By the name of the errno. */
export const ofRefusal = (name: string): Outcome =>
  REFUSED[name] ?? row('ended', `Linux did not take the command (${name})`)
/** A command with data in both directions, or too long a CDB. */
export const CANNOT_BE_SENT = row('refused', CANNOT)
export const ENDED_BY_RESET = row('ended', 'it was reset')
export const TOO_LONG_BEHIND = row('ended', 'the command waited too long behind others')
export const TAKEN_BACK = row('ended', 'the command was aborted before the unit had it')
