// SPDX-License-Identifier: Apache-2.0
// The conditions that a target reports, by T10's name: each with the sense key that the standards pair it with.
import { ASC_TEXT } from './additional-sense.ts'
import { type SenseCode, SenseKey, sense } from './sense-code.ts'

function named(key: number, code: number): SenseCode {
  const text = ASC_TEXT.get(code)
  if (text === undefined) throw new RangeError(`No additional sense code ${code.toString(16)} in T10's list`)
  return sense(key, code >> 8, code & 0xff, text)
}

// ---- Nothing to report, or good news ----

export const NO_ADDITIONAL_SENSE_INFORMATION = named(SenseKey.noSense, 0x0000)
export const FILEMARK_DETECTED = named(SenseKey.noSense, 0x0001)
export const END_OF_PARTITION_OR_MEDIUM_DETECTED = named(SenseKey.noSense, 0x0002)
export const BEGINNING_OF_PARTITION_OR_MEDIUM_DETECTED = named(SenseKey.noSense, 0x0004)
export const PROGRAMMABLE_EARLY_WARNING_DETECTED = named(SenseKey.noSense, 0x0007)
export const OPERATION_IN_PROGRESS = named(SenseKey.noSense, 0x0016)
// Power conditions, as REQUEST SENSE tells of them.
export const LOW_POWER_CONDITION_ON = named(SenseKey.noSense, 0x5e00)
export const IDLE_CONDITION_ACTIVATED_BY_TIMER = named(SenseKey.noSense, 0x5e01)
export const STANDBY_CONDITION_ACTIVATED_BY_TIMER = named(SenseKey.noSense, 0x5e02)
export const IDLE_CONDITION_ACTIVATED_BY_COMMAND = named(SenseKey.noSense, 0x5e03)
export const STANDBY_CONDITION_ACTIVATED_BY_COMMAND = named(SenseKey.noSense, 0x5e04)
export const IDLE_B_CONDITION_ACTIVATED_BY_TIMER = named(SenseKey.noSense, 0x5e05)
export const IDLE_B_CONDITION_ACTIVATED_BY_COMMAND = named(SenseKey.noSense, 0x5e06)
export const IDLE_C_CONDITION_ACTIVATED_BY_TIMER = named(SenseKey.noSense, 0x5e07)
export const IDLE_C_CONDITION_ACTIVATED_BY_COMMAND = named(SenseKey.noSense, 0x5e08)
export const STANDBY_Y_CONDITION_ACTIVATED_BY_TIMER = named(SenseKey.noSense, 0x5e09)
export const STANDBY_Y_CONDITION_ACTIVATED_BY_COMMAND = named(SenseKey.noSense, 0x5e0a)
export const ROUNDED_PARAMETER = named(SenseKey.recoveredError, 0x3700)
export const RECOVERED_DATA_WITH_RETRIES = named(SenseKey.recoveredError, 0x1701)
export const RECOVERED_DATA_WITH_ERROR_CORRECTION_APPLIED = named(SenseKey.recoveredError, 0x1800)
export const WRITE_ERROR_RECOVERED_WITH_AUTO_REALLOCATION = named(SenseKey.recoveredError, 0x0c01)
export const FAILURE_PREDICTION_THRESHOLD_EXCEEDED = named(SenseKey.recoveredError, 0x5d00)
export const FAILURE_PREDICTION_THRESHOLD_EXCEEDED_FALSE = named(SenseKey.recoveredError, 0x5dff)
export const WARNING = named(SenseKey.recoveredError, 0x0b00)
export const WARNING_BACKGROUND_SELF_TEST_FAILED = named(SenseKey.recoveredError, 0x0b03)

// ---- The unit is not ready ----

