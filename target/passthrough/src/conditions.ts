// SPDX-License-Identifier: Apache-2.0
// Conditions that only a gateway has to report.
import { ascText, type SenseCode, SenseKey, sense } from '@lunkit/spec'

const named = (key: number, asc: number, ascq: number): SenseCode =>
  sense(key, asc, ascq, ascText(asc, ascq)!)

/** The way to the unit failed under a command, and nobody knows whether it ran. */
export const COMMUNICATION_FAILURE = named(SenseKey.notReady, 0x08, 0x00)
/** The unit did not answer in time. */
export const COMMAND_TIMEOUT = named(SenseKey.abortedCommand, 0x2e, 0x02)
