// SPDX-License-Identifier: Apache-2.0
// TASK REASSIGN: a command whose connection is gone goes on where the request came (RFC 7143, 7.2.2 and 11.5.6).
import { IscsiTaskResponse } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { resumeFetch } from '../write-data.ts'
import { sendKept } from './send-kept.ts'

/**
 * Takes the command with this tag over, whose data the initiator has up to `expDataSn` (0: as it acknowledged before).
 * Returns the response, and what is to be done when it has been sent.
 */
export function reassign(
  connection: Connection,
  itt: number,
  expDataSn: number,
): { readonly response: number; readonly go: (() => void) | null } {
  const session = connection.session!
  const recovery = session.recovery!
  if (recovery.level < 2) return { response: IscsiTaskResponse.reassignmentNotSupported, go: null }
  const command = recovery.command(itt)
  if (command !== undefined) {
    if (!command.released) return { response: IscsiTaskResponse.taskStillAllegiant, go: null }
    // A number that cannot be is ignored (RFC 7143, 11.5.6).
    if (expDataSn !== 0) command.acknowledge(expDataSn)
    command.connection = connection
    command.released = false
    connection.counters.reassigned++
    return { response: IscsiTaskResponse.functionComplete, go: () => sendKept(connection, command) }
  }
  const one = session.tasks.get(itt)
  // An immediate command of a lost connection is about to end.
  if (one === undefined || (one.immediate && one.connection === null))
    return { response: IscsiTaskResponse.taskDoesNotExist, go: null }
  if (!one.released) return { response: IscsiTaskResponse.taskStillAllegiant, go: null }
  one.connection = connection
  one.released = false
  connection.counters.reassigned++
  return { response: IscsiTaskResponse.functionComplete, go: () => resumeFetch(connection, one) }
}
