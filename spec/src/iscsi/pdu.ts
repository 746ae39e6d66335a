// SPDX-License-Identifier: Apache-2.0
// The 48-byte header of every iSCSI PDU, and the additional header segments, as layouts (RFC 7143, section 11).
import { bit, bits, bytes, u8, u16, u24, u32 } from '../bytes/field.ts'
import { type Layout, layout } from '../bytes/layout.ts'

/** Length in bytes of the basic header segment. */
export const BHS_LENGTH = 48

/** Task tag that stands for no task: NOP, async message and reject, and a target transfer tag not in use. */
export const RESERVED_TAG = 0xffff_ffff

/** Opcodes (RFC 7143, 11.2.1.2): those below 0x20 come from initiators, the others from targets. */
export const Opcode = Object.freeze({
  nopOut: 0x00,
  scsiCommand: 0x01,
  taskManagementRequest: 0x02,
  loginRequest: 0x03,
  textRequest: 0x04,
  dataOut: 0x05,
  logoutRequest: 0x06,
  snack: 0x10,
  nopIn: 0x20,
  scsiResponse: 0x21,
  taskManagementResponse: 0x22,
  loginResponse: 0x23,
  textResponse: 0x24,
  dataIn: 0x25,
  logoutResponse: 0x26,
  r2t: 0x31,
  asyncMessage: 0x32,
  reject: 0x3f,
} as const)

/** Types of an additional header segment (RFC 7143, 11.2.2.1). */
export const AhsType = Object.freeze({ extendedCdb: 1, bidirectionalRead: 2 } as const)

/** Kinds of SNACK (RFC 7143, 11.16.1). */
export const SnackType = Object.freeze({ dataOrR2t: 0, status: 1, dataAck: 2, rData: 3 } as const)

/** Values of CSG and NSG in login PDUs (RFC 7143, 11.12.3). */
export const LoginStage = Object.freeze({ security: 0, operational: 1, fullFeature: 3 } as const)

// Byte 0 and bytes 4 to 7 are the same in every PDU; the immediate bit exists in requests only.
const length = { totalAhsLength: u8(4), dataSegmentLength: u24(5) }
const request = { immediate: bit(0, 6), opcode: bits(0, 5, 0), ...length }
const answer = { opcode: bits(0, 5, 0), ...length }
const final = bit(1, 7)
const lun = bytes(8, 8)
const itt = u32(16)
const ttt = u32(20)
const cmdSn = u32(24)
const expStatSn = u32(28)
const numbers = { statSn: u32(24), expCmdSn: u32(28), maxCmdSn: u32(32) }
const stages = { transit: bit(1, 7), continue: bit(1, 6), csg: bits(1, 3, 2), nsg: bits(1, 1, 0) }

/**
 * What all PDUs share. `totalAhsLength` counts words of 4 bytes, `dataSegmentLength` counts bytes without padding.
 * Bytes 8 to 15 are a LUN, reserved or, in login PDUs, ISID and TSIH: the opcode decides.
 */
export const BHS = layout('iSCSI PDU', 'RFC 7143, 11.2.1', BHS_LENGTH, { ...request, final, lun, itt })

/** `priority` is RFC 7144's (command priority), zero below iSCSIProtocolLevel 2. */
export const SCSI_COMMAND = layout('SCSI Command', 'RFC 7143, 11.3', BHS_LENGTH, {
  ...request,
  final,
  read: bit(1, 6),
  write: bit(1, 5),
  attribute: bits(1, 2, 0),
  priority: bits(2, 7, 4),
  lun,
  itt,
  expectedDataTransferLength: u32(20),
  cmdSn,
  expStatSn,
  cdb: bytes(32, 16),
})

/** `statusQualifier` is RFC 7144's, zero below iSCSIProtocolLevel 2. */
export const SCSI_RESPONSE = layout('SCSI Response', 'RFC 7143, 11.4', BHS_LENGTH, {
  ...answer,
  final,
  bidiOverflow: bit(1, 4),
  bidiUnderflow: bit(1, 3),
  overflow: bit(1, 2),
  underflow: bit(1, 1),
  response: u8(2),
  status: u8(3),
  statusQualifier: u16(8),
  itt,
  snackTag: u32(20),
  ...numbers,
  expDataSn: u32(36),
  bidiResidualCount: u32(40),
  residualCount: u32(44),
})

