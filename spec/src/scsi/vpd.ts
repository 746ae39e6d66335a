// SPDX-License-Identifier: Apache-2.0
// Vital product data pages: codes and layouts. The values are the target's affair.
import { bit, bits, text, u8, u16, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** PAGE CODE (SPC-4, SBC-4, SSC-4: vital product data parameters). */
export const VpdCode = Object.freeze({
  supportedPages: 0x00,
  unitSerialNumber: 0x80,
  deviceIdentification: 0x83,
  softwareInterface: 0x84,
  managementAddresses: 0x85,
  extendedInquiry: 0x86,
  modePagePolicy: 0x87,
  scsiPorts: 0x88,
  ataInformation: 0x89,
  powerCondition: 0x8a,
  powerConsumption: 0x8d,
  thirdPartyCopy: 0x8f,
  protocolSpecificUnit: 0x90,
  protocolSpecificPort: 0x91,
  scsiFeatureSets: 0x92,
  /** Disks; the same codes mean other pages for tapes and changers. */
  blockLimits: 0xb0,
  blockCharacteristics: 0xb1,
  logicalBlockProvisioning: 0xb2,
  referrals: 0xb3,
  supportedBlockLengths: 0xb4,
  blockCharacteristicsExtension: 0xb5,
  blockLimitsExtension: 0xb7,
  /** Tapes. */
  sequentialCapabilities: 0xb0,
  manufacturerSerialNumber: 0xb1,
  tapeAlertFlags: 0xb2,
} as const)

const HEADER = {
  qualifier: bits(0, 7, 5),
  deviceType: bits(0, 4, 0),
  pageCode: u8(1),
  length: u16(2),
} as const

/** Header of every page. PAGE LENGTH counts from byte 4. */
export const VPD_HEADER = layout('VPD page header', 'SPC-4 Vital product data parameters', 4, HEADER)

/** 86h. */
export const EXTENDED_INQUIRY = layout('Extended INQUIRY Data', 'SPC-4 Extended INQUIRY Data VPD page', 64, {
  ...HEADER,
  activateMicrocode: bits(4, 7, 6),
  protectionTypes: bits(4, 5, 3),
  guardCheck: bit(4, 2),
  applicationCheck: bit(4, 1),
  referenceCheck: bit(4, 0),
  uask: bit(5, 5),
  groupSupport: bit(5, 4),
  prioritySupport: bit(5, 3),
  headOfQueue: bit(5, 2),
  ordered: bit(5, 1),
  simple: bit(5, 0),
  writeUncorrectable: bit(6, 3),
  correctionDisable: bit(6, 2),
  nonVolatile: bit(6, 1),
  volatile: bit(6, 0),
  noProtectionCheck: bit(7, 5),
  protectionIntervals: bit(7, 4),
  luiClear: bit(7, 0),
  luCollection: bits(8, 7, 5),
  referrals: bit(8, 4),
  revertToDefaults: bit(8, 3),
  selfTestMinutes: u16(10),
  powerOnActivates: bit(12, 7),
  hardResetActivates: bit(12, 6),
  vendorActivates: bit(12, 5),
  descriptorSenseLength: u8(13),
})

/** 87h: header, then one descriptor for each mode page. */
export const MODE_PAGE_POLICY = layout('Mode page policy descriptor', 'SPC-4 Mode Page Policy VPD page', 4, {
  pageCode: bits(0, 5, 0),
  subpage: u8(1),
  multipleLogicalUnits: bit(2, 7),
  policy: bits(2, 1, 0),
})

/** 85h: descriptor header; the address follows, zero-terminated and padded to four bytes. */
export const NETWORK_SERVICE = layout(
  'Network services descriptor',
  'SPC-4 Management Network Addresses VPD page',
  4,
  { association: bits(0, 6, 5), serviceType: bits(0, 4, 0), length: u16(2) },
)

/** 88h: header of one port's descriptor, then the initiator port's TransportID, then what `SCSI_PORT_TARGET` heads. */
export const SCSI_PORT = layout('SCSI port designation descriptor', 'SPC-4 SCSI Ports VPD page', 8, {
  relativePort: u16(2),
  initiatorLength: u16(6),
})

/** 88h: stands after the initiator port's TransportID, before the target port's designators. */
export const SCSI_PORT_TARGET = layout('Target port descriptors', 'SPC-4 SCSI Ports VPD page', 4, {
  designatorsLength: u16(2),
})

/** 89h, as far as its strings. */
export const ATA_INFORMATION = layout('ATA Information', 'SAT-3 ATA Information VPD page', 60, {
  ...HEADER,
  vendor: text(8, 8),
  product: text(16, 16),
  revision: text(32, 4),
  commandCode: u8(56),
})

/** 8Ah. Times in milliseconds. */
export const POWER_CONDITION_VPD = layout('Power Condition', 'SPC-4 Power Condition VPD page', 18, {
  ...HEADER,
  standbyY: bit(4, 1),
  standbyZ: bit(4, 0),
  idleC: bit(5, 2),
  idleB: bit(5, 1),
  idleA: bit(5, 0),
  stoppedRecovery: u16(6),
  standbyZRecovery: u16(8),
  standbyYRecovery: u16(10),
  idleARecovery: u16(12),
  idleBRecovery: u16(14),
  idleCRecovery: u16(16),
})

/** 8Fh: header of each descriptor. The length counts from byte 4 and is a multiple of four. */
export const THIRD_PARTY_COPY_DESCRIPTOR = layout(
  'Third-party copy descriptor',
  'SPC-4 Third-party Copy VPD page',
  4,
  { type: u16(0), length: u16(2) },
)

/** Types of its descriptors. */
export const ThirdPartyCopyType = Object.freeze({
  blockDeviceRodLimits: 0x0000,
  supportedCommands: 0x0001,
  parameterData: 0x0004,
  supportedDescriptors: 0x0008,
  supportedCscdIds: 0x000c,
  rodTokenFeatures: 0x0106,
  supportedRodTypes: 0x0108,
  generalCopyOperations: 0x8001,
} as const)

/** 8Fh, type 0000h (SBC-4): limits of token copies of a disk. Times in seconds, lengths in blocks. */
export const BLOCK_DEVICE_ROD_LIMITS = layout(
  'Block Device ROD Token Limits',
  'SBC-4 Block Device ROD Token Limits descriptor',
  36,
  {
    type: u16(0),
    length: u16(2),
    maxRangeDescriptors: u16(10),
    maxInactivity: u32(12),
    defaultInactivity: u32(16),
    maxTransfer: u64(20),
    optimalTransfer: u64(28),
  },
)

/** 8Fh, type 0106h. Times in seconds; zero where nothing is said. */
export const ROD_TOKEN_FEATURES = layout(
  'ROD Token Features',
  'SPC-4 ROD Token Features third-party copy descriptor',
  48,
  {
    type: u16(0),
    length: u16(2),
    remoteTokens: bits(4, 3, 0),
    minLifetime: u32(16),
    maxLifetime: u32(20),
    maxInactivity: u32(24),
    deviceFeaturesLength: u16(46),
  },
)

/** 8Fh, type 0108h: one ROD type, in a list behind its length (bytes 6 and 7). */
export const SUPPORTED_ROD_TYPE = layout(
  'ROD type descriptor',
  'SPC-4 Supported ROD Types third-party copy descriptor',
  64,
  { type: u32(0), internal: bit(4, 7), tokenIn: bit(4, 1), tokenOut: bit(4, 0), preference: u16(6) },
)

/** 8Fh, type 0004h: limits of EXTENDED COPY parameter lists. */
export const COPY_PARAMETER_DATA = layout(
  'Parameter Data',
  'SPC-4 Parameter Data third-party copy descriptor',
  32,
  {
    type: u16(0),
    length: u16(2),
    maxCscdDescriptors: u16(8),
    maxSegmentDescriptors: u16(10),
    maxDescriptorListLength: u32(12),
    maxInlineData: u32(16),
  },
)

/** 8Fh, type 8001h. Granularities are powers of two, in bytes. */
export const GENERAL_COPY_OPERATIONS = layout(
  'General Copy Operations',
  'SPC-4 General Copy Operations third-party copy descriptor',
  36,
  {
    type: u16(0),
    length: u16(2),
    maxConcurrentCopies: u32(4),
    maxIdentifiedCopies: u32(8),
    maxSegmentLength: u32(12),
    dataGranularity: u8(16),
    inlineGranularity: u8(17),
  },
)

/** B0h of disks. Lengths in blocks; zero where nothing is said. */
export const BLOCK_LIMITS = layout('Block Limits', 'SBC-4 Block Limits VPD page', 64, {
  ...HEADER,
  wsnz: bit(4, 0),
  maxCompareAndWrite: u8(5),
  optimalGranularity: u16(6),
  maxTransfer: u32(8),
  optimalTransfer: u32(12),
  maxPrefetch: u32(16),
  maxUnmap: u32(20),
  maxUnmapDescriptors: u32(24),
  optimalUnmapGranularity: u32(28),
  unmapAlignmentValid: bit(32, 7),
  unmapAlignment: u32(32, 31),
  maxWriteSame: u64(36),
  maxAtomic: u32(44),
  atomicAlignment: u32(48),
  atomicGranularity: u32(52),
  maxAtomicWithBoundary: u32(56),
  maxAtomicBoundary: u32(60),
})

/** B1h of disks. `rotationRate` 1 for no rotation, else turns a minute, 0 for not said. */
export const BLOCK_CHARACTERISTICS = layout(
  'Block Device Characteristics',
  'SBC-4 Block Device Characteristics VPD page',
  64,
  {
    ...HEADER,
    rotationRate: u16(4),
    productType: u8(6),
    wabereq: bits(7, 7, 6),
    wacereq: bits(7, 5, 4),
    nominalFormFactor: bits(7, 3, 0),
    zoned: bits(8, 5, 4),
    rbwz: bit(8, 3),
    bocs: bit(8, 2),
    fuab: bit(8, 1),
    vbuls: bit(8, 0),
    depopulationTime: u32(12),
  },
)

/** B2h of disks. With `dp` a provisioning group designator follows. */
export const LOGICAL_BLOCK_PROVISIONING = layout(
  'Logical Block Provisioning',
  'SBC-4 Logical Block Provisioning VPD page',
  8,
  {
    ...HEADER,
    thresholdExponent: u8(4),
    lbpu: bit(5, 7),
    lbpws: bit(5, 6),
    lbpws10: bit(5, 5),
    lbprz: bits(5, 4, 2),
    ancSup: bit(5, 1),
    dp: bit(5, 0),
    minimumPercentage: bits(6, 7, 3),
    provisioningType: bits(6, 2, 0),
    thresholdPercentage: u8(7),
  },
)

/** PROVISIONING TYPE of page B2h. */
export const ProvisioningType = Object.freeze({ unsaid: 0, resource: 1, thin: 2 } as const)

/** B3h of disks. */
export const REFERRALS = layout('Referrals', 'SBC-4 Referrals VPD page', 16, {
  ...HEADER,
  segmentSize: u32(8),
  segmentMultiplier: u32(12),
})

/** B5h of disks: how much use the device is made for. */
export const BLOCK_CHARACTERISTICS_EXTENSION = layout(
  'Block Device Characteristics Extension',
  'SBC-4 Block Device Characteristics Extension VPD page',
  16,
  {
    ...HEADER,
    utilizationType: u8(5),
    utilizationUnits: u8(6),
    utilizationInterval: u8(7),
    utilizationB: u32(8),
    utilizationA: u32(12),
  },
)

/** Coded values of page B5h, as far as they are of use: reads and writes together, exabytes, a day. */
export const Utilization = Object.freeze({ combined: 1, exabytes: 6, perDay: 0x0a } as const)

/** B7h of disks. */
export const BLOCK_LIMITS_EXTENSION = layout(
  'Block Limits Extension',
  'SBC-4 Block Limits Extension VPD page',
  64,
  {
    ...HEADER,
    rscs: bit(5, 0),
    maxStreams: u16(6),
    optimalStreamWrite: u16(8),
    streamGranularity: u32(10),
    maxScatteredRange: u32(16),
    maxScatteredRanges: u16(22),
    maxScatteredTransfer: u32(24),
  },
)

/** B0h of tapes. */
export const SEQUENTIAL_CAPABILITIES = layout(
  'Sequential-access Device Capabilities',
  'SSC-4 Sequential-access Device Capabilities VPD page',
  6,
  { ...HEADER, tsmc: bit(4, 1), worm: bit(4, 0) },
)

/** B2h of tapes: one bit for each flag that the drive can raise. */
export const TAPE_ALERT_SUPPORTED = layout(
  'TapeAlert Supported Flags',
  'SSC-4 TapeAlert Supported Flags VPD page',
  12,
  { ...HEADER, flags1: u32(4), flags2: u32(8) },
)
