// SPDX-License-Identifier: Apache-2.0
// Sense codes: key, ASC, ASCQ and text, as T10's list has them.

/** Sense keys (SPC-4, sense key and additional sense code definitions). */
export const SenseKey = Object.freeze({
  noSense: 0x0,
  recoveredError: 0x1,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  blankCheck: 0x8,
  vendorSpecific: 0x9,
  copyAborted: 0xa,
  abortedCommand: 0xb,
  volumeOverflow: 0xd,
  miscompare: 0xe,
  completed: 0xf,
} as const)

/** One condition that a target can report. */
export interface SenseCode {
  readonly key: number
  readonly asc: number
  readonly ascq: number
  readonly text: string
  /** INFORMATION of the sense data, where it belongs to the condition and not to one command. */
  readonly information?: number
}

export const sense = (key: number, asc: number, ascq: number, text: string): SenseCode =>
  Object.freeze({ key, asc, ascq, text })