export const LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE = named(SenseKey.notReady, 0x0400)
export const LOGICAL_UNIT_NOT_READY_BECOMING_READY = named(SenseKey.notReady, 0x0401)
export const LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED = named(SenseKey.notReady, 0x0402)
export const LOGICAL_UNIT_NOT_READY_MANUAL_INTERVENTION_REQUIRED = named(SenseKey.notReady, 0x0403)
export const LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS = named(SenseKey.notReady, 0x0404)
export const LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS = named(SenseKey.notReady, 0x0407)
export const LOGICAL_UNIT_NOT_READY_SELF_TEST_IN_PROGRESS = named(SenseKey.notReady, 0x0409)
export const LOGICAL_UNIT_NOT_ACCESSIBLE_ASYMMETRIC_ACCESS_STATE_TRANSITION = named(SenseKey.notReady, 0x040a)
export const LOGICAL_UNIT_NOT_ACCESSIBLE_TARGET_PORT_IN_STANDBY_STATE = named(SenseKey.notReady, 0x040b)
export const LOGICAL_UNIT_NOT_ACCESSIBLE_TARGET_PORT_IN_UNAVAILABLE_STATE = named(SenseKey.notReady, 0x040c)
export const LOGICAL_UNIT_NOT_READY_OFFLINE = named(SenseKey.notReady, 0x0412)
export const LOGICAL_UNIT_NOT_READY_SPACE_ALLOCATION_IN_PROGRESS = named(SenseKey.notReady, 0x0414)
export const LOGICAL_UNIT_NOT_READY_START_STOP_UNIT_COMMAND_IN_PROGRESS = named(SenseKey.notReady, 0x041a)
export const LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS = named(SenseKey.notReady, 0x041b)
export const LOGICAL_UNIT_NOT_READY_ADDITIONAL_POWER_USE_NOT_YET_GRANTED = named(SenseKey.notReady, 0x041c)
export const LOGICAL_UNIT_COMMUNICATION_TIME_OUT = named(SenseKey.notReady, 0x0801)
export const INCOMPATIBLE_MEDIUM_INSTALLED = named(SenseKey.notReady, 0x3000)
export const MEDIUM_NOT_PRESENT = named(SenseKey.notReady, 0x3a00)
export const MEDIUM_NOT_PRESENT_TRAY_CLOSED = named(SenseKey.notReady, 0x3a01)
export const MEDIUM_NOT_PRESENT_TRAY_OPEN = named(SenseKey.notReady, 0x3a02)
export const LOGICAL_UNIT_HAS_NOT_SELF_CONFIGURED_YET = named(SenseKey.notReady, 0x3e00)

// ---- The medium or the storage under it failed ----

export const PERIPHERAL_DEVICE_WRITE_FAULT = named(SenseKey.mediumError, 0x0300)
export const WRITE_ERROR = named(SenseKey.mediumError, 0x0c00)
export const WRITE_ERROR_AUTO_REALLOCATION_FAILED = named(SenseKey.mediumError, 0x0c02)
export const UNRECOVERED_READ_ERROR = named(SenseKey.mediumError, 0x1100)
export const READ_RETRIES_EXHAUSTED = named(SenseKey.mediumError, 0x1101)
export const UNRECOVERED_READ_ERROR_RECOMMEND_REASSIGNMENT = named(SenseKey.mediumError, 0x110b)
export const READ_ERROR_LBA_MARKED_BAD_BY_APPLICATION_CLIENT = named(SenseKey.mediumError, 0x1114)
export const RECORDED_ENTITY_NOT_FOUND = named(SenseKey.mediumError, 0x1400)
export const MEDIUM_FORMAT_CORRUPTED = named(SenseKey.mediumError, 0x3100)
export const FORMAT_COMMAND_FAILED = named(SenseKey.mediumError, 0x3101)
export const SANITIZE_COMMAND_FAILED = named(SenseKey.mediumError, 0x3103)
export const SEQUENTIAL_POSITIONING_ERROR = named(SenseKey.mediumError, 0x3b00)
export const MEDIA_LOAD_OR_EJECT_FAILED = named(SenseKey.mediumError, 0x5300)
export const ERASE_FAILURE = named(SenseKey.mediumError, 0x5100)

// ---- The target failed ----

export const LOGICAL_UNIT_COMMUNICATION_FAILURE = named(SenseKey.hardwareError, 0x0800)
export const LOGICAL_UNIT_FAILURE = named(SenseKey.hardwareError, 0x3e01)
export const LOGICAL_UNIT_FAILED_SELF_TEST = named(SenseKey.hardwareError, 0x3e03)
export const INTERNAL_TARGET_FAILURE = named(SenseKey.hardwareError, 0x4400)

// ---- The initiator asked for what cannot be ----