export const TASK_MANAGEMENT_REQUEST = layout(
  'Task Management Function Request',
  'RFC 7143, 11.5',
  BHS_LENGTH,
  {
    ...request,
    final,
    function: bits(1, 6, 0),
    lun,
    itt,
    referencedTaskTag: u32(20),
    cmdSn,
    expStatSn,
    refCmdSn: u32(32),
    expDataSn: u32(36),
  },
)

/** `additionalResponseInformation` is RFC 7144's, the answer to a query function. */
export const TASK_MANAGEMENT_RESPONSE = layout(
  'Task Management Function Response',
  'RFC 7143, 11.6',
  BHS_LENGTH,
  { ...answer, final, response: u8(2), additionalResponseInformation: u24(8), itt, ...numbers },
)

export const DATA_OUT = layout('SCSI Data-Out', 'RFC 7143, 11.7', BHS_LENGTH, {
  ...request,
  final,
  lun,
  itt,
  ttt,
  expStatSn,
  dataSn: u32(36),
  bufferOffset: u32(40),
})

/** `status`, `statSn`, `residualCount` and the two residual bits count only where `statusPresent` is 1. */
export const DATA_IN = layout('SCSI Data-In', 'RFC 7143, 11.7', BHS_LENGTH, {
  ...answer,
  final,
  acknowledge: bit(1, 6),
  overflow: bit(1, 2),
  underflow: bit(1, 1),
  statusPresent: bit(1, 0),
  status: u8(3),
  lun,
  itt,
  ttt,
  ...numbers,
  dataSn: u32(36),
  bufferOffset: u32(40),
  residualCount: u32(44),
})

export const R2T = layout('Ready To Transfer', 'RFC 7143, 11.8', BHS_LENGTH, {
  ...answer,
  final,
  lun,
  itt,
  ttt,
  ...numbers,
  r2tSn: u32(36),
  bufferOffset: u32(40),
  desiredLength: u32(44),
})

export const ASYNC_MESSAGE = layout('Asynchronous Message', 'RFC 7143, 11.9', BHS_LENGTH, {
  ...answer,
  final,
  lun,
  itt,
  ...numbers,
  asyncEvent: u8(36),
  asyncVCode: u8(37),
  parameter1: u16(38),
  parameter2: u16(40),
  parameter3: u16(42),
})

export const TEXT_REQUEST = layout('Text Request', 'RFC 7143, 11.10', BHS_LENGTH, {
  ...request,
  final,
  continue: bit(1, 6),
  lun,
  itt,
  ttt,
  cmdSn,
  expStatSn,
})

export const TEXT_RESPONSE = layout('Text Response', 'RFC 7143, 11.11', BHS_LENGTH, {
  ...answer,
  final,
  continue: bit(1, 6),
  lun,
  itt,
  ttt,
  ...numbers,
})

export const LOGIN_REQUEST = layout('Login Request', 'RFC 7143, 11.12', BHS_LENGTH, {
  ...request,
  ...stages,
  versionMax: u8(2),
  versionMin: u8(3),
  isid: bytes(8, 6),
  tsih: u16(14),
  itt,
  cid: u16(20),
  cmdSn,
  expStatSn,
})

export const LOGIN_RESPONSE = layout('Login Response', 'RFC 7143, 11.13', BHS_LENGTH, {
  ...answer,
  ...stages,
  versionMax: u8(2),
  versionActive: u8(3),
  isid: bytes(8, 6),
  tsih: u16(14),
  itt,
  ...numbers,
  statusClass: u8(36),
  statusDetail: u8(37),
})

