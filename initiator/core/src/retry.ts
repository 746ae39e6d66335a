// SPDX-License-Identifier: Apache-2.0
// Which commands may be sent again, and when: after a lost connection, and after a status that asks for it.
import {
  type Command,
  LOGICAL_UNIT_NOT_READY_BECOMING_READY,
  readSense,
  SenseKey,
  Status,
  UNMAP,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
} from '@lunkit/spec'
import { isBlockDevice } from './command-builder.ts'

/** Writes that leave the same bytes however often they run: no compare, no combination with what was there. */
const PLAIN_WRITES: ReadonlySet<Command> = new Set<Command>([
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
  UNMAP,
])

/**
 * Whether a command can be sent again when it is not known whether it ran. Reads and writes only of devices whose
 * commands name their blocks: a tape would move on. Commands without a row never.
 */
export function isRepeatable(row: Command | null, deviceType: number): boolean {
  if (row === null) return false
  switch (row.touches) {
    case 'nothing':
      return true
    case 'medium-read':
    case 'medium-sync':
      return isBlockDevice(deviceType)
    case 'medium-write':
      return isBlockDevice(deviceType) && PLAIN_WRITES.has(row)
    default:
      return false
  }
}

/** Times a command is sent again for each cause. */
const LIMITS = { busy: 12, notReady: 20, attention: 4, aborted: 3 } as const
const FIRST_DELAY_MS = 10
const LONGEST_DELAY_MS = 1000

/**
 * Wait in ms before a command that ended with this status is sent again, or -1 if it should not be. `attempt` counts
 * the times it was sent, from 1.
 */
export function retryDelay(status: number, sense: Uint8Array, attempt: number, repeatable: boolean): number {
  switch (status) {
    // The unit did not start it (SAM-5, status codes).
    case Status.busy:
    case Status.taskSetFull:
      return attempt <= LIMITS.busy ? backoff(attempt) : -1
    case Status.taskAborted:
      return repeatable && attempt <= LIMITS.aborted ? 0 : -1
    case Status.checkCondition:
      return senseDelay(sense, attempt, repeatable)
    default:
      return -1
  }
}

function senseDelay(sense: Uint8Array, attempt: number, repeatable: boolean): number {
  const report = readSense(sense)
  if (report === null || report.deferred) return -1
  const { key, asc, ascq } = report
  // A unit attention is reported instead of running the command; several may wait.
  if (key === SenseKey.unitAttention) return attempt <= LIMITS.attention ? 0 : -1
  const becoming = LOGICAL_UNIT_NOT_READY_BECOMING_READY
  if (key === becoming.key && asc === becoming.asc && ascq === becoming.ascq) {
    return attempt <= LIMITS.notReady ? backoff(attempt) : -1
  }
  if (key === SenseKey.abortedCommand) return repeatable && attempt <= LIMITS.aborted ? backoff(attempt) : -1
  return -1
}

const backoff = (attempt: number): number => Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1))