export const PARAMETER_LIST_LENGTH_ERROR = named(SenseKey.illegalRequest, 0x1a00)
export const INVALID_COMMAND_OPERATION_CODE = named(SenseKey.illegalRequest, 0x2000)
export const LBA_OUT_OF_RANGE = named(SenseKey.illegalRequest, 0x2100)
export const INVALID_ELEMENT_ADDRESS = named(SenseKey.illegalRequest, 0x2101)
export const INVALID_ADDRESS_FOR_WRITE = named(SenseKey.illegalRequest, 0x2102)
export const WRITE_BOUNDARY_VIOLATION = named(SenseKey.illegalRequest, 0x2105)
export const UNALIGNED_WRITE_COMMAND = named(SenseKey.illegalRequest, 0x2104)
export const READ_BOUNDARY_VIOLATION = named(SenseKey.illegalRequest, 0x2107)
export const INVALID_TOKEN_OPERATION_CAUSE_NOT_REPORTABLE = named(SenseKey.illegalRequest, 0x2300)
export const INVALID_TOKEN_OPERATION_UNSUPPORTED_TOKEN_TYPE = named(SenseKey.illegalRequest, 0x2301)
export const INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN = named(SenseKey.illegalRequest, 0x2304)
export const INVALID_TOKEN_OPERATION_TOKEN_CORRUPT = named(SenseKey.illegalRequest, 0x2305)
export const INVALID_TOKEN_OPERATION_TOKEN_REVOKED = named(SenseKey.illegalRequest, 0x2306)
export const INVALID_TOKEN_OPERATION_TOKEN_EXPIRED = named(SenseKey.illegalRequest, 0x2307)
export const INVALID_TOKEN_OPERATION_TOKEN_DELETED = named(SenseKey.illegalRequest, 0x2309)
export const INVALID_TOKEN_OPERATION_INVALID_TOKEN_LENGTH = named(SenseKey.illegalRequest, 0x230a)
export const INVALID_FIELD_IN_CDB = named(SenseKey.illegalRequest, 0x2400)
export const LOGICAL_UNIT_NOT_SUPPORTED = named(SenseKey.illegalRequest, 0x2500)
export const INVALID_FIELD_IN_PARAMETER_LIST = named(SenseKey.illegalRequest, 0x2600)
export const PARAMETER_NOT_SUPPORTED = named(SenseKey.illegalRequest, 0x2601)
export const PARAMETER_VALUE_INVALID = named(SenseKey.illegalRequest, 0x2602)
export const THRESHOLD_PARAMETERS_NOT_SUPPORTED = named(SenseKey.illegalRequest, 0x2603)
export const INVALID_RELEASE_OF_PERSISTENT_RESERVATION = named(SenseKey.illegalRequest, 0x2604)
export const TOO_MANY_TARGET_DESCRIPTORS = named(SenseKey.illegalRequest, 0x2606)
export const UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE = named(SenseKey.illegalRequest, 0x2607)
export const TOO_MANY_SEGMENT_DESCRIPTORS = named(SenseKey.illegalRequest, 0x2608)
export const UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE = named(SenseKey.illegalRequest, 0x2609)
export const INLINE_DATA_LENGTH_EXCEEDED = named(SenseKey.illegalRequest, 0x260b)
export const COPY_SEGMENT_GRANULARITY_VIOLATION = named(SenseKey.illegalRequest, 0x260d)
export const INVALID_FAST_FORMAT = named(SenseKey.illegalRequest, 0x2409)
export const COMMAND_SEQUENCE_ERROR = named(SenseKey.illegalRequest, 0x2c00)
export const ILLEGAL_POWER_CONDITION_REQUEST = named(SenseKey.illegalRequest, 0x2c05)
export const NOT_RESERVED = named(SenseKey.illegalRequest, 0x2c0b)
export const ORWRITE_GENERATION_DOES_NOT_MATCH = named(SenseKey.illegalRequest, 0x2c0c)
export const CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT = named(SenseKey.illegalRequest, 0x3002)
export const SAVING_PARAMETERS_NOT_SUPPORTED = named(SenseKey.illegalRequest, 0x3900)
export const MEDIUM_DESTINATION_ELEMENT_FULL = named(SenseKey.illegalRequest, 0x3b0d)
export const MEDIUM_SOURCE_ELEMENT_EMPTY = named(SenseKey.illegalRequest, 0x3b0e)
export const INVALID_BITS_IN_IDENTIFY_MESSAGE = named(SenseKey.illegalRequest, 0x3d00)
export const MEDIUM_REMOVAL_PREVENTED = named(SenseKey.illegalRequest, 0x5302)
export const MEDIUM_REMOVAL_PREVENTED_BY_DATA_TRANSFER_ELEMENT = named(SenseKey.illegalRequest, 0x5303)
export const SYSTEM_RESOURCE_FAILURE = named(SenseKey.illegalRequest, 0x5500)
export const INSUFFICIENT_RESOURCES = named(SenseKey.illegalRequest, 0x5503)
export const INSUFFICIENT_RESOURCES_TO_CREATE_ROD_TOKEN = named(SenseKey.illegalRequest, 0x550d)
export const INSUFFICIENT_REGISTRATION_RESOURCES = named(SenseKey.illegalRequest, 0x5504)
export const MAXIMUM_NUMBER_OF_STREAMS_OPEN = named(SenseKey.illegalRequest, 0x5510)
export const ILLEGAL_MODE_FOR_THIS_TRACK = named(SenseKey.illegalRequest, 0x6400)
export const INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT = named(SenseKey.illegalRequest, 0x0e03)
export const INVALID_OPERATION_FOR_COPY_SOURCE_OR_DESTINATION = named(SenseKey.illegalRequest, 0x260c)

