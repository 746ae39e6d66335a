// SPDX-License-Identifier: Apache-2.0
// The commands of MMC-6, optical drives: one row each for those that SPC and SBC do not have or have otherwise.
import { bit, bits, u8, u16, u24, u32 } from '../../bytes/field.ts'
import { type Command, command } from '../command.ts'

const ASK = { data: 'in', touches: 'nothing', reservation: 'readers' } as const
/** What only a disc can tell. */
const ASK_DISC = { ...ASK, readiness: 'ready' } as const
const ALWAYS = { data: 'in', touches: 'nothing', reservation: 'allowed', unitAttention: 'passes' } as const
const READ = { data: 'in', touches: 'medium-read', reservation: 'readers' } as const
const WRITE = { data: 'out', touches: 'medium-write', reservation: 'registrants' } as const
const SET = { data: 'out', touches: 'unit', reservation: 'registrants' } as const
const TELL = { data: 'none', touches: 'unit', reservation: 'registrants' } as const
const MOVE = { data: 'none', touches: 'medium-read', reservation: 'registrants' } as const
const WHOLE = { data: 'none', touches: 'medium-all', reservation: 'registrants' } as const
const WHOLE_OUT = { data: 'out', touches: 'medium-all', reservation: 'registrants' } as const

const SECTOR_PARTS = {
  sync: bit(9, 7),
  headerCodes: bits(9, 6, 5),
  userData: bit(9, 4),
  edcEcc: bit(9, 3),
  c2: bits(9, 2, 1),
  subchannel: bits(10, 2, 0),
} as const

// ---- what is in the drive ----

export const GET_CONFIGURATION = command(
  0x46,
  10,
  'GET CONFIGURATION',
  'MMC-6 GET CONFIGURATION command',
  ALWAYS,
  { requestedType: bits(1, 1, 0), startingFeature: u16(2), allocation: u16(7) },
)
export const GET_EVENT_STATUS_NOTIFICATION = command(
  0x4a,
  10,
  'GET EVENT STATUS NOTIFICATION',
  'MMC-6 GET EVENT STATUS NOTIFICATION command',
  ALWAYS,
  { polled: bit(1, 0), classes: u8(4), allocation: u16(7) },
)
export const GET_PERFORMANCE = command(0xac, 12, 'GET PERFORMANCE', 'MMC-6 GET PERFORMANCE command', ASK, {
  dataType: bits(1, 4, 0),
  startingAddress: u32(2),
  maxDescriptors: u16(8),
  type: u8(10),
})
export const MECHANISM_STATUS = command(0xbd, 12, 'MECHANISM STATUS', 'MMC-6 MECHANISM STATUS command', ASK, {
  allocation: u16(8),
})
export const READ_BUFFER_CAPACITY = command(
  0x5c,
  10,
  'READ BUFFER CAPACITY',
  'MMC-6 READ BUFFER CAPACITY command',
  ASK,
  { inBlocks: bit(1, 0), allocation: u16(7) },
)
export const READ_DISC_INFORMATION = command(
  0x51,
  10,
  'READ DISC INFORMATION',
  'MMC-6 READ DISC INFORMATION command',
  ASK_DISC,
  { dataType: bits(1, 2, 0), allocation: u16(7) },
)
export const READ_DISC_STRUCTURE = command(
  0xad,
  12,
  'READ DISC STRUCTURE',
  'MMC-6 READ DISC STRUCTURE command',
  ASK_DISC,
  {
    mediaType: bits(1, 3, 0),
    address: u32(2),
    layer: u8(6),
    format: u8(7),
    allocation: u16(8),
    agid: bits(10, 7, 6),
  },
)
export const READ_FORMAT_CAPACITIES = command(
  0x23,
  10,
  'READ FORMAT CAPACITIES',
  'MMC-6 READ FORMAT CAPACITIES command',
  ASK,
  { allocation: u16(7) },
)
export const READ_SUB_CHANNEL = command(
  0x42,
  10,
  'READ SUB-CHANNEL',
  'MMC-6 READ SUB-CHANNEL command',
  ASK_DISC,
  {
    time: bit(1, 1),
    subq: bit(2, 6),
    format: u8(3),
    track: u8(6),
    allocation: u16(7),
  },
)

// Linux asks for the last session with the format in the two top bits of CONTROL, as SFF-8020i had it.

