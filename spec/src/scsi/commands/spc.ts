// SPDX-License-Identifier: Apache-2.0
// The commands of SPC-4 and SPC-5, for every device type: one row each.
import { bit, bits, u8, u16, u24, u32, u64 } from '../../bytes/field.ts'
import { type Command, command, serviceAction } from '../command.ts'

// RTD of MODE SELECT, CMDDT of INQUIRY and PPC of LOG SENSE are left out: a target without them has to refuse the bit.

const ASK = { data: 'in', touches: 'nothing', reservation: 'allowed' } as const
const ASK_AS_READER = { data: 'in', touches: 'nothing', reservation: 'readers' } as const
const ASK_AS_HOLDER = { data: 'in', touches: 'nothing', reservation: 'registrants' } as const
const SET = { data: 'out', touches: 'unit', reservation: 'registrants' } as const

export const TEST_UNIT_READY = command(
  0x00,
  6,
  'TEST UNIT READY',
  'SPC-4 TEST UNIT READY command',
  { data: 'none', touches: 'nothing', reservation: 'allowed', readiness: 'ready' },
  {},
)

export const REQUEST_SENSE = command(
  0x03,
  6,
  'REQUEST SENSE',
  'SPC-4 REQUEST SENSE command',
  { ...ASK, unitAttention: 'takes', readiness: 'always', access: 'always', order: 'head' },
  { desc: bit(1, 0), allocation: u8(4) },
)

export const INQUIRY = command(
  0x12,
  6,
  'INQUIRY',
  'SPC-4 INQUIRY command',
  { ...ASK, unitAttention: 'passes', readiness: 'always', access: 'always', order: 'head' },
  { evpd: bit(1, 0), pageCode: u8(2), allocation: u16(3) },
)

export const REPORT_LUNS = command(
  0xa0,
  12,
  'REPORT LUNS',
  'SPC-4 REPORT LUNS command',
  { ...ASK, unitAttention: 'passes', readiness: 'always', access: 'always', order: 'head' },
  { selectReport: u8(2), allocation: u32(6) },
)

// ---- mode and log pages ----

export const MODE_SENSE_6 = command(
  0x1a,
  6,
  'MODE SENSE (6)',
  'SPC-4 MODE SENSE (6) command',
  { ...ASK_AS_READER, access: 'standby' },
  {
    dbd: bit(1, 3),
    pageControl: bits(2, 7, 6),
    pageCode: bits(2, 5, 0),
    subpage: u8(3),
    allocation: u8(4),
  },
)
export const MODE_SENSE_10 = command(
  0x5a,
  10,
  'MODE SENSE (10)',
  'SPC-4 MODE SENSE (10) command',
  { ...ASK_AS_READER, access: 'standby' },
  {
    llbaa: bit(1, 4),
    dbd: bit(1, 3),
    pageControl: bits(2, 7, 6),
    pageCode: bits(2, 5, 0),
    subpage: u8(3),
    allocation: u16(7),
  },
)
export const MODE_SELECT_6 = command(
  0x15,
  6,
  'MODE SELECT (6)',
  'SPC-4 MODE SELECT (6) command',
  { ...SET, access: 'standby' },
  {
    pf: bit(1, 4),
    sp: bit(1, 0),
    parameterLength: u8(4),
  },
)
export const MODE_SELECT_10 = command(
  0x55,
  10,
  'MODE SELECT (10)',
  'SPC-4 MODE SELECT (10) command',
  { ...SET, access: 'standby' },
  {
    pf: bit(1, 4),
    sp: bit(1, 0),
    parameterLength: u16(7),
  },
)
export const LOG_SENSE = command(
  0x4d,
  10,
  'LOG SENSE',
  'SPC-4 LOG SENSE command',
  { ...ASK, access: 'standby' },
  {
    sp: bit(1, 0),
    pageControl: bits(2, 7, 6),
    pageCode: bits(2, 5, 0),
    subpage: u8(3),
    parameterPointer: u16(5),
    allocation: u16(7),
  },
)
export const LOG_SELECT = command(
  0x4c,
  10,
  'LOG SELECT',
  'SPC-4 LOG SELECT command',
  { ...SET, access: 'standby' },
  {
    pcr: bit(1, 1),
    sp: bit(1, 0),
    pageControl: bits(2, 7, 6),
    pageCode: bits(2, 5, 0),
    subpage: u8(3),
    parameterLength: u16(7),
  },
)