// ---- Something changed since this nexus asked last ----

export const NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED = named(SenseKey.unitAttention, 0x2800)
export const IMPORT_OR_EXPORT_ELEMENT_ACCESSED = named(SenseKey.unitAttention, 0x2801)
export const POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED = named(SenseKey.unitAttention, 0x2900)
export const POWER_ON_OCCURRED = named(SenseKey.unitAttention, 0x2901)
export const SCSI_BUS_RESET_OCCURRED = named(SenseKey.unitAttention, 0x2902)
export const BUS_DEVICE_RESET_FUNCTION_OCCURRED = named(SenseKey.unitAttention, 0x2903)
export const DEVICE_INTERNAL_RESET = named(SenseKey.unitAttention, 0x2904)
export const I_T_NEXUS_LOSS_OCCURRED = named(SenseKey.unitAttention, 0x2907)
export const PARAMETERS_CHANGED = named(SenseKey.unitAttention, 0x2a00)
export const PREVIOUS_BUSY_STATUS = named(SenseKey.unitAttention, 0x2c07)
export const PREVIOUS_TASK_SET_FULL_STATUS = named(SenseKey.unitAttention, 0x2c08)
export const PREVIOUS_RESERVATION_CONFLICT_STATUS = named(SenseKey.unitAttention, 0x2c09)
export const MODE_PARAMETERS_CHANGED = named(SenseKey.unitAttention, 0x2a01)
export const LOG_PARAMETERS_CHANGED = named(SenseKey.unitAttention, 0x2a02)
export const RESERVATIONS_PREEMPTED = named(SenseKey.unitAttention, 0x2a03)
export const RESERVATIONS_RELEASED = named(SenseKey.unitAttention, 0x2a04)
export const REGISTRATIONS_PREEMPTED = named(SenseKey.unitAttention, 0x2a05)
export const ASYMMETRIC_ACCESS_STATE_CHANGED = named(SenseKey.unitAttention, 0x2a06)
export const IMPLICIT_ASYMMETRIC_ACCESS_STATE_TRANSITION_FAILED = named(SenseKey.unitAttention, 0x2a07)
export const PRIORITY_CHANGED = named(SenseKey.unitAttention, 0x2a08)
export const CAPACITY_DATA_HAS_CHANGED = named(SenseKey.unitAttention, 0x2a09)
export const TIMESTAMP_CHANGED = named(SenseKey.unitAttention, 0x2a10)
export const COMMANDS_CLEARED_BY_ANOTHER_INITIATOR = named(SenseKey.unitAttention, 0x2f00)
export const COMMANDS_CLEARED_BY_POWER_LOSS_NOTIFICATION = named(SenseKey.unitAttention, 0x2f01)
export const COMMANDS_CLEARED_BY_DEVICE_SERVER = named(SenseKey.unitAttention, 0x2f02)
export const SOME_COMMANDS_CLEARED_BY_ISCSI_PROTOCOL_EVENT = named(SenseKey.unitAttention, 0x477f)
export const THIN_PROVISIONING_SOFT_THRESHOLD_REACHED = named(SenseKey.unitAttention, 0x3807)
export const TARGET_OPERATING_CONDITIONS_HAVE_CHANGED = named(SenseKey.unitAttention, 0x3f00)
export const MICROCODE_HAS_BEEN_CHANGED = named(SenseKey.unitAttention, 0x3f01)
export const CHANGED_OPERATING_DEFINITION = named(SenseKey.unitAttention, 0x3f02)
export const INQUIRY_DATA_HAS_CHANGED = named(SenseKey.unitAttention, 0x3f03)
export const DEVICE_IDENTIFIER_CHANGED = named(SenseKey.unitAttention, 0x3f05)
export const REPORTED_LUNS_DATA_HAS_CHANGED = named(SenseKey.unitAttention, 0x3f0e)
export const MICROCODE_HAS_BEEN_CHANGED_WITHOUT_RESET = named(SenseKey.unitAttention, 0x3f16)
export const OPERATOR_MEDIUM_REMOVAL_REQUEST = named(SenseKey.unitAttention, 0x5a01)
export const OPERATOR_SELECTED_WRITE_PROTECT = named(SenseKey.unitAttention, 0x5a02)
export const OPERATOR_SELECTED_WRITE_PERMIT = named(SenseKey.unitAttention, 0x5a03)
export const WARNING_SPECIFIED_TEMPERATURE_EXCEEDED = named(SenseKey.unitAttention, 0x0b01)

