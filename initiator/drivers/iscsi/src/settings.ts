// SPDX-License-Identifier: Apache-2.0
// What login agreed on, as plain fields for the road of a command.
import type { Portal } from './portal.ts'

export interface SessionSettings {
  /** Name of the target, or empty for a discovery session. */
  readonly target: string
  /** TSIH given by the target. */
  readonly tsih: number
  readonly maxConnections: number
  readonly errorRecoveryLevel: number
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  readonly immediateData: boolean
  readonly initialR2T: boolean
  readonly firstBurstLength: number
  readonly maxBurstLength: number
  /** The target's MaxRecvDataSegmentLength. */
  readonly maxSendDataLength: number
  /** Seconds. */
  readonly time2Wait: number
  readonly time2Retain: number
  /** All keys as they were settled, for reports: name to value in words. */
  readonly keys: ReadonlyMap<string, string>
}

/** One connection, for reports. */
export interface ConnectionReport {
  readonly cid: number
  readonly portal: Portal
  readonly inFlight: number
  /** What was agreed on, for the whole session and for this connection. */
  readonly settings: SessionSettings
}
