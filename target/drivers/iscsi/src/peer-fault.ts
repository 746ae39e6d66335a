// SPDX-License-Identifier: Apache-2.0
// Tells the operator what a peer did wrong, and what came of it.
import { describePdu } from '@lunkit/spec'
import type { Connection } from './connection.ts'

/** Counts and tells a fault of the PDU whose header is at `at`. */
export function reportFault(
  connection: Connection,
  header: Buffer,
  at: number,
  fault: string,
  outcome: 'reject' | 'close' | 'sense',
): void {
  const { counters, port, initiator, address } = connection
  counters.faults++
  port.observe({ type: 'peer-fault', initiator, address, fault, pdu: describePdu(header, at), outcome })
}
