// SPDX-License-Identifier: Apache-2.0
// The sense codes by which a task fails for its data's sake (RFC 7143, 11.4.7.2).
import { PROTOCOL_SERVICE_CRC_ERROR, type SenseCode, SenseKey, sense } from '@lunkit/spec'

/** A Data-Out was lost to a wrong digest. */
export const DATA_DAMAGED: SenseCode = PROTOCOL_SERVICE_CRC_ERROR
/** Data that nobody asked for and that was not agreed upon. */
export const DATA_UNEXPECTED: SenseCode = sense(
  SenseKey.abortedCommand,
  0x0c,
  0x0c,
  'UNEXPECTED UNSOLICITED DATA',
)
/** A SNACK was refused while its command had no status. */
export const SNACK_REJECTED: SenseCode = sense(
  SenseKey.abortedCommand,
  0x11,
  0x13,
  'READ ERROR - FAILED RETRANSMISSION REQUEST',
)
/** Too little or too much, a gap or an overlap. */
export const DATA_INCORRECT: SenseCode = sense(
  SenseKey.abortedCommand,
  0x0c,
  0x0d,
  'NOT ENOUGH UNSOLICITED DATA',
)
