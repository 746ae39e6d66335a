// SPDX-License-Identifier: Apache-2.0
// SCSI asynchronous events: what changed about an initiator's LUNs is told before it asks (RFC 7143, 11.9).
import {
  AsyncEvent,
  CAPACITY_DATA_HAS_CHANGED,
  REPORTED_LUNS_DATA_HAS_CHANGED,
  type SenseCode,
  writeSense,
} from '@lunkit/spec'
import { sendAsyncMessage } from '../outbound/async-message.ts'
import type { Session } from '../session.ts'

/** What hosts act upon: they look for LUNs anew, or ask for the size. */
const TOLD: readonly SenseCode[] = [REPORTED_LUNS_DATA_HAS_CHANGED, CAPACITY_DATA_HAS_CHANGED]
const SENSE_BYTES = 18

/** The list of LUNs is told once for all of them, with the first. */
export function tellAttention(session: Session | null, lun: number, code: SenseCode): void {
  if (session === null || !TOLD.some(({ asc, ascq }) => asc === code.asc && ascq === code.ascq)) return
  const connection = session.anyConnection
  if (connection === null || connection.over) return
  if (code.asc === REPORTED_LUNS_DATA_HAS_CHANGED.asc && session.nexus?.luns()[0] !== lun) return
  const sense = new Uint8Array(SENSE_BYTES)
  const length = writeSense(sense, false, code)
  sendAsyncMessage(connection, AsyncEvent.scsiEvent, { lun, sense: sense.subarray(0, length) })
}
