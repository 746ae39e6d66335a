// SPDX-License-Identifier: Apache-2.0
// Parameter data of optical drives (MMC-6): features, events, tables of contents, what a disc and its tracks are.
import { bit, bits, u8, u16, u24, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

// ---- features and profiles ----

/** What kind of disc a drive has in it, or can have. */
export const Profile = Object.freeze({ none: 0x0000, cdRom: 0x0008, dvdRom: 0x0010, bdRom: 0x0040 } as const)

export const Feature = Object.freeze({
  profileList: 0x0000,
  core: 0x0001,
  morphing: 0x0002,
  removableMedium: 0x0003,
  randomReadable: 0x0010,
  multiRead: 0x001d,
  cdRead: 0x001e,
  dvdRead: 0x001f,
  bdRead: 0x0040,
  powerManagement: 0x0100,
  timeout: 0x0105,
  realTimeStreaming: 0x0107,
  serialNumber: 0x0108,
} as const)

/** RT of GET CONFIGURATION. */
export const RequestedType = Object.freeze({ all: 0, current: 1, one: 2 } as const)

export const FEATURE_HEADER = layout('Feature header', 'MMC-6 GET CONFIGURATION response data', 8, {
  dataLength: u32(0),
  currentProfile: u16(6),
})

export const FEATURE_DESCRIPTOR = layout('Feature descriptor', 'MMC-6 Feature descriptor', 4, {
  feature: u16(0),
  version: bits(2, 5, 2),
  persistent: bit(2, 1),
  current: bit(2, 0),
  additionalLength: u8(3),
})

// What follows the descriptor's four bytes.

export const PROFILE_DESCRIPTOR = layout('Profile descriptor', 'MMC-6 Profile List feature', 4, {
  profile: u16(0),
  current: bit(2, 0),
})
export const CORE_FEATURE = layout('Core feature', 'MMC-6 Core feature', 8, {
  physicalInterface: u32(0),
  inq2: bit(4, 1),
  dbe: bit(4, 0),
})
export const MORPHING_FEATURE = layout('Morphing feature', 'MMC-6 Morphing feature', 4, {
  operationalEvents: bit(0, 1),
  asynchronous: bit(0, 0),
})
export const REMOVABLE_FEATURE = layout('Removable Medium feature', 'MMC-6 Removable Medium feature', 4, {
  mechanism: bits(0, 7, 5),
  load: bit(0, 4),
  eject: bit(0, 3),
  preventJumper: bit(0, 2),
  dbml: bit(0, 1),
  lock: bit(0, 0),
})
export const RANDOM_READABLE_FEATURE = layout('Random Readable feature', 'MMC-6 Random Readable feature', 8, {
  blockSize: u32(0),
  blocking: u16(4),
  errorRecoveryPage: bit(6, 0),
})
export const CD_READ_FEATURE = layout('CD Read feature', 'MMC-6 CD Read feature', 4, {
  dap: bit(0, 7),
  c2: bit(0, 1),
  cdText: bit(0, 0),
})
export const DVD_READ_FEATURE = layout('DVD Read feature', 'MMC-6 DVD Read feature', 4, {
  multi110: bit(0, 0),
  dualRw: bit(2, 1),
  dualR: bit(2, 0),
})
/** Bitmaps of versions, by class. */
export const BD_READ_FEATURE = layout('BD Read feature', 'MMC-6 BD Read feature', 28, {
  rom0: u16(20),
  rom1: u16(22),
  rom2: u16(24),
  rom3: u16(26),
})
export const TIMEOUT_FEATURE = layout('Timeout feature', 'MMC-6 Timeout feature', 4, {
  group3: bit(0, 0),
  unitLength: u16(2),
})
export const STREAMING_FEATURE = layout(
  'Real-Time Streaming feature',
  'MMC-6 Real-Time Streaming feature',
  4,
  {
    readBufferCapacity: bit(0, 4),
    setSpeed: bit(0, 3),
    modePage2a: bit(0, 2),
    writeSpeeds: bit(0, 1),
    streamWriting: bit(0, 0),
  },
)

// ---- events ----

/** Classes of GET EVENT STATUS NOTIFICATION: a bit each in the CDB and in SUPPORTED EVENT CLASSES. */
export const EventClass = Object.freeze({
  none: 0,
  operational: 1,
  power: 2,
  external: 3,
  media: 4,
  multiInitiator: 5,
  busy: 6,
} as const)

export const MediaEvent = Object.freeze({
  noChange: 0,
  ejectRequest: 1,
  newMedia: 2,
  mediaRemoval: 3,
  mediaChanged: 4,
} as const)

/** Features, so perhaps the current profile, have changed. */
export const OperationalEvent = Object.freeze({ noChange: 0, changed: 2 } as const)
export const FEATURE_CHANGE = 1

/** EVENT DATA LENGTH counts what follows it. */
export const EVENT_HEADER = layout('Event header', 'MMC-6 GET EVENT STATUS NOTIFICATION response data', 4, {
  dataLength: u16(0),
  noneAvailable: bit(2, 7),
  eventClass: bits(2, 2, 0),
  supported: u8(3),
})
export const OPERATIONAL_EVENT = layout('Operational event', 'MMC-6 Operational Change events', 4, {
  event: bits(0, 3, 0),
  persistentPrevented: bit(1, 7),
  status: bits(1, 3, 0),
  change: u16(2),
})
export const POWER_EVENT = layout('Power event', 'MMC-6 Power Management events', 4, {
  event: bits(0, 3, 0),
  status: u8(1),
})
export const MEDIA_EVENT = layout('Media event', 'MMC-6 Media events', 4, {
  event: bits(0, 3, 0),
  present: bit(1, 1),
  trayOpen: bit(1, 0),
  startSlot: u8(2),
  endSlot: u8(3),
})
export const BUSY_EVENT = layout('Device Busy event', 'MMC-6 Device Busy events', 4, {
  event: bits(0, 3, 0),
  status: u8(1),
  time: u16(2),
})

// ---- tables of contents ----

/** FORMAT of READ TOC/PMA/ATIP. */
export const TocFormat = Object.freeze({ toc: 0, sessions: 1, full: 2 } as const)

/** ADR 1 (Q sub-channel has the position) and CONTROL of a data track that was recorded uninterrupted. */
export const DATA_TRACK = Object.freeze({ adr: 1, control: 4 } as const)

export const TOC_HEADER = layout('TOC header', 'MMC-6 READ TOC/PMA/ATIP response data', 4, {
  length: u16(0),
  first: u8(2),
  last: u8(3),
})
export const TOC_TRACK = layout(
  'TOC track descriptor',
  'MMC-6 READ TOC/PMA/ATIP response data, formatted TOC',
  8,
  {
    adr: bits(1, 7, 4),
    control: bits(1, 3, 0),
    track: u8(2),
    address: u32(4),
  },
)
export const TOC_FULL_ENTRY = layout('TOC entry', 'MMC-6 READ TOC/PMA/ATIP response data, raw TOC', 11, {
  session: u8(0),
  adr: bits(1, 7, 4),
  control: bits(1, 3, 0),
  tno: u8(2),
  point: u8(3),
  minute: u8(4),
  second: u8(5),
  frame: u8(6),
  zero: u8(7),
  pMinute: u8(8),
  pSecond: u8(9),
  pFrame: u8(10),
})

// ---- disc and track ----

export const DISC_INFORMATION = layout('Disc information', 'MMC-6 READ DISC INFORMATION response data', 34, {
  length: u16(0),
  dataType: bits(2, 7, 5),
  erasable: bit(2, 4),
  lastSessionState: bits(2, 3, 2),
  status: bits(2, 1, 0),
  firstTrack: u8(3),
  sessions: u8(4),
  firstTrackInLast: u8(5),
  lastTrackInLast: u8(6),
  didValid: bit(7, 7),
  dbcValid: bit(7, 6),
  unrestricted: bit(7, 5),
  dacValid: bit(7, 4),
  discType: u8(8),
  lastLeadIn: u32(16),
  lastPossibleLeadOut: u32(20),
})

export const TRACK_INFORMATION = layout(
  'Track information',
  'MMC-6 READ TRACK INFORMATION response data',
  48,
  {
    length: u16(0),
    track: u8(2),
    session: u8(3),
    damage: bit(5, 5),
    copy: bit(5, 4),
    trackMode: bits(5, 3, 0),
    reserved: bit(6, 7),
    blank: bit(6, 6),
    packet: bit(6, 5),
    fixedPacket: bit(6, 4),
    dataMode: bits(6, 3, 0),
    lraValid: bit(7, 1),
    nwaValid: bit(7, 0),
    start: u32(8),
    nextWritable: u32(12),
    free: u32(16),
    packetSize: u32(20),
    size: u32(24),
    lastRecorded: u32(28),
  },
)

/** ADDRESS/NUMBER TYPE of READ TRACK INFORMATION. */
export const TrackAddress = Object.freeze({ lba: 0, track: 1, session: 2 } as const)

// ---- disc structures ----

/** FORMAT CODE of READ DISC STRUCTURE. */
export const StructureFormat = Object.freeze({
  physical: 0x00,
  copyright: 0x01,
  manufacturing: 0x04,
  list: 0xff,
} as const)
/** MEDIA TYPE of READ DISC STRUCTURE. */
export const StructureMedia = Object.freeze({ dvd: 0, bd: 1 } as const)

/** DISC STRUCTURE DATA LENGTH counts what follows it. */
export const STRUCTURE_HEADER = layout(
  'Disc structure header',
  'MMC-6 READ DISC STRUCTURE response data',
  4,
  {
    length: u16(0),
  },
)
export const STRUCTURE_LIST_ENTRY = layout(
  'Structure list entry',
  'MMC-6 Disc Structure List (format FFh)',
  4,
  {
    format: u8(0),
    sds: bit(1, 7),
    rds: bit(1, 6),
    length: u16(2),
  },
)
/** The start of the layer descriptor; the rest is zero for DVD-ROM. */
export const DVD_LAYER = layout(
  'DVD layer descriptor',
  'MMC-6 Physical Format Information (format 00h)',
  17,
  {
    book: bits(0, 7, 4),
    part: bits(0, 3, 0),
    size: bits(1, 7, 4),
    maxRate: bits(1, 3, 0),
    layers: bits(2, 6, 5),
    opposite: bit(2, 4),
    layerType: bits(2, 3, 0),
    linearDensity: bits(3, 7, 4),
    trackDensity: bits(3, 3, 0),
    first: u24(5),
    last: u24(9),
    lastOfLayer0: u24(13),
    bca: bit(16, 7),
  },
)
export const DVD_COPYRIGHT = layout(
  'DVD copyright information',
  'MMC-6 DVD Copyright Information (format 01h)',
  4,
  {
    protection: u8(0),
    region: u8(1),
  },
)

// ---- mechanism and speed ----

export const MECHANISM_HEADER = layout('Mechanism status header', 'MMC-6 MECHANISM STATUS response data', 8, {
  fault: bit(0, 7),
  changerState: bits(0, 6, 5),
  slot: bits(0, 4, 0),
  mechanism: bits(1, 7, 5),
  doorOpen: bit(1, 4),
  lba: u24(2),
  slots: u8(5),
  tableLength: u16(6),
})
/** TYPE of GET PERFORMANCE. */
export const PerformanceType = Object.freeze({ performance: 0, writeSpeed: 3 } as const)
/** PERFORMANCE DATA LENGTH counts what follows it. */
export const PERFORMANCE_HEADER = layout('Performance header', 'MMC-6 GET PERFORMANCE response data', 8, {
  length: u32(0),
  write: bit(4, 1),
  except: bit(4, 0),
})
/** Rates in kilobytes of 1000 a second. */
export const NOMINAL_PERFORMANCE = layout(
  'Performance descriptor',
  'MMC-6 GET PERFORMANCE response data',
  16,
  {
    firstLba: u32(0),
    firstRate: u32(4),
    lastLba: u32(8),
    lastRate: u32(12),
  },
)