// ---- reports about the unit (MAINTENANCE IN) ----

export const REPORT_SUPPORTED_OPERATION_CODES = serviceAction(
  0xa3,
  0x0c,
  12,
  'REPORT SUPPORTED OPERATION CODES',
  'SPC-4 REPORT SUPPORTED OPERATION CODES command',
  { ...ASK_AS_READER, access: 'standby' },
  {
    rctd: bit(2, 7),
    reportingOptions: bits(2, 2, 0),
    requestedOpcode: u8(3),
    requestedServiceAction: u16(4),
    allocation: u32(6),
  },
)
export const REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS = serviceAction(
  0xa3,
  0x0d,
  12,
  'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS',
  'SPC-4 REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS command',
  { ...ASK_AS_READER, access: 'standby' },
  { repd: bit(2, 7), allocation: u32(6) },
)
export const REPORT_TARGET_PORT_GROUPS = serviceAction(
  0xa3,
  0x0a,
  12,
  'REPORT TARGET PORT GROUPS',
  'SPC-4 REPORT TARGET PORT GROUPS command',
  { ...ASK, access: 'always' },
  { dataFormat: bits(1, 7, 5), allocation: u32(6) },
)
export const REPORT_IDENTIFYING_INFORMATION = serviceAction(
  0xa3,
  0x05,
  12,
  'REPORT IDENTIFYING INFORMATION',
  'SPC-4 REPORT IDENTIFYING INFORMATION command',
  { ...ASK, access: 'standby' },
  { allocation: u32(6), informationType: bits(10, 7, 1) },
)
export const REPORT_ALIASES = serviceAction(
  0xa3,
  0x0b,
  12,
  'REPORT ALIASES',
  'SPC-4 REPORT ALIASES command',
  ASK,
  { allocation: u32(6) },
)
export const REPORT_PRIORITY = serviceAction(
  0xa3,
  0x0e,
  12,
  'REPORT PRIORITY',
  'SPC-4 REPORT PRIORITY command',
  ASK,
  { priorityReported: bits(2, 7, 6), allocation: u32(6) },
)
export const REPORT_TIMESTAMP = serviceAction(
  0xa3,
  0x0f,
  12,
  'REPORT TIMESTAMP',
  'SPC-4 REPORT TIMESTAMP command',
  { ...ASK, access: 'standby' },
  { allocation: u32(6) },
)
export const MANAGEMENT_PROTOCOL_IN = serviceAction(
  0xa3,
  0x10,
  12,
  'MANAGEMENT PROTOCOL IN',
  'SPC-4 MANAGEMENT PROTOCOL IN command',
  ASK_AS_READER,
  { protocol: u8(2), allocation: u32(6), protocolSpecific: u8(10) },
)

// ---- settings of the unit (MAINTENANCE OUT) ----

export const SET_TARGET_PORT_GROUPS = serviceAction(
  0xa4,
  0x0a,
  12,
  'SET TARGET PORT GROUPS',
  'SPC-4 SET TARGET PORT GROUPS command',
  { ...SET, access: 'unavailable', order: 'nothing' },
  { parameterLength: u32(6) },
)
export const SET_IDENTIFYING_INFORMATION = serviceAction(
  0xa4,
  0x06,
  12,
  'SET IDENTIFYING INFORMATION',
  'SPC-4 SET IDENTIFYING INFORMATION command',
  SET,
  { parameterLength: u32(6), informationType: bits(10, 7, 1) },
)
export const CHANGE_ALIASES = serviceAction(
  0xa4,
  0x0b,
  12,
  'CHANGE ALIASES',
  'SPC-4 CHANGE ALIASES command',
  SET,
  { parameterLength: u32(6) },
)
export const SET_PRIORITY = serviceAction(0xa4, 0x0e, 12, 'SET PRIORITY', 'SPC-4 SET PRIORITY command', SET, {
  priorityToSet: bits(2, 7, 6),
  parameterLength: u32(6),
})
export const SET_TIMESTAMP = serviceAction(
  0xa4,
  0x0f,
  12,
  'SET TIMESTAMP',
  'SPC-4 SET TIMESTAMP command',
  SET,
  {
    parameterLength: u32(6),
  },
)
export const MANAGEMENT_PROTOCOL_OUT = serviceAction(
  0xa4,
  0x10,
  12,
  'MANAGEMENT PROTOCOL OUT',
  'SPC-4 MANAGEMENT PROTOCOL OUT command',
  SET,
  { protocol: u8(2), parameterLength: u32(6), protocolSpecific: u8(10) },
)

