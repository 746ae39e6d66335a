// SPDX-License-Identifier: Apache-2.0
// Parameter data of REPORT TIMESTAMP and SET TIMESTAMP.
import { bits, u16, u48 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** TIMESTAMP ORIGIN (SPC-4, device clocks): what set the clock last. */
export const TimestampOrigin = Object.freeze({ powerOn: 0, setTimestamp: 2, outside: 3 } as const)

/** Milliseconds since 1970 UTC. */
export const TIMESTAMP_REPORT = layout('Timestamp', 'SPC-4 REPORT TIMESTAMP command', 12, {
  length: u16(0),
  origin: bits(2, 2, 0),
  timestamp: u48(4),
})

export const TIMESTAMP_SETTING = layout('Timestamp setting', 'SPC-4 SET TIMESTAMP command', 12, {
  timestamp: u48(4),
})