export const READ_TOC_PMA_ATIP = command(
  0x43,
  10,
  'READ TOC/PMA/ATIP',
  'MMC-6 READ TOC/PMA/ATIP command',
  ASK_DISC,
  { time: bit(1, 1), format: bits(2, 3, 0), track: u8(6), allocation: u16(7), oldFormat: bits(9, 7, 6) },
)
export const READ_TRACK_INFORMATION = command(
  0x52,
  10,
  'READ TRACK INFORMATION',
  'MMC-6 READ TRACK INFORMATION command',
  ASK_DISC,
  { open: bit(1, 2), addressType: bits(1, 1, 0), address: u32(2), allocation: u16(7) },
)
export const REPORT_KEY = command(0xa4, 12, 'REPORT KEY', 'MMC-6 REPORT KEY command', ASK, {
  address: u32(2),
  blockCount: u8(6),
  keyClass: u8(7),
  allocation: u16(8),
  agid: bits(10, 7, 6),
  keyFormat: bits(10, 5, 0),
})
export const SEND_KEY = command(0xa3, 12, 'SEND KEY', 'MMC-6 SEND KEY command', SET, {
  keyClass: u8(7),
  parameterLength: u16(8),
  agid: bits(10, 7, 6),
  keyFormat: bits(10, 5, 0),
})

// ---- reading ----

export const MMC_READ_10 = command(0x28, 10, 'READ (10)', 'MMC-6 READ (10) command', READ, {
  dpo: bit(1, 4),
  fua: bit(1, 3),
  lba: u32(2),
  group: bits(6, 4, 0),
  blocks: u16(7),
})
export const MMC_READ_12 = command(0xa8, 12, 'READ (12)', 'MMC-6 READ (12) command', READ, {
  dpo: bit(1, 4),
  fua: bit(1, 3),
  lba: u32(2),
  blocks: u32(6),
  streaming: bit(10, 7),
  group: bits(10, 4, 0),
})
export const READ_CD = command(0xbe, 12, 'READ CD', 'MMC-6 READ CD command', READ, {
  sectorType: bits(1, 4, 2),
  dap: bit(1, 1),
  lba: u32(2),
  blocks: u24(6),
  ...SECTOR_PARTS,
})
export const READ_CD_MSF = command(0xb9, 12, 'READ CD MSF', 'MMC-6 READ CD MSF command', READ, {
  sectorType: bits(1, 4, 2),
  dap: bit(1, 1),
  start: u24(3),
  end: u24(6),
  ...SECTOR_PARTS,
})
export const SEEK_10 = command(0x2b, 10, 'SEEK (10)', 'MMC-6 SEEK (10) command', MOVE, { lba: u32(2) })
export const SET_READ_AHEAD = command(0xa7, 12, 'SET READ AHEAD', 'MMC-6 SET READ AHEAD command', MOVE, {
  trigger: u32(2),
  target: u32(6),
})
export const SET_CD_SPEED = command(0xbb, 12, 'SET CD SPEED', 'MMC-6 SET CD SPEED command', TELL, {
  rotationControl: bits(1, 1, 0),
  readSpeed: u16(2),
  writeSpeed: u16(4),
})
export const SET_STREAMING = command(0xb6, 12, 'SET STREAMING', 'MMC-6 SET STREAMING command', SET, {
  type: u8(8),
  parameterLength: u16(9),
})

// ---- audio ----

export const PLAY_AUDIO_10 = command(0x45, 10, 'PLAY AUDIO (10)', 'MMC-6 PLAY AUDIO (10) command', MOVE, {
  lba: u32(2),
  blocks: u16(7),
})
export const PLAY_AUDIO_12 = command(0xa5, 12, 'PLAY AUDIO (12)', 'MMC-6 PLAY AUDIO (12) command', MOVE, {
  lba: u32(2),
  blocks: u32(6),
})
export const PLAY_AUDIO_MSF = command(0x47, 10, 'PLAY AUDIO MSF', 'MMC-6 PLAY AUDIO MSF command', MOVE, {
  start: u24(3),
  end: u24(6),
})
export const PAUSE_RESUME = command(0x4b, 10, 'PAUSE/RESUME', 'MMC-6 PAUSE/RESUME command', TELL, {
  resume: bit(8, 0),
})
export const STOP_PLAY_SCAN = command(0x4e, 10, 'STOP PLAY/SCAN', 'MMC-6 STOP PLAY/SCAN command', TELL, {})
export const SCAN = command(0xba, 12, 'SCAN', 'MMC-6 SCAN command', MOVE, {
  direct: bit(1, 4),
  startingAddress: u32(2),
  addressType: bits(9, 7, 6),
})

// ---- writing ----

