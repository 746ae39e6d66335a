// SPDX-License-Identifier: Apache-2.0
// Whether a PDU of a task names the unit of the task (RFC 7143, 4.2.5.3).
import { TransportError } from '@lunkit/initiator-core'
import type { Task } from './task.ts'

/** Where the LUN stands in every header that has one (RFC 7143, 11.2.1). */
const LUN_AT = 8

/** Throws a TransportError for another unit; only for PDUs in which the LUN is not reserved. */
export function checkLun(task: Task, header: Uint8Array): void {
  const { lun } = task
  let same = 0
  while (same < lun.length && header[LUN_AT + same] === lun[same]) same++
  if (same === lun.length) return
  const itt = task.itt.toString(16)
  throw new TransportError(
    'TRANSPORT_PROTOCOL',
    `The target sent a PDU for another unit than that of task 0x${itt}`,
  )
}
