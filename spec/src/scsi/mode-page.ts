// SPDX-License-Identifier: Apache-2.0
// Mode parameters: headers, block descriptors and the pages of every device type and of disks.
import { bit, bits, u8, u16, u24, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** PAGE CONTROL of MODE SENSE. */
export const PageControl = Object.freeze({ current: 0, changeable: 1, defaults: 2, saved: 3 } as const)

/** Page codes; `allPages` and, as a subpage, `allSubpages` ask for all of them. */
export const ModeCode = Object.freeze({
  errorRecovery: 0x01,
  disconnectReconnect: 0x02,
  formatDevice: 0x03,
  rigidGeometry: 0x04,
  writeParameters: 0x05,
  verifyErrorRecovery: 0x07,
  caching: 0x08,
  control: 0x0a,
  cdAudioControl: 0x0e,
  dataCompression: 0x0f,
  deviceConfiguration: 0x10,
  mediumPartition: 0x11,
  protocolSpecificUnit: 0x18,
  protocolSpecificPort: 0x19,
  powerCondition: 0x1a,
  exceptions: 0x1c,
  /** Optical drives; changers use the code for element addresses. */
  timeoutAndProtect: 0x1d,
  elementAddresses: 0x1d,
  transportGeometry: 0x1e,
  changerCapabilities: 0x1f,
  cdCapabilities: 0x2a,
  allPages: 0x3f,
  allSubpages: 0xff,
} as const)

// DEVICE-SPECIFIC PARAMETER as disks have it.
const SPECIFIC = (byte: number) => ({ writeProtect: bit(byte, 7), dpofua: bit(byte, 4) })

/** MODE SENSE (6) and MODE SELECT (6). MODE DATA LENGTH counts from byte 1. */
export const MODE_HEADER_6 = layout('Mode parameter header (6)', 'SPC-4 Mode parameter header formats', 4, {
  dataLength: u8(0),
  mediumType: u8(1),
  ...SPECIFIC(2),
  blockDescriptorLength: u8(3),
})

/** MODE SENSE (10) and MODE SELECT (10). MODE DATA LENGTH counts from byte 2. */
export const MODE_HEADER_10 = layout('Mode parameter header (10)', 'SPC-4 Mode parameter header formats', 8, {
  dataLength: u16(0),
  mediumType: u8(2),
  ...SPECIFIC(3),
  longlba: bit(4, 0),
  blockDescriptorLength: u16(6),
})

/** Tapes: BUFFERED MODE and SPEED share the byte of DPOFUA. */
export const TAPE_MODE_HEADER_6 = layout('Tape mode parameter header (6)', 'SSC-4 Mode parameters', 4, {
  dataLength: u8(0),
  mediumType: u8(1),
  writeProtect: bit(2, 7),
  bufferedMode: bits(2, 6, 4),
  speed: bits(2, 3, 0),
  blockDescriptorLength: u8(3),
})

export const TAPE_MODE_HEADER_10 = layout('Tape mode parameter header (10)', 'SSC-4 Mode parameters', 8, {
  dataLength: u16(0),
  mediumType: u8(2),
  writeProtect: bit(3, 7),
  bufferedMode: bits(3, 6, 4),
  speed: bits(3, 3, 0),
  longlba: bit(4, 0),
  blockDescriptorLength: u16(6),
})

/** Block descriptor of every type but disks. */
export const GENERAL_BLOCK_DESCRIPTOR = layout(
  'General block descriptor',
  'SPC-4 General block descriptor',
  8,
  {
    densityCode: u8(0),
    blocks: u24(1),
    blockLength: u24(5),
  },
)

/** Short LBA block descriptor of disks. `blocks` is FFFFFFFFh where the number does not fit. */
export const SHORT_BLOCK_DESCRIPTOR = layout(
  'Short LBA block descriptor',
  'SBC-4 Short LBA block descriptor',
  8,
  {
    blocks: u32(0),
    blockLength: u24(5),
  },
)

/** Long LBA block descriptor of disks, used where LONGLBA is one. */
export const LONG_BLOCK_DESCRIPTOR = layout(
  'Long LBA block descriptor',
  'SBC-4 Long LBA block descriptor',
  16,
  {
    blocks: u64(0),
    blockLength: u32(12),
  },
)

// PAGE LENGTH counts from byte 2 in a page, from byte 4 in a subpage.
const PAGE = { ps: bit(0, 7), spf: bit(0, 6), pageCode: bits(0, 5, 0), length: u8(1) } as const
const SUBPAGE = {
  ps: bit(0, 7),
  spf: bit(0, 6),
  pageCode: bits(0, 5, 0),
  subpage: u8(1),
  length: u16(2),
} as const

export const MODE_PAGE_HEADER = layout('Mode page', 'SPC-4 Mode page and subpage formats', 2, PAGE)
export const MODE_SUBPAGE_HEADER = layout('Mode subpage', 'SPC-4 Mode page and subpage formats', 4, SUBPAGE)

/** 01h of disks. */
export const ERROR_RECOVERY = layout(
  'Read-Write Error Recovery',
  'SBC-4 Read-Write Error Recovery mode page',
  12,
  {
    ...PAGE,
    awre: bit(2, 7),
    arre: bit(2, 6),
    tb: bit(2, 5),
    rc: bit(2, 4),
    eer: bit(2, 3),
    per: bit(2, 2),
    dte: bit(2, 1),
    dcr: bit(2, 0),
    readRetries: u8(3),
    lbpere: bit(7, 7),
    writeRetries: u8(8),
    recoveryTimeLimit: u16(10),
  },
)

/** 02h. Sizes in 512-byte units, times in 100 µs. */
export const DISCONNECT_RECONNECT = layout(
  'Disconnect-Reconnect',
  'SPC-4 Disconnect-Reconnect mode page',
  16,
  {
    ...PAGE,
    bufferFull: u8(2),
    bufferEmpty: u8(3),
    busInactivity: u16(4),
    disconnectTime: u16(6),
    connectTime: u16(8),
    maxBurst: u16(10),
    emdp: bit(12, 7),
    fair: bits(12, 6, 4),
    dimm: bit(12, 3),
    dtdc: bits(12, 2, 0),
    firstBurst: u16(14),
  },
)

/** 03h, obsolete, but asked for by old systems. */
export const FORMAT_DEVICE = layout('Format Device', 'SBC Format Device mode page', 24, {
  ...PAGE,
  tracksPerZone: u16(2),
  alternateSectorsPerZone: u16(4),
  alternateTracksPerZone: u16(6),
  alternateTracksPerUnit: u16(8),
  sectorsPerTrack: u16(10),
  bytesPerSector: u16(12),
  interleave: u16(14),
  trackSkew: u16(16),
  cylinderSkew: u16(18),
  softSector: bit(20, 7),
  hardSector: bit(20, 6),
  removable: bit(20, 5),
  surface: bit(20, 4),
})

/** 04h, obsolete, but asked for by old systems. */
export const RIGID_GEOMETRY = layout('Rigid Disk Geometry', 'SBC Rigid Disk Device Geometry mode page', 24, {
  ...PAGE,
  cylinders: u24(2),
  heads: u8(5),
  writePrecompensation: u24(6),
  reducedWriteCurrent: u24(9),
  stepRate: u16(12),
  landingZone: u24(14),
  rotationalPositionLocking: bits(17, 1, 0),
  rotationalOffset: u8(18),
  rotationRate: u16(20),
})

/** 07h. */
export const VERIFY_ERROR_RECOVERY = layout(
  'Verify Error Recovery',
  'SBC-4 Verify Error Recovery mode page',
  12,
  {
    ...PAGE,
    eer: bit(2, 3),
    per: bit(2, 2),
    dte: bit(2, 1),
    dcr: bit(2, 0),
    verifyRetries: u8(3),
    recoveryTimeLimit: u16(10),
  },
)

/** 08h. */
export const CACHING = layout('Caching', 'SBC-4 Caching mode page', 20, {
  ...PAGE,
  ic: bit(2, 7),
  abpf: bit(2, 6),
  cap: bit(2, 5),
  disc: bit(2, 4),
  size: bit(2, 3),
  wce: bit(2, 2),
  mf: bit(2, 1),
  rcd: bit(2, 0),
  readRetention: bits(3, 7, 4),
  writeRetention: bits(3, 3, 0),
  disablePrefetch: u16(4),
  minPrefetch: u16(6),
  maxPrefetch: u16(8),
  maxPrefetchCeiling: u16(10),
  fsw: bit(12, 7),
  lbcss: bit(12, 6),
  dra: bit(12, 5),
  syncProgress: bits(12, 2, 1),
  nvDis: bit(12, 0),
  cacheSegments: u8(13),
  cacheSegmentSize: u16(14),
})

/** 0Ah. */
export const CONTROL = layout('Control', 'SPC-4 Control mode page', 12, {
  ...PAGE,
  tst: bits(2, 7, 5),
  tmfOnly: bit(2, 4),
  dpicz: bit(2, 3),
  dSense: bit(2, 2),
  gltsd: bit(2, 1),
  rlec: bit(2, 0),
  queueAlgorithm: bits(3, 7, 4),
  nuar: bit(3, 3),
  qerr: bits(3, 2, 1),
  rac: bit(4, 6),
  uaInterlock: bits(4, 5, 4),
  swp: bit(4, 3),
  ato: bit(5, 7),
  tas: bit(5, 6),
  atmpe: bit(5, 5),
  rwwp: bit(5, 4),
  autoload: bits(5, 2, 0),
  busyTimeout: u16(8),
  selfTestTime: u16(10),
})

/** 0Ah/01h. */
export const CONTROL_EXTENSION = layout('Control Extension', 'SPC-4 Control Extension mode page', 32, {
  ...SUBPAGE,
  tcmos: bit(4, 2),
  scsip: bit(4, 1),
  ialuae: bit(4, 0),
  initialPriority: bits(5, 3, 0),
  maxSenseLength: u8(6),
})

/** 18h and 19h, as far as every protocol has them: `protocol` as in a TransportID. */
export const PROTOCOL_SPECIFIC = layout('Protocol Specific', 'SPC-4 Protocol Specific mode pages', 8, {
  ...PAGE,
  protocol: bits(2, 3, 0),
})

/** 1Ah. Timers in 100 ms. */
export const POWER_CONDITION = layout('Power Condition', 'SPC-4 Power Condition mode page', 40, {
  ...PAGE,
  precedence: bits(2, 7, 6),
  standbyY: bit(2, 0),
  idleC: bit(3, 3),
  idleB: bit(3, 2),
  idleA: bit(3, 1),
  standbyZ: bit(3, 0),
  idleATimer: u32(4),
  standbyZTimer: u32(8),
  idleBTimer: u32(12),
  idleCTimer: u32(16),
  standbyYTimer: u32(20),
  ccfIdle: bits(39, 7, 6),
  ccfStandby: bits(39, 5, 4),
  ccfStopped: bits(39, 3, 2),
})

/** 1Ch. Interval in 100 ms. */
export const EXCEPTIONS = layout(
  'Informational Exceptions Control',
  'SPC-4 Informational Exceptions Control mode page',
  12,
  {
    ...PAGE,
    perf: bit(2, 7),
    ebf: bit(2, 5),
    ewasc: bit(2, 4),
    dexcpt: bit(2, 3),
    test: bit(2, 2),
    ebackerr: bit(2, 1),
    logerr: bit(2, 0),
    mrie: bits(3, 3, 0),
    interval: u32(4),
    reportCount: u32(8),
  },
)

/** 1Ch/01h. */
export const BACKGROUND_CONTROL_PAGE = layout(
  'Background Control',
  'SBC-4 Background Control mode page',
  16,
  {
    ...SUBPAGE,
    suspendOnLogFull: bit(4, 2),
    logOnlyIfInterventionRequired: bit(4, 1),
    enableMediumScan: bit(4, 0),
    enablePreScan: bit(5, 0),
    scanInterval: u16(6),
    preScanLimit: u16(8),
    minIdle: u16(10),
    maxSuspend: u16(12),
  },
)

/** 1Ch/02h: header, then threshold descriptors. */
export const PROVISIONING_THRESHOLDS = layout(
  'Logical Block Provisioning',
  'SBC-4 Logical Block Provisioning mode page',
  16,
  { ...SUBPAGE, situa: bit(4, 0) },
)

export const PROVISIONING_THRESHOLD = layout(
  'Threshold descriptor',
  'SBC-4 Logical Block Provisioning mode page',
  8,
  { enabled: bit(0, 7), type: bits(0, 5, 3), arming: bits(0, 2, 0), resource: u8(1), count: u32(4) },
)