// ---- reservations ----

const PR_IN = { allocation: u16(7) } as const
const PR_OUT = { scope: bits(2, 7, 4), type: bits(2, 3, 0), parameterLength: u32(5) } as const
const RESERVING = { data: 'out', touches: 'unit', reservation: 'special', order: 'head' } as const
const RESERVING_6 = { data: 'none', touches: 'unit', reservation: 'special', order: 'head' } as const

const persistentIn = (action: number, name: string) =>
  serviceAction(
    0x5e,
    action,
    10,
    `PERSISTENT RESERVE IN, ${name}`,
    `SPC-4 PERSISTENT RESERVE IN command, ${name} service action`,
    { ...ASK, access: 'standby', order: 'head' },
    PR_IN,
  )
const persistentOut = (action: number, name: string) =>
  serviceAction(
    0x5f,
    action,
    10,
    `PERSISTENT RESERVE OUT, ${name}`,
    `SPC-4 PERSISTENT RESERVE OUT command, ${name} service action`,
    { ...RESERVING, access: 'standby' },
    PR_OUT,
  )

export const PERSISTENT_RESERVE_IN_READ_KEYS = persistentIn(0x00, 'READ KEYS')
export const PERSISTENT_RESERVE_IN_READ_RESERVATION = persistentIn(0x01, 'READ RESERVATION')
export const PERSISTENT_RESERVE_IN_REPORT_CAPABILITIES = persistentIn(0x02, 'REPORT CAPABILITIES')
export const PERSISTENT_RESERVE_IN_READ_FULL_STATUS = persistentIn(0x03, 'READ FULL STATUS')
export const PERSISTENT_RESERVE_OUT_REGISTER = persistentOut(0x00, 'REGISTER')
export const PERSISTENT_RESERVE_OUT_RESERVE = persistentOut(0x01, 'RESERVE')
export const PERSISTENT_RESERVE_OUT_RELEASE = persistentOut(0x02, 'RELEASE')
export const PERSISTENT_RESERVE_OUT_CLEAR = persistentOut(0x03, 'CLEAR')
export const PERSISTENT_RESERVE_OUT_PREEMPT = persistentOut(0x04, 'PREEMPT')
export const PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT = persistentOut(0x05, 'PREEMPT AND ABORT')
export const PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY = persistentOut(
  0x06,
  'REGISTER AND IGNORE EXISTING KEY',
)
export const PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE = persistentOut(0x07, 'REGISTER AND MOVE')
export const PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION = persistentOut(0x08, 'REPLACE LOST RESERVATION')

// Third-party and extent reservations are obsolete, so the fields that ask for them are left out.
export const RESERVE_6 = command(0x16, 6, 'RESERVE (6)', 'SPC-2 RESERVE (6) command', RESERVING_6, {})
export const RELEASE_6 = command(0x17, 6, 'RELEASE (6)', 'SPC-2 RELEASE (6) command', RESERVING_6, {})
export const RESERVE_10 = command(0x56, 10, 'RESERVE (10)', 'SPC-2 RESERVE (10) command', RESERVING, {
  thirdParty: bit(1, 4),
  longId: bit(1, 1),
  thirdPartyId: u8(3),
  parameterLength: u16(7),
})
export const RELEASE_10 = command(0x57, 10, 'RELEASE (10)', 'SPC-2 RELEASE (10) command', RESERVING, {
  thirdParty: bit(1, 4),
  longId: bit(1, 1),
  thirdPartyId: u8(3),
  parameterLength: u16(7),
})

// ---- diagnostics, buffers, attributes ----