// ---- Writing is not allowed ----

export const WRITE_PROTECTED = named(SenseKey.dataProtect, 0x2700)
export const HARDWARE_WRITE_PROTECTED = named(SenseKey.dataProtect, 0x2701)
export const LOGICAL_UNIT_SOFTWARE_WRITE_PROTECTED = named(SenseKey.dataProtect, 0x2702)
export const ASSOCIATED_WRITE_PROTECT = named(SenseKey.dataProtect, 0x2703)
export const PERSISTENT_WRITE_PROTECT = named(SenseKey.dataProtect, 0x2704)
export const PERMANENT_WRITE_PROTECT = named(SenseKey.dataProtect, 0x2705)
export const CONDITIONAL_WRITE_PROTECT = named(SenseKey.dataProtect, 0x2706)
export const SPACE_ALLOCATION_FAILED_WRITE_PROTECT = named(SenseKey.dataProtect, 0x2707)
export const WORM_MEDIUM_OVERWRITE_ATTEMPTED = named(SenseKey.dataProtect, 0x300c)
export const SECURITY_ERROR = named(SenseKey.dataProtect, 0x7400)
export const END_OF_DATA_DETECTED = named(SenseKey.blankCheck, 0x0005)

// ---- A copy stopped ----

export const UNREACHABLE_COPY_TARGET = named(SenseKey.copyAborted, 0x0804)
export const THIRD_PARTY_DEVICE_FAILURE = named(SenseKey.copyAborted, 0x0d01)
export const COPY_TARGET_DEVICE_NOT_REACHABLE = named(SenseKey.copyAborted, 0x0d02)
export const INCORRECT_COPY_TARGET_DEVICE_TYPE = named(SenseKey.copyAborted, 0x0d03)
export const COPY_TARGET_DEVICE_DATA_UNDERRUN = named(SenseKey.copyAborted, 0x0d04)
export const COPY_TARGET_DEVICE_DATA_OVERRUN = named(SenseKey.copyAborted, 0x0d05)
/** COPY ABORTED without a closer reason. */
export const COPY_ABORTED = named(SenseKey.copyAborted, 0x0000)
export const UNEXPECTED_INEXACT_SEGMENT = named(SenseKey.copyAborted, 0x260a)

// ---- The command was ended before its end, mostly by the transport ----

