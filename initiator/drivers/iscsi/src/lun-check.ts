// SPDX-License-Identifier: Apache-2.0
// Whether a PDU of a task names the unit of the task (RFC 7143, 4.2.5.3).
import { TransportError } from '@lunkit/initiator-core'
import { BHS } from '@lunkit/spec'
import type { Task } from './task.ts'

const { lun } = BHS.field

/** Throws a TransportError for another unit; only for PDUs in which the LUN is not reserved. */
export function checkLun(task: Task, header: Uint8Array): void {
  if (Buffer.compare(lun.get(header, 0), task.lun) === 0) return
  const itt = task.itt.toString(16)
  throw new TransportError(
    'TRANSPORT_PROTOCOL',
    `The target sent a PDU for another unit than that of task 0x${itt}`,
  )
}