export const RECEIVE_DIAGNOSTIC_RESULTS = command(
  0x1c,
  6,
  'RECEIVE DIAGNOSTIC RESULTS',
  'SPC-4 RECEIVE DIAGNOSTIC RESULTS command',
  { ...ASK_AS_READER, access: 'standby' },
  { pcv: bit(1, 0), pageCode: u8(2), allocation: u16(3) },
)
export const SEND_DIAGNOSTIC = command(
  0x1d,
  6,
  'SEND DIAGNOSTIC',
  'SPC-4 SEND DIAGNOSTIC command',
  { ...SET, access: 'standby' },
  {
    selfTestCode: bits(1, 7, 5),
    pf: bit(1, 4),
    selfTest: bit(1, 2),
    deviceOffline: bit(1, 1),
    unitOffline: bit(1, 0),
    parameterLength: u16(3),
  },
)
export const READ_BUFFER_10 = command(
  0x3c,
  10,
  'READ BUFFER (10)',
  'SPC-4 READ BUFFER (10) command',
  { ...ASK_AS_READER, access: 'unavailable' },
  { modeSpecific: bits(1, 7, 5), mode: bits(1, 4, 0), bufferId: u8(2), offset: u24(3), allocation: u24(6) },
)
export const READ_BUFFER_16 = command(
  0x9b,
  16,
  'READ BUFFER (16)',
  'SPC-5 READ BUFFER (16) command',
  { ...ASK_AS_READER, access: 'unavailable' },
  { modeSpecific: bits(1, 7, 5), mode: bits(1, 4, 0), offset: u64(2), allocation: u32(10), bufferId: u8(14) },
)
export const WRITE_BUFFER = command(
  0x3b,
  10,
  'WRITE BUFFER',
  'SPC-4 WRITE BUFFER command',
  { ...SET, access: 'unavailable' },
  {
    modeSpecific: bits(1, 7, 5),
    mode: bits(1, 4, 0),
    bufferId: u8(2),
    offset: u24(3),
    parameterLength: u24(6),
  },
)

// The service action of READ ATTRIBUTE chooses what is listed, not another CDB: a field is enough.
export const READ_ATTRIBUTE = command(
  0x8c,
  16,
  'READ ATTRIBUTE',
  'SPC-4 READ ATTRIBUTE command',
  ASK_AS_READER,
  {
    serviceAction: bits(1, 4, 0),
    elementAddress: u16(2),
    volumeNumber: u8(5),
    partition: u8(7),
    firstAttribute: u16(8),
    allocation: u32(10),
    cache: bit(14, 0),
  },
)
export const WRITE_ATTRIBUTE = command(0x8d, 16, 'WRITE ATTRIBUTE', 'SPC-4 WRITE ATTRIBUTE command', SET, {
  wtc: bit(1, 0),
  elementAddress: u16(2),
  volumeNumber: u8(5),
  partition: u8(7),
  parameterLength: u32(10),
})
export const READ_MEDIA_SERIAL_NUMBER = serviceAction(
  0xab,
  0x01,
  12,
  'READ MEDIA SERIAL NUMBER',
  'SPC-4 READ MEDIA SERIAL NUMBER command',
  ASK,
  { allocation: u32(6) },
)

export const SECURITY_PROTOCOL_IN = command(
  0xa2,
  12,
  'SECURITY PROTOCOL IN',
  'SPC-4 SECURITY PROTOCOL IN command',
  ASK_AS_READER,
  { protocol: u8(1), protocolSpecific: u16(2), inc512: bit(4, 7), allocation: u32(6) },
)
export const SECURITY_PROTOCOL_OUT = command(
  0xb5,
  12,
  'SECURITY PROTOCOL OUT',
  'SPC-4 SECURITY PROTOCOL OUT command',
  SET,
  { protocol: u8(1), protocolSpecific: u16(2), inc512: bit(4, 7), parameterLength: u32(6) },
)

// ---- third-party copy (83h out, 84h in; SBC-4's token commands share the opcode) ----

const COPY_STATUS_1 = { listId: u8(2), allocation: u32(10) } as const
const COPY_STATUS_4 = { listId: u32(2), allocation: u32(10) } as const

const copyIn = <const R extends typeof COPY_STATUS_1 | typeof COPY_STATUS_4>(
  action: number,
  name: string,
  row: R,
) => serviceAction(0x84, action, 16, name, `SPC-4 ${name} command`, ASK_AS_HOLDER, row)

