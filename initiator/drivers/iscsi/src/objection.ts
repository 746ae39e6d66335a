// SPDX-License-Identifier: Apache-2.0
// What makes a command one that cannot be sent.
import { type CommandRequest, RequestError } from '@lunkit/initiator-core'
import { lengthOf } from './task.ts'

/** Why a request cannot be sent, or null. */
export function objectionTo(request: CommandRequest): RequestError | null {
  const { length } = request.cdb
  if (length < 6 || length > 260) {
    return new RequestError('ARGUMENT_INVALID', `A CDB has 6 to 260 bytes, not ${length}`)
  }
  if (lengthOf(request.dataOut) > 0 && (request.dataIn?.length || request.expectedIn)) {
    return new RequestError('UNSUPPORTED', 'Commands with data in both directions are not supported')
  }
  return null
}
