// SPDX-License-Identifier: Apache-2.0
// What becomes of the commands that the target has given up or forgotten: which are sent again, which fail.
import { InitiatorError, TransportError } from '@lunkit/initiator-core'
import type { Task } from './task.ts'

/** Ends what may not be sent again, all if `final`; returns the rest in the order of the first time. */
export function sortOut(
  tasks: Iterable<Task>,
  error: TransportError,
  final: boolean,
  attempts: number,
): Task[] {
  const repeat: Task[] = []
  for (const task of tasks) {
    if (task.state === 'done') continue
    if (task.state === 'ending') task.fail(task.reason)
    else if (!final && task.repeatable) repeat.push(task)
    else task.fail(unsure(error))
  }
  repeat.sort((a, b) => (a.cmdSn - b.cmdSn) | 0)
  for (const task of repeat) task.restart()
  // A command may itself be what ends the connections. Then it soon is the oldest one, and fails before the session.
  const [oldest] = repeat
  if (oldest !== undefined && ++oldest.repeats > Math.max(1, attempts / 2)) {
    oldest.fail(unsure(error))
    repeat.shift()
  }
  return repeat
}

/** The error of a command that was under way when the road failed. */
export function unsure(error: TransportError): TransportError {
  const message = `${error.message}; it is not known whether the command ran`
  return new TransportError(error.code, message, { cause: error })
}

/** The error of what ends with a connection that is given up. */
export const lostError = (why: string, cause?: unknown): TransportError =>
  new TransportError('TRANSPORT_CONNECTION_LOST', `The connection is given up: ${why}`, { cause })

/** The error of what comes after the end of a session. */
export function closedError(target: string, cause: unknown): TransportError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new TransportError('TRANSPORT_CLOSED', `The session with ${target} is closed${why}`, { cause })
}

export const asInitiatorError = (error: unknown): InitiatorError =>
  error instanceof InitiatorError
    ? error
    : new TransportError('TRANSPORT_CLOSED', String(error), { cause: error })
