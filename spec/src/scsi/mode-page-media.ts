// SPDX-License-Identifier: Apache-2.0
// Mode pages of optical drives (MMC-6), tapes (SSC-4) and changers (SMC-3).
import { bit, bits, bytes, u8, u16, u24, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

const PAGE = { ps: bit(0, 7), spf: bit(0, 6), pageCode: bits(0, 5, 0), length: u8(1) } as const

// ---- optical drives ----

/** 05h. */
export const WRITE_PARAMETERS = layout('Write Parameters', 'MMC-6 Write Parameters mode page', 52, {
  ...PAGE,
  bufe: bit(2, 6),
  linkSizeValid: bit(2, 5),
  testWrite: bit(2, 4),
  writeType: bits(2, 3, 0),
  multiSession: bits(3, 7, 6),
  fixedPacket: bit(3, 5),
  copy: bit(3, 4),
  trackMode: bits(3, 3, 0),
  dataBlockType: bits(4, 3, 0),
  linkSize: u8(5),
  applicationCode: bits(7, 5, 0),
  sessionFormat: u8(8),
  packetSize: u32(10),
  audioPause: u16(14),
  catalogNumber: bytes(16, 16),
  isrc: bytes(32, 16),
  subHeader: bytes(48, 4),
})

/** 0Eh. */
export const CD_AUDIO_CONTROL = layout('CD Audio Control', 'MMC-6 CD Audio Control mode page', 16, {
  ...PAGE,
  immed: bit(2, 2),
  stopOnTrackCrossing: bit(2, 1),
  channel0: bits(8, 3, 0),
  volume0: u8(9),
  channel1: bits(10, 3, 0),
  volume1: u8(11),
  channel2: bits(12, 3, 0),
  volume2: u8(13),
  channel3: bits(14, 3, 0),
  volume3: u8(15),
})

/** 1Ah of optical drives. Timers in 100 ms. */
export const DRIVE_POWER_CONDITION = layout('Power Condition', 'MMC-6 Power Condition mode page', 12, {
  ...PAGE,
  idle: bit(3, 1),
  standby: bit(3, 0),
  idleTimer: u32(4),
  standbyTimer: u32(8),
})

/** 1Dh. Times in seconds. */
export const TIMEOUT_AND_PROTECT = layout('Timeout and Protect', 'MMC-6 Timeout and Protect mode page', 12, {
  ...PAGE,
  group3Enable: bit(4, 3),
  timeoutEnable: bit(4, 2),
  disableUntilPowerCycle: bit(4, 1),
  softwareWriteProtect: bit(4, 0),
  group1Timeout: u16(6),
  group2Timeout: u16(8),
  group3Timeout: u16(10),
})

/** 2Ah, obsolete in MMC-6 but asked for by every system. Write speed descriptors follow. */
export const CD_CAPABILITIES = layout(
  'C/DVD Capabilities and Mechanical Status',
  'MMC-3 C/DVD Capabilities and Mechanical Status mode page',
  32,
  {
    ...PAGE,
    dvdRamRead: bit(2, 5),
    dvdRRead: bit(2, 4),
    dvdRomRead: bit(2, 3),
    method2: bit(2, 2),
    cdRwRead: bit(2, 1),
    cdRRead: bit(2, 0),
    dvdRamWrite: bit(3, 5),
    dvdRWrite: bit(3, 4),
    testWrite: bit(3, 2),
    cdRwWrite: bit(3, 1),
    cdRWrite: bit(3, 0),
    bufferUnderrunFree: bit(4, 7),
    multiSession: bit(4, 6),
    mode2Form2: bit(4, 5),
    mode2Form1: bit(4, 4),
    digitalPort2: bit(4, 3),
    digitalPort1: bit(4, 2),
    composite: bit(4, 1),
    audioPlay: bit(4, 0),
    readBarCode: bit(5, 7),
    upc: bit(5, 6),
    isrc: bit(5, 5),
    c2Pointers: bit(5, 4),
    subchannelCorrected: bit(5, 3),
    subchannels: bit(5, 2),
    accurateStream: bit(5, 1),
    cdDaCommands: bit(5, 0),
    loadingMechanism: bits(6, 7, 5),
    eject: bit(6, 3),
    preventJumper: bit(6, 2),
    lockState: bit(6, 1),
    lock: bit(6, 0),
    subchannelInLeadIn: bit(7, 5),
    sideChange: bit(7, 4),
    slotSelection: bit(7, 3),
    discPresent: bit(7, 2),
    separateMute: bit(7, 1),
    separateVolume: bit(7, 0),
    maxReadSpeed: u16(8),
    volumeLevels: u16(10),
    bufferSize: u16(12),
    currentReadSpeed: u16(14),
    digitalLength: bits(17, 5, 4),
    digitalLsbFirst: bit(17, 3),
    digitalRck: bit(17, 2),
    digitalBckf: bit(17, 1),
    maxWriteSpeed: u16(18),
    currentWriteSpeed: u16(20),
    copyManagement: u16(22),
    rotationControl: bits(27, 1, 0),
    selectedWriteSpeed: u16(28),
    writeSpeedDescriptors: u16(30),
  },
)

// ---- tapes ----

/** 01h of tapes. */
export const TAPE_ERROR_RECOVERY = layout(
  'Read-Write Error Recovery (tape)',
  'SSC-4 Read-Write Error Recovery mode page',
  12,
  {
    ...PAGE,
    tb: bit(2, 5),
    eer: bit(2, 3),
    per: bit(2, 2),
    dte: bit(2, 1),
    dcr: bit(2, 0),
    readRetries: u8(3),
    writeRetries: u8(8),
  },
)

/** 0Fh. */
export const DATA_COMPRESSION = layout('Data Compression', 'SSC-4 Data Compression mode page', 16, {
  ...PAGE,
  dce: bit(2, 7),
  dcc: bit(2, 6),
  dde: bit(3, 7),
  red: bits(3, 6, 5),
  compression: u32(4),
  decompression: u32(8),
})

/** 10h. Write delay in 100 ms. */
export const DEVICE_CONFIGURATION = layout(
  'Device Configuration',
  'SSC-4 Device Configuration mode page',
  16,
  {
    ...PAGE,
    changeActiveFormat: bit(2, 5),
    activeFormat: bits(2, 4, 0),
    activePartition: u8(3),
    writeBufferFull: u8(4),
    readBufferEmpty: u8(5),
    writeDelay: u16(6),
    objectBufferRecovery: bit(8, 7),
    objectIdentifiers: bit(8, 6),
    rsmk: bit(8, 5),
    avc: bit(8, 4),
    socf: bits(8, 3, 2),
    robo: bit(8, 1),
    rew: bit(8, 0),
    gapSize: u8(9),
    eodDefined: bits(10, 7, 5),
    eeg: bit(10, 4),
    sew: bit(10, 3),
    softwareWriteProtect: bit(10, 2),
    baml: bit(10, 1),
    bam: bit(10, 0),
    earlyWarningBuffer: u24(11),
    compressionAlgorithm: u8(14),
    wtre: bits(15, 7, 6),
    oir: bit(15, 5),
    rewindOnReset: bits(15, 4, 3),
    associatedWriteProtect: bit(15, 2),
    persistentWriteProtect: bit(15, 1),
    permanentWriteProtect: bit(15, 0),
  },
)

/** 11h: as far as its partition sizes, 16 bits each. */
export const MEDIUM_PARTITION = layout('Medium Partition', 'SSC-4 Medium Partition mode page', 8, {
  ...PAGE,
  maxAdditional: u8(2),
  additional: u8(3),
  fdp: bit(4, 7),
  sdp: bit(4, 6),
  idp: bit(4, 5),
  psum: bits(4, 4, 3),
  pofm: bit(4, 2),
  clear: bit(4, 1),
  addp: bit(4, 0),
  formatRecognition: u8(5),
  partitioningType: bits(6, 7, 4),
  units: bits(6, 3, 0),
})

// ---- changers ----

/** 1Dh of changers: where each kind of element starts, and how many there are. */
export const ELEMENT_ADDRESSES = layout(
  'Element Address Assignment',
  'SMC-3 Element Address Assignment mode page',
  20,
  {
    ...PAGE,
    firstTransport: u16(2),
    transports: u16(4),
    firstStorage: u16(6),
    storages: u16(8),
    firstImportExport: u16(10),
    importExports: u16(12),
    firstDrive: u16(14),
    drives: u16(16),
  },
)

/** 1Eh: descriptor of one transport element. */
export const TRANSPORT_GEOMETRY = layout(
  'Transport geometry descriptor',
  'SMC-3 Transport Geometry Parameters mode page',
  2,
  { rotate: bit(0, 0), member: u8(1) },
)

const from = (byte: number) => [bit(byte, 3), bit(byte, 2), bit(byte, 1), bit(byte, 0)] as const
const [moveMtDt, moveMtIe, moveMtSt, moveMtMt] = from(4)
const [moveStDt, moveStIe, moveStSt, moveStMt] = from(5)
const [moveIeDt, moveIeIe, moveIeSt, moveIeMt] = from(6)
const [moveDtDt, moveDtIe, moveDtSt, moveDtMt] = from(7)
const [exchangeMtDt, exchangeMtIe, exchangeMtSt, exchangeMtMt] = from(12)
const [exchangeStDt, exchangeStIe, exchangeStSt, exchangeStMt] = from(13)
const [exchangeIeDt, exchangeIeIe, exchangeIeSt, exchangeIeMt] = from(14)
const [exchangeDtDt, exchangeDtIe, exchangeDtSt, exchangeDtMt] = from(15)

/** 1Fh: what may store a medium, and which moves and exchanges work, from one element type to another. */
export const CHANGER_CAPABILITIES = layout('Device Capabilities', 'SMC-3 Device Capabilities mode page', 20, {
  ...PAGE,
  storeDt: bit(2, 3),
  storeIe: bit(2, 2),
  storeSt: bit(2, 1),
  storeMt: bit(2, 0),
  ...{ moveMtDt, moveMtIe, moveMtSt, moveMtMt },
  ...{ moveStDt, moveStIe, moveStSt, moveStMt },
  ...{ moveIeDt, moveIeIe, moveIeSt, moveIeMt },
  ...{ moveDtDt, moveDtIe, moveDtSt, moveDtMt },
  ...{ exchangeMtDt, exchangeMtIe, exchangeMtSt, exchangeMtMt },
  ...{ exchangeStDt, exchangeStIe, exchangeStSt, exchangeStMt },
  ...{ exchangeIeDt, exchangeIeIe, exchangeIeSt, exchangeIeMt },
  ...{ exchangeDtDt, exchangeDtIe, exchangeDtSt, exchangeDtMt },
})