export const LOGOUT_REQUEST = layout('Logout Request', 'RFC 7143, 11.14', BHS_LENGTH, {
  ...request,
  final,
  reason: bits(1, 6, 0),
  itt,
  cid: u16(20),
  cmdSn,
  expStatSn,
})

/** `time2Wait` and `time2Retain` are seconds. */
export const LOGOUT_RESPONSE = layout('Logout Response', 'RFC 7143, 11.15', BHS_LENGTH, {
  ...answer,
  final,
  response: u8(2),
  itt,
  ...numbers,
  time2Wait: u16(40),
  time2Retain: u16(42),
})

/** `ttt` holds the SNACK tag in an R-Data SNACK. */
export const SNACK = layout('SNACK Request', 'RFC 7143, 11.16', BHS_LENGTH, {
  ...request,
  final,
  type: bits(1, 3, 0),
  lun,
  itt,
  ttt,
  expStatSn,
  begRun: u32(40),
  runLength: u32(44),
})

/** The data segment holds the header of the refused PDU. `dataSn` is a DataSN or an R2TSN. */
export const REJECT = layout('Reject', 'RFC 7143, 11.17', BHS_LENGTH, {
  ...answer,
  final,
  reason: u8(2),
  itt,
  ...numbers,
  dataSn: u32(36),
})

export const NOP_OUT = layout('NOP-Out', 'RFC 7143, 11.18', BHS_LENGTH, {
  ...request,
  final,
  lun,
  itt,
  ttt,
  cmdSn,
  expStatSn,
})

export const NOP_IN = layout('NOP-In', 'RFC 7143, 11.19', BHS_LENGTH, {
  ...answer,
  final,
  lun,
  itt,
  ttt,
  ...numbers,
})

/** Start of any additional header segment: `ahsLength` counts bytes after byte 3, without padding to 4. */
export const AHS = layout('Additional Header Segment', 'RFC 7143, 11.2.2', 4, {
  ahsLength: u16(0),
  ahsType: bits(2, 5, 0),
})

/** `ahsLength` is the length of the whole CDB less 15; the CDB's bytes from the 17th on follow at byte 4. */
export const EXTENDED_CDB_AHS = layout('Extended CDB AHS', 'RFC 7143, 11.2.2.3', 4, {
  ahsLength: u16(0),
  ahsType: bits(2, 5, 0),
})

/** `ahsLength` is 5: the reserved byte 3 counts. */
export const BIDIRECTIONAL_READ_AHS = layout(
  'Bidirectional Read Expected Data Transfer Length AHS',
  'RFC 7143, 11.2.2.4',
  8,
  { ahsLength: u16(0), ahsType: bits(2, 5, 0), expectedReadLength: u32(4) },
)

const slots: (Layout | undefined)[] = new Array(64).fill(undefined)
slots[Opcode.nopOut] = NOP_OUT
slots[Opcode.scsiCommand] = SCSI_COMMAND
slots[Opcode.taskManagementRequest] = TASK_MANAGEMENT_REQUEST
slots[Opcode.loginRequest] = LOGIN_REQUEST
slots[Opcode.textRequest] = TEXT_REQUEST
slots[Opcode.dataOut] = DATA_OUT
slots[Opcode.logoutRequest] = LOGOUT_REQUEST
slots[Opcode.snack] = SNACK
slots[Opcode.nopIn] = NOP_IN
slots[Opcode.scsiResponse] = SCSI_RESPONSE
slots[Opcode.taskManagementResponse] = TASK_MANAGEMENT_RESPONSE
slots[Opcode.loginResponse] = LOGIN_RESPONSE
slots[Opcode.textResponse] = TEXT_RESPONSE
slots[Opcode.dataIn] = DATA_IN
slots[Opcode.logoutResponse] = LOGOUT_RESPONSE
slots[Opcode.r2t] = R2T
slots[Opcode.asyncMessage] = ASYNC_MESSAGE
slots[Opcode.reject] = REJECT

/** Layout of a PDU's header by opcode: 64 slots, undefined where the standard gives no PDU. */
export const PDU_BY_OPCODE: readonly (Layout | undefined)[] = Object.freeze(slots)