export const MMC_WRITE_10 = command(0x2a, 10, 'WRITE (10)', 'MMC-6 WRITE (10) command', WRITE, {
  dpo: bit(1, 4),
  fua: bit(1, 3),
  tsr: bit(1, 2),
  lba: u32(2),
  group: bits(6, 4, 0),
  blocks: u16(7),
})
export const MMC_WRITE_12 = command(0xaa, 12, 'WRITE (12)', 'MMC-6 WRITE (12) command', WRITE, {
  dpo: bit(1, 4),
  fua: bit(1, 3),
  tsr: bit(1, 2),
  lba: u32(2),
  blocks: u32(6),
  streaming: bit(10, 7),
  group: bits(10, 4, 0),
})
export const BLANK = command(0xa1, 12, 'BLANK', 'MMC-6 BLANK command', WHOLE, {
  immed: bit(1, 4),
  blankingType: bits(1, 2, 0),
  startingAddress: u32(2),
})
export const CLOSE_TRACK_SESSION = command(
  0x5b,
  10,
  'CLOSE TRACK/SESSION',
  'MMC-6 CLOSE TRACK/SESSION command',
  WHOLE,
  { immed: bit(1, 0), closeFunction: bits(2, 2, 0), track: u16(4) },
)
export const MMC_FORMAT_UNIT = command(0x04, 6, 'FORMAT UNIT', 'MMC-6 FORMAT UNIT command', WHOLE_OUT, {
  fmtdata: bit(1, 4),
  cmplst: bit(1, 3),
  formatCode: bits(1, 2, 0),
})
export const RESERVE_TRACK = command(0x53, 10, 'RESERVE TRACK', 'MMC-6 RESERVE TRACK command', WHOLE, {
  rmz: bit(1, 1),
  arsv: bit(1, 0),
  size: u32(5),
})
export const SEND_CUE_SHEET = command(0x5d, 10, 'SEND CUE SHEET', 'MMC-6 SEND CUE SHEET command', SET, {
  parameterLength: u24(6),
})
export const SEND_DISC_STRUCTURE = command(
  0xbf,
  12,
  'SEND DISC STRUCTURE',
  'MMC-6 SEND DISC STRUCTURE command',
  SET,
  { format: u8(7), parameterLength: u16(8) },
)
export const SEND_OPC_INFORMATION = command(
  0x54,
  10,
  'SEND OPC INFORMATION',
  'MMC-6 SEND OPC INFORMATION command',
  SET,
  { doOpc: bit(1, 0), exclude: bits(2, 1, 0), parameterLength: u16(7) },
)

// ---- loading ----

export const LOAD_UNLOAD_MEDIUM = command(
  0xa6,
  12,
  'LOAD/UNLOAD MEDIUM',
  'MMC-6 LOAD/UNLOAD MEDIUM command',
  WHOLE,
  { immed: bit(1, 0), load: bit(4, 1), start: bit(4, 0), slot: u8(8) },
)
export const MMC_START_STOP_UNIT = command(
  0x1b,
  6,
  'START STOP UNIT',
  'MMC-6 START STOP UNIT command',
  { data: 'none', touches: 'medium-all', reservation: 'special', readiness: 'unready' },
  {
    immed: bit(1, 0),
    formatLayer: bits(3, 1, 0),
    powerCondition: bits(4, 7, 4),
    fl: bit(4, 2),
    loej: bit(4, 1),
    start: bit(4, 0),
  },
)

/** Every row of this file, for tables and tests. */
export const MMC_COMMANDS: readonly Command[] = [
  GET_CONFIGURATION,
  GET_EVENT_STATUS_NOTIFICATION,
  GET_PERFORMANCE,
  MECHANISM_STATUS,
  READ_BUFFER_CAPACITY,
  READ_DISC_INFORMATION,
  READ_DISC_STRUCTURE,
  READ_FORMAT_CAPACITIES,
  READ_SUB_CHANNEL,
  READ_TOC_PMA_ATIP,
  READ_TRACK_INFORMATION,
  REPORT_KEY,
  SEND_KEY,
  MMC_READ_10,
  MMC_READ_12,
  READ_CD,
  READ_CD_MSF,
  SEEK_10,
  SET_READ_AHEAD,
  SET_CD_SPEED,
  SET_STREAMING,
  PLAY_AUDIO_10,
  PLAY_AUDIO_12,
  PLAY_AUDIO_MSF,
  PAUSE_RESUME,
  STOP_PLAY_SCAN,
  SCAN,
  MMC_WRITE_10,
  MMC_WRITE_12,
  BLANK,
  CLOSE_TRACK_SESSION,
  MMC_FORMAT_UNIT,
  RESERVE_TRACK,
  SEND_CUE_SHEET,
  SEND_DISC_STRUCTURE,
  SEND_OPC_INFORMATION,
  LOAD_UNLOAD_MEDIUM,
  MMC_START_STOP_UNIT,
]
