// SPDX-License-Identifier: Apache-2.0
// Sense data in fixed and in descriptor format, written from one description and read back into one.
import { bit, bits, u8, u16, u32, u64 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'
import { type SenseCode, SenseKey } from './sense-code.ts'

/** Where the wrong field is: byte and most significant bit, -1 for the whole byte. */
export interface FieldPointer {
  readonly byte: number
  readonly bit: number
  /** True if it points into the CDB, false if into the parameter data. */
  readonly inCdb: boolean
}

/** What sense data may say besides key, ASC and ASCQ. */
export interface SenseExtra {
  /** INFORMATION: an LBA, an offset or a residue, as the command's clause says. Negative in two's complement. */
  readonly information?: number
  /** COMMAND-SPECIFIC INFORMATION. */
  readonly commandSpecific?: number
  /** Written with ILLEGAL REQUEST only. */
  readonly fieldPointer?: FieldPointer
  /** 0 to 65535, as a fraction of 65536. Written with NO SENSE and NOT READY only. */
  readonly progress?: number
  /** The condition belongs to an earlier command. */
  readonly deferred?: boolean
  readonly filemark?: boolean
  readonly endOfMedium?: boolean
  /** Incorrect length indicator. */
  readonly incorrectLength?: boolean
}

/** Sense data as read. Flags that are not there are false; numbers that are not there are absent. */
export interface SenseReport extends SenseExtra {
  readonly key: number
  readonly asc: number
  readonly ascq: number
  readonly deferred: boolean
  readonly descriptor: boolean
}

/** No sense data that `writeSense` makes is longer. */
export const SENSE_LENGTH_MAX = 48

export const FIXED_SENSE = layout('Fixed sense', 'SPC-4 Fixed format sense data', 18, {
  valid: bit(0, 7),
  responseCode: bits(0, 6, 0),
  filemark: bit(2, 7),
  endOfMedium: bit(2, 6),
  incorrectLength: bit(2, 5),
  overflow: bit(2, 4),
  key: bits(2, 3, 0),
  information: u32(3),
  additionalLength: u8(7),
  commandSpecific: u32(8),
  asc: u8(12),
  ascq: u8(13),
  unitCode: u8(14),
  keySpecificValid: bit(15, 7),
  inCdb: bit(15, 6),
  bitPointerValid: bit(15, 3),
  bitPointer: bits(15, 2, 0),
  fieldPointer: u16(16),
})

export const DESCRIPTOR_SENSE = layout('Descriptor sense', 'SPC-4 Descriptor format sense data', 8, {
  responseCode: bits(0, 6, 0),
  key: bits(1, 3, 0),
  asc: u8(2),
  ascq: u8(3),
  overflow: bit(4, 7),
  additionalLength: u8(7),
})

export const INFORMATION_SENSE = layout('Information', 'SPC-4 Information sense data descriptor', 12, {
  type: u8(0),
  additionalLength: u8(1),
  valid: bit(2, 7),
  information: u64(4),
})

export const COMMAND_SPECIFIC_SENSE = layout(
  'Command specific',
  'SPC-4 Command specific sense data descriptor',
  12,
  { type: u8(0), additionalLength: u8(1), information: u64(4) },
)

export const KEY_SPECIFIC_SENSE = layout(
  'Sense key specific',
  'SPC-4 Sense key specific sense data descriptor',
  8,
  {
    type: u8(0),
    additionalLength: u8(1),
    keySpecificValid: bit(4, 7),
    inCdb: bit(4, 6),
    bitPointerValid: bit(4, 3),
    bitPointer: bits(4, 2, 0),
    fieldPointer: u16(5),
  },
)

/** Type 04h (stream commands) with all flags; type 05h (block commands) has `incorrectLength` alone. */
export const STREAM_SENSE = layout('Stream commands', 'SSC-4 Stream commands sense data descriptor', 4, {
  type: u8(0),
  additionalLength: u8(1),
  filemark: bit(3, 7),
  endOfMedium: bit(3, 6),
  incorrectLength: bit(3, 5),
})

const NOTHING: SenseExtra = Object.freeze({})

/**
 * Writes sense data to the start of `into` and returns its length: 18 for the fixed format, 8 to 48 for the
 * descriptor format. A shorter `into` gets the start of it, as a short allocation length would.
 */
export function writeSense(
  into: Uint8Array,
  descriptor: boolean,
  code: SenseCode,
  extra: SenseExtra = NOTHING,
): number {
  const length = descriptor ? writeDescriptor(into, code, extra) : writeFixed(into, code, extra)
  return Math.min(length, into.length)
}

function writeFixed(into: Uint8Array, code: SenseCode, extra: SenseExtra): number {
  const f = FIXED_SENSE.field
  into.fill(0, 0, FIXED_SENSE.length)
  f.responseCode.set(into, 0, extra.deferred ? 0x71 : 0x70)
  f.key.set(into, 0, code.key)
  f.additionalLength.set(into, 0, FIXED_SENSE.length - 8)
  f.asc.set(into, 0, code.asc)
  f.ascq.set(into, 0, code.ascq)
  if (extra.filemark) f.filemark.set(into, 0, 1)
  if (extra.endOfMedium) f.endOfMedium.set(into, 0, 1)
  if (extra.incorrectLength) f.incorrectLength.set(into, 0, 1)
  const { information = code.information, commandSpecific } = extra
  // What does not fit in four bytes is left out: only the descriptor format can say it.
  if (information !== undefined && information < 0x1_0000_0000 && information >= -0x8000_0000) {
    f.valid.set(into, 0, 1)
    f.information.set(into, 0, information)
  }
  if (commandSpecific !== undefined && commandSpecific < 0x1_0000_0000) {
    f.commandSpecific.set(into, 0, commandSpecific)
  }
  writeKeySpecific(into, f, 0, code, extra)
  return FIXED_SENSE.length
}

function writeDescriptor(into: Uint8Array, code: SenseCode, extra: SenseExtra): number {
  const f = DESCRIPTOR_SENSE.field
  into.fill(0, 0, DESCRIPTOR_SENSE.length)
  f.responseCode.set(into, 0, extra.deferred ? 0x73 : 0x72)
  f.key.set(into, 0, code.key)
  f.asc.set(into, 0, code.asc)
  f.ascq.set(into, 0, code.ascq)
  let at = DESCRIPTOR_SENSE.length
  const { information = code.information, commandSpecific } = extra
  if (information !== undefined) {
    into.fill(0, at, at + INFORMATION_SENSE.length)
    INFORMATION_SENSE.write({ type: 0x00, additionalLength: 10, valid: 1, information }, into, at)
    at += INFORMATION_SENSE.length
  }
  if (commandSpecific !== undefined) {
    into.fill(0, at, at + COMMAND_SPECIFIC_SENSE.length)
    COMMAND_SPECIFIC_SENSE.write({ type: 0x01, additionalLength: 10, information: commandSpecific }, into, at)
    at += COMMAND_SPECIFIC_SENSE.length
  }
  into.fill(0, at, at + KEY_SPECIFIC_SENSE.length)
  if (writeKeySpecific(into, KEY_SPECIFIC_SENSE.field, at, code, extra)) {
    KEY_SPECIFIC_SENSE.write({ type: 0x02, additionalLength: 6 }, into, at)
    at += KEY_SPECIFIC_SENSE.length
  }
  if (extra.filemark || extra.endOfMedium || extra.incorrectLength) {
    const values = {
      type: extra.filemark || extra.endOfMedium ? 0x04 : 0x05,
      additionalLength: 2,
      filemark: extra.filemark ? 1 : 0,
      endOfMedium: extra.endOfMedium ? 1 : 0,
      incorrectLength: extra.incorrectLength ? 1 : 0,
    }
    into.fill(0, at, at + STREAM_SENSE.length)
    STREAM_SENSE.write(values, into, at)
    at += STREAM_SENSE.length
  }
  f.additionalLength.set(into, 0, at - DESCRIPTOR_SENSE.length)
  return at
}

type KeySpecificFields = Pick<
  typeof KEY_SPECIFIC_SENSE.field,
  'keySpecificValid' | 'inCdb' | 'bitPointerValid' | 'bitPointer' | 'fieldPointer'
>

function writeKeySpecific(
  into: Uint8Array,
  f: KeySpecificFields,
  at: number,
  code: SenseCode,
  extra: SenseExtra,
): boolean {
  const { fieldPointer, progress } = extra
  if (fieldPointer !== undefined && code.key === SenseKey.illegalRequest) {
    f.inCdb.set(into, at, fieldPointer.inCdb ? 1 : 0)
    if (fieldPointer.bit >= 0) {
      f.bitPointerValid.set(into, at, 1)
      f.bitPointer.set(into, at, fieldPointer.bit)
    }
    f.fieldPointer.set(into, at, fieldPointer.byte)
  } else if (progress !== undefined && hasProgress(code.key)) {
    f.fieldPointer.set(into, at, progress)
  } else return false
  f.keySpecificValid.set(into, at, 1)
  return true
}

const hasProgress = (key: number): boolean => key === SenseKey.noSense || key === SenseKey.notReady

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Reads sense data of either format, however short or wrong: what is cut off or malformed is left out. Null if the
 * response code is none of 70h to 73h or the sense key is cut off.
 */
export function readSense(bytes: Uint8Array): SenseReport | null {
  const response = bytes.length > 0 ? bytes[0]! & 0x7f : 0
  if (response === 0x70 || response === 0x71) return readFixed(bytes)
  if (response === 0x72 || response === 0x73) return readDescriptor(bytes)
  return null
}

/** SPC-4, sense data: longest. */
export const LONGEST_SENSE_DATA = 252

/** Why these bytes are not whole sense data of either format, as the end of a sentence; empty if they are. What is only vendor specific is theirs. */
export function senseFault(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'are missing'
  if (bytes.length > LONGEST_SENSE_DATA) return `are ${bytes.length} bytes long`
  const response = bytes[0]! & 0x7f
  if (response < 0x70 || response > 0x73) return `have the response code ${response.toString(16)}h`
  const isFixed = response < 0x72
  if (bytes.length < (isFixed ? 14 : DESCRIPTOR_SENSE.length)) return `end after ${bytes.length} bytes`
  const end = 8 + bytes[7]!
  if (end > bytes.length) return `say that they have ${end} bytes, and have ${bytes.length}`
  if (isFixed) return end < 14 ? 'end before the additional sense code' : ''
  for (let at = DESCRIPTOR_SENSE.length; at < end; at += 2 + bytes[at + 1]!) {
    const fits = at + 2 <= end && at + 2 + bytes[at + 1]! <= end
    if (!fits) return 'have a descriptor that does not fit'
  }
  return ''
}

function readFixed(bytes: Uint8Array): SenseReport | null {
  if (bytes.length < 3) return null
  const f = FIXED_SENSE.field
  const end = bytes.length > 7 ? Math.min(bytes.length, 8 + bytes[7]!) : bytes.length
  const report: Writable<SenseReport> = {
    key: f.key.get(bytes, 0),
    asc: end > 12 ? f.asc.get(bytes, 0) : 0,
    ascq: end > 13 ? f.ascq.get(bytes, 0) : 0,
    deferred: f.responseCode.get(bytes, 0) === 0x71,
    descriptor: false,
    filemark: f.filemark.get(bytes, 0) === 1,
    endOfMedium: f.endOfMedium.get(bytes, 0) === 1,
    incorrectLength: f.incorrectLength.get(bytes, 0) === 1,
  }
  if (end >= 7 && f.valid.get(bytes, 0) === 1) report.information = f.information.get(bytes, 0)
  // The fixed format has no flag for this one: zero is what it says when it says nothing.
  if (end >= 12 && f.commandSpecific.get(bytes, 0) !== 0)
    report.commandSpecific = f.commandSpecific.get(bytes, 0)
  if (end >= 18) readKeySpecific(bytes, f, 0, report)
  return report
}

function readDescriptor(bytes: Uint8Array): SenseReport | null {
  if (bytes.length < 2) return null
  const f = DESCRIPTOR_SENSE.field
  const report: Writable<SenseReport> = {
    key: f.key.get(bytes, 0),
    asc: bytes.length > 2 ? f.asc.get(bytes, 0) : 0,
    ascq: bytes.length > 3 ? f.ascq.get(bytes, 0) : 0,
    deferred: f.responseCode.get(bytes, 0) === 0x73,
    descriptor: true,
    filemark: false,
    endOfMedium: false,
    incorrectLength: false,
  }
  const end = bytes.length > 7 ? Math.min(bytes.length, 8 + bytes[7]!) : 0
  // A descriptor is at least its two header bytes long, so the walk always gets on.
  for (let at = 8; at + 2 <= end; at += 2 + bytes[at + 1]!) {
    if (at + 2 + bytes[at + 1]! <= end) readOne(bytes, at, bytes[at + 1]!, report)
  }
  return report
}

function readOne(bytes: Uint8Array, at: number, length: number, report: Writable<SenseReport>): void {
  const type = bytes[at]!
  if (type === 0x00 && length >= 10 && INFORMATION_SENSE.field.valid.get(bytes, at) === 1) {
    report.information = signed64(bytes, at + 4)
  } else if (type === 0x01 && length >= 10) {
    report.commandSpecific = COMMAND_SPECIFIC_SENSE.field.information.get(bytes, at)
  } else if (type === 0x02 && length >= 6) {
    readKeySpecific(bytes, KEY_SPECIFIC_SENSE.field, at, report)
  } else if ((type === 0x04 || type === 0x05) && length >= 2) {
    report.incorrectLength = STREAM_SENSE.field.incorrectLength.get(bytes, at) === 1
    if (type === 0x05) return
    report.filemark = STREAM_SENSE.field.filemark.get(bytes, at) === 1
    report.endOfMedium = STREAM_SENSE.field.endOfMedium.get(bytes, at) === 1
  }
}

/** A residue may be negative (SSC-4), and no LBA is so large that it looks like one. */
const signed64 = (bytes: Uint8Array, at: number): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigInt64(at))

function readKeySpecific(
  bytes: Uint8Array,
  f: KeySpecificFields,
  at: number,
  report: Writable<SenseReport>,
): void {
  if (f.keySpecificValid.get(bytes, at) === 0) return
  if (report.key === SenseKey.illegalRequest) {
    report.fieldPointer = {
      byte: f.fieldPointer.get(bytes, at),
      bit: f.bitPointerValid.get(bytes, at) === 1 ? f.bitPointer.get(bytes, at) : -1,
      inCdb: f.inCdb.get(bytes, at) === 1,
    }
  } else if (hasProgress(report.key)) report.progress = f.fieldPointer.get(bytes, at)
}