export const UNEXPECTED_UNSOLICITED_DATA = named(SenseKey.abortedCommand, 0x0c0c)
export const NOT_ENOUGH_UNSOLICITED_DATA = named(SenseKey.abortedCommand, 0x0c0d)
export const INFORMATION_UNIT_TOO_SHORT = named(SenseKey.abortedCommand, 0x0e01)
export const INFORMATION_UNIT_TOO_LONG = named(SenseKey.abortedCommand, 0x0e02)
export const LOGICAL_BLOCK_GUARD_CHECK_FAILED = named(SenseKey.abortedCommand, 0x1001)
export const LOGICAL_BLOCK_APPLICATION_TAG_CHECK_FAILED = named(SenseKey.abortedCommand, 0x1002)
export const LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED = named(SenseKey.abortedCommand, 0x1003)
export const READ_ERROR_FAILED_RETRANSMISSION_REQUEST = named(SenseKey.abortedCommand, 0x1113)
export const INSUFFICIENT_TIME_FOR_OPERATION = named(SenseKey.abortedCommand, 0x2e00)
export const COMMAND_TIMEOUT_BEFORE_PROCESSING = named(SenseKey.abortedCommand, 0x2e01)
export const COMMAND_TIMEOUT_DURING_PROCESSING = named(SenseKey.abortedCommand, 0x2e02)
export const MESSAGE_ERROR = named(SenseKey.abortedCommand, 0x4300)
export const SELECT_OR_RESELECT_FAILURE = named(SenseKey.abortedCommand, 0x4500)
export const DATA_PHASE_CRC_ERROR_DETECTED = named(SenseKey.abortedCommand, 0x4701)
export const PROTOCOL_SERVICE_CRC_ERROR = named(SenseKey.abortedCommand, 0x4705)
export const INITIATOR_DETECTED_ERROR_MESSAGE_RECEIVED = named(SenseKey.abortedCommand, 0x4800)
export const INVALID_MESSAGE_ERROR = named(SenseKey.abortedCommand, 0x4900)
export const COMMAND_PHASE_ERROR = named(SenseKey.abortedCommand, 0x4a00)
export const DATA_PHASE_ERROR = named(SenseKey.abortedCommand, 0x4b00)
export const INVALID_TARGET_PORT_TRANSFER_TAG_RECEIVED = named(SenseKey.abortedCommand, 0x4b01)
export const TOO_MUCH_WRITE_DATA = named(SenseKey.abortedCommand, 0x4b02)
export const DATA_OFFSET_ERROR = named(SenseKey.abortedCommand, 0x4b05)
export const INITIATOR_RESPONSE_TIMEOUT = named(SenseKey.abortedCommand, 0x4b06)
export const CONNECTION_LOST = named(SenseKey.abortedCommand, 0x4b07)
export const OVERLAPPED_COMMANDS_ATTEMPTED = named(SenseKey.abortedCommand, 0x4e00)
export const SYSTEM_BUFFER_FULL = named(SenseKey.abortedCommand, 0x5501)
export const VOLUME_OVERFLOW_END_OF_PARTITION_OR_MEDIUM = named(SenseKey.volumeOverflow, 0x0002)

// ---- Compared data differ ----

export const MISCOMPARE_DURING_VERIFY_OPERATION = named(SenseKey.miscompare, 0x1d00)
export const MISCOMPARE_OF_GUARD = named(SenseKey.miscompare, 0x1001)
export const MISCOMPARE_OF_APPLICATION_TAG = named(SenseKey.miscompare, 0x1002)
export const MISCOMPARE_OF_REFERENCE_TAG = named(SenseKey.miscompare, 0x1003)
export const MISCOMPARE_VERIFY_OF_UNMAPPED_LBA = named(SenseKey.miscompare, 0x1d01)

const RANGES: Readonly<Record<number, (ascq: number) => string>> = {
  64: ascq => `DIAGNOSTIC FAILURE ON COMPONENT ${hex(ascq)}`,
  77: ascq => `TAGGED OVERLAPPED COMMANDS (TASK TAG ${hex(ascq)})`,
  112: ascq => `DECOMPRESSION EXCEPTION SHORT ALGORITHM ID OF ${hex(ascq)}`,
}

/** Sense key names, by number (SPC-4, sense key and additional sense code definitions). */
export const SENSE_KEY_TEXT: readonly string[] = [
  'NO SENSE',
  'RECOVERED ERROR',
  'NOT READY',
  'MEDIUM ERROR',
  'HARDWARE ERROR',
  'ILLEGAL REQUEST',
  'UNIT ATTENTION',
  'DATA PROTECT',
  'BLANK CHECK',
  'VENDOR SPECIFIC',
  'COPY ABORTED',
  'ABORTED COMMAND',
  'RESERVED',
  'VOLUME OVERFLOW',
  'MISCOMPARE',
  'COMPLETED',
]

/** `MEDIUM ERROR: WRITE ERROR (3h 0Ch/00h)`: what a log or a user is told. */
export function senseText(key: number, asc: number, ascq: number): string {
  return `${SENSE_KEY_TEXT[key & 0xf]}: ${ascText(asc, ascq)} (${(key & 0xf).toString(16).toUpperCase()}h ${hex(asc)}/${hex(ascq)})`
}

/** T10's text of an additional sense code alone, or a sentence saying that it is a vendor's or unknown. */
export function ascText(asc: number, ascq: number): string {
  const text = ASC_TEXT.get((asc << 8) | ascq) ?? RANGES[asc]?.(ascq)
  if (text !== undefined) return text
  return asc >= 0x80 || ascq >= 0x80 ? 'VENDOR SPECIFIC' : 'UNKNOWN ADDITIONAL SENSE CODE'
}

const hex = (value: number): string => `${value.toString(16).toUpperCase().padStart(2, '0')}h`
