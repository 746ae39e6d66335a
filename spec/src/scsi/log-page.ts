// SPDX-License-Identifier: Apache-2.0
// Log pages: codes, page and parameter headers, and the parameters with a layout of their own.
import { bit, bits, u8, u16, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

export const LogCode = Object.freeze({
  supportedPages: 0x00,
  bufferOverrun: 0x01,
  writeErrors: 0x02,
  readErrors: 0x03,
  verifyErrors: 0x05,
  nonMediumErrors: 0x06,
  formatStatus: 0x08,
  logicalBlockProvisioning: 0x0c,
  /** Tapes use the code for sequential-access device counters. */
  sequentialAccess: 0x0c,
  temperature: 0x0d,
  startStopCycles: 0x0e,
  applicationClient: 0x0f,
  selfTestResults: 0x10,
  solidStateMedia: 0x11,
  volumeStatistics: 0x17,
  backgroundScan: 0x15,
  protocolSpecificPort: 0x18,
  generalStatistics: 0x19,
  powerTransitions: 0x1a,
  tapeAlert: 0x2e,
  informationalExceptions: 0x2f,
} as const)

/** PAGE LENGTH counts from byte 4. */
export const LOG_PAGE_HEADER = layout('Log page', 'SPC-4 Log page structure', 4, {
  ds: bit(0, 7),
  spf: bit(0, 6),
  pageCode: bits(0, 5, 0),
  subpage: u8(1),
  length: u16(2),
})

/** PARAMETER LENGTH counts from byte 4. */
const PARAMETER = {
  code: u16(0),
  du: bit(2, 7),
  tsd: bit(2, 5),
  etc: bit(2, 4),
  tmc: bits(2, 3, 2),
  format: bits(2, 1, 0),
  length: u8(3),
} as const

export const LOG_PARAMETER_HEADER = layout('Log parameter', 'SPC-4 Log parameter structure', 4, PARAMETER)

/** FORMAT AND LINKING. */
export const LogFormat = Object.freeze({ counter: 0, ascii: 1, bounded: 2, binary: 3 } as const)

/** 0Ch of disks: parameters 0001h (available), 0002h (used) and the like. */
export const PROVISIONING_RESOURCE = layout(
  'Logical block provisioning log parameter',
  'SBC-4 Logical Block Provisioning log page',
  12,
  { ...PARAMETER, count: u32(4), scope: bits(8, 1, 0) },
)

/** 0Dh: 0000h temperature, 0001h reference. Degrees Celsius, FFh for not known. */
export const TEMPERATURE = layout('Temperature log parameter', 'SPC-4 Temperature log page', 6, {
  ...PARAMETER,
  celsius: u8(5),
})

/** 10h: one of twenty results. */
export const SELF_TEST_RESULT = layout('Self-test result', 'SPC-4 Self-Test Results log page', 20, {
  ...PARAMETER,
  testCode: bits(4, 7, 5),
  result: bits(4, 3, 0),
  segment: u8(5),
  hours: u16(6),
  firstFailure: u64(8),
  key: bits(16, 3, 0),
  asc: u8(17),
  ascq: u8(18),
  vendorSpecific: u8(19),
})

/** 11h, parameter 0001h. */
export const SOLID_STATE_ENDURANCE = layout(
  'Percentage used endurance indicator',
  'SBC-4 Solid State Media log page',
  8,
  { ...PARAMETER, percentageUsed: u8(7) },
)

/** 15h, parameter 0000h. */
export const BACKGROUND_SCAN_STATUS = layout('Background scan status', 'SBC-4 Background Scan log page', 16, {
  ...PARAMETER,
  minutes: u32(4),
  status: u8(9),
  scans: u16(10),
  progress: u16(12),
  mediumScans: u16(14),
})

/** 19h, parameter 0001h. */
export const GENERAL_STATISTICS = layout(
  'General access statistics and performance',
  'SPC-4 General Statistics and Performance log page',
  68,
  {
    ...PARAMETER,
    reads: u64(4),
    writes: u64(12),
    blocksReceived: u64(20),
    blocksSent: u64(28),
    readIntervals: u64(36),
    writeIntervals: u64(44),
    weightedCommands: u64(52),
    weightedIntervals: u64(60),
  },
)

/** 2Eh: one of the 64 flags, code 0001h to 0040h. */
export const TAPE_ALERT = layout('TapeAlert flag', 'SSC-4 TapeAlert log page', 5, {
  ...PARAMETER,
  flag: bit(4, 0),
})

/** 2Fh, parameter 0000h. `trip`, a temperature limit, is a vendor's byte that common tools read so. */
export const EXCEPTIONS_LOG = layout(
  'Informational exceptions general parameter',
  'SPC-4 Informational Exceptions log page',
  8,
  { ...PARAMETER, asc: u8(4), ascq: u8(5), celsius: u8(6), trip: u8(7) },
)