export const EXTENDED_COPY_LID1 = serviceAction(
  0x83,
  0x00,
  16,
  'EXTENDED COPY (LID1)',
  'SPC-4 EXTENDED COPY (LID1) command',
  { ...SET, order: 'sync' },
  { parameterLength: u32(10) },
)
export const EXTENDED_COPY_LID4 = serviceAction(
  0x83,
  0x01,
  16,
  'EXTENDED COPY (LID4)',
  'SPC-4 EXTENDED COPY (LID4) command',
  { ...SET, order: 'sync' },
  { parameterLength: u32(10) },
)
export const COPY_OPERATION_ABORT = serviceAction(
  0x83,
  0x1c,
  16,
  'COPY OPERATION ABORT',
  'SPC-4 COPY OPERATION ABORT command',
  { data: 'none', touches: 'unit', reservation: 'registrants', order: 'nothing' },
  { listId: u32(2) },
)
export const RECEIVE_COPY_STATUS_LID1 = copyIn(0x00, 'RECEIVE COPY STATUS (LID1)', COPY_STATUS_1)
export const RECEIVE_COPY_DATA_LID1 = copyIn(0x01, 'RECEIVE COPY DATA (LID1)', COPY_STATUS_1)
export const RECEIVE_COPY_FAILURE_DETAILS_LID1 = copyIn(
  0x04,
  'RECEIVE COPY FAILURE DETAILS (LID1)',
  COPY_STATUS_1,
)
export const RECEIVE_COPY_STATUS_LID4 = copyIn(0x05, 'RECEIVE COPY STATUS (LID4)', COPY_STATUS_4)
export const RECEIVE_COPY_DATA_LID4 = copyIn(0x06, 'RECEIVE COPY DATA (LID4)', COPY_STATUS_4)
export const RECEIVE_ROD_TOKEN_INFORMATION = copyIn(0x07, 'RECEIVE ROD TOKEN INFORMATION', COPY_STATUS_4)
export const RECEIVE_COPY_OPERATING_PARAMETERS = serviceAction(
  0x84,
  0x03,
  16,
  'RECEIVE COPY OPERATING PARAMETERS',
  'SPC-4 RECEIVE COPY OPERATING PARAMETERS command',
  ASK,
  { allocation: u32(10) },
)
export const REPORT_ALL_ROD_TOKENS = serviceAction(
  0x84,
  0x08,
  16,
  'REPORT ALL ROD TOKENS',
  'SPC-4 REPORT ALL ROD TOKENS command',
  ASK,
  { allocation: u32(10) },
)

/** Every row of this file, for tables and tests. */
export const SPC_COMMANDS: readonly Command[] = [
  TEST_UNIT_READY,
  REQUEST_SENSE,
  INQUIRY,
  REPORT_LUNS,
  MODE_SENSE_6,
  MODE_SENSE_10,
  MODE_SELECT_6,
  MODE_SELECT_10,
  LOG_SENSE,
  LOG_SELECT,
  REPORT_SUPPORTED_OPERATION_CODES,
  REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
  REPORT_TARGET_PORT_GROUPS,
  REPORT_IDENTIFYING_INFORMATION,
  REPORT_ALIASES,
  REPORT_PRIORITY,
  REPORT_TIMESTAMP,
  MANAGEMENT_PROTOCOL_IN,
  SET_TARGET_PORT_GROUPS,
  SET_IDENTIFYING_INFORMATION,
  CHANGE_ALIASES,
  SET_PRIORITY,
  SET_TIMESTAMP,
  MANAGEMENT_PROTOCOL_OUT,
  PERSISTENT_RESERVE_IN_READ_KEYS,
  PERSISTENT_RESERVE_IN_READ_RESERVATION,
  PERSISTENT_RESERVE_IN_REPORT_CAPABILITIES,
  PERSISTENT_RESERVE_IN_READ_FULL_STATUS,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_RESERVE,
  PERSISTENT_RESERVE_OUT_RELEASE,
  PERSISTENT_RESERVE_OUT_CLEAR,
  PERSISTENT_RESERVE_OUT_PREEMPT,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE,
  PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION,
  RESERVE_6,
  RELEASE_6,
  RESERVE_10,
  RELEASE_10,
  RECEIVE_DIAGNOSTIC_RESULTS,
  SEND_DIAGNOSTIC,
  READ_BUFFER_10,
  READ_BUFFER_16,
  WRITE_BUFFER,
  READ_ATTRIBUTE,
  WRITE_ATTRIBUTE,
  READ_MEDIA_SERIAL_NUMBER,
  SECURITY_PROTOCOL_IN,
  SECURITY_PROTOCOL_OUT,
  EXTENDED_COPY_LID1,
  EXTENDED_COPY_LID4,
  COPY_OPERATION_ABORT,
  RECEIVE_COPY_STATUS_LID1,
  RECEIVE_COPY_DATA_LID1,
  RECEIVE_COPY_FAILURE_DETAILS_LID1,
  RECEIVE_COPY_STATUS_LID4,
  RECEIVE_COPY_DATA_LID4,
  RECEIVE_ROD_TOKEN_INFORMATION,
  RECEIVE_COPY_OPERATING_PARAMETERS,
  REPORT_ALL_ROD_TOKENS,
]
