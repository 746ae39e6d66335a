// SPDX-License-Identifier: Apache-2.0
// What every PDU has to look like by itself, as a table by opcode: bits, codes, additional headers, data and digests (RFC 7143, 11).
import {
  ASYNC_MESSAGE,
  BHS_LENGTH,
  DATA_IN,
  DATA_OUT,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  NOP_OUT,
  Opcode,
  PDU_BY_OPCODE,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  SNACK,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEXT_REQUEST,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import type { Side, TappedPdu } from './wire-tap.ts'

/** A fault: the check that found it, and in words what was wrong. */
export type Finding = readonly [check: string, text: string]

interface Form {
  readonly side: Side
  /** Without data by the standard. */
  readonly isEmpty?: true
  /** F is always set. */
  readonly isFinal?: true
  /** Whether the codes in its fields are defined ones. */
  readonly codes?: (header: Buffer) => boolean
  /** Whether the fields are zero (or the reserved tag) that have no meaning in this one. */
  readonly unused?: (header: Buffer) => boolean
}

const isZero = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 0)
const between = (low: number, value: number, high: number): boolean => value >= low && value <= high
/** Functions that name a unit. */
const OF_UNIT = [1, 2, 3, 4, 5]

const FORMS: Readonly<Record<number, Form>> = {
  [Opcode.nopOut]: {
    side: 'initiator',
    isFinal: true,
    unused: header =>
      NOP_OUT.field.ttt.get(header, 0) !== RESERVED_TAG || isZero(NOP_OUT.field.lun.get(header, 0)),
  },
  [Opcode.scsiCommand]: {
    side: 'initiator',
    codes: header => SCSI_COMMAND.field.attribute.get(header, 0) <= 4,
  },
  [Opcode.taskManagementRequest]: {
    side: 'initiator',
    isEmpty: true,
    isFinal: true,
    codes: header => between(1, TASK_MANAGEMENT_REQUEST.field.function.get(header, 0), 12),
    unused: header => {
      const request = TASK_MANAGEMENT_REQUEST.read(header)
      const { lun, refCmdSn, expDataSn, referencedTaskTag } = request
      return (
        (OF_UNIT.includes(request.function) || isZero(lun)) &&
        (request.function === 1 || refCmdSn === 0) &&
        (request.function === 8 || expDataSn === 0) &&
        (request.function === 1 || request.function === 8 || referencedTaskTag === RESERVED_TAG)
      )
    },
  },
  [Opcode.loginRequest]: {
    side: 'initiator',
    codes: header => {
      const { csg, nsg, versionMax, versionMin } = LOGIN_REQUEST.read(header)
      return csg < 2 && nsg !== 2 && versionMax === 0 && versionMin === 0
    },
    unused: header =>
      LOGIN_REQUEST.field.transit.get(header, 0) === 1 || LOGIN_REQUEST.field.nsg.get(header, 0) === 0,
  },
  [Opcode.textRequest]: {
    side: 'initiator',
    unused: header =>
      TEXT_REQUEST.field.ttt.get(header, 0) !== RESERVED_TAG || isZero(TEXT_REQUEST.field.lun.get(header, 0)),
  },
  [Opcode.dataOut]: {
    side: 'initiator',
    unused: header =>
      (header[0]! & 0x40) === 0 &&
      (DATA_OUT.field.ttt.get(header, 0) !== RESERVED_TAG || isZero(DATA_OUT.field.lun.get(header, 0))),
  },
  [Opcode.logoutRequest]: {
    side: 'initiator',
    isEmpty: true,
    isFinal: true,
    codes: header => LOGOUT_REQUEST.field.reason.get(header, 0) <= 2,
  },
  [Opcode.snack]: {
    side: 'initiator',
    isEmpty: true,
    isFinal: true,
    codes: header => SNACK.field.type.get(header, 0) <= 3,
  },
  [Opcode.nopIn]: { side: 'target', isFinal: true },
  [Opcode.scsiResponse]: {
    side: 'target',
    isFinal: true,
    codes: header => {
      const code = SCSI_RESPONSE.field.response.get(header, 0)
      return code <= 1 || code >= 0x80
    },
    unused: header => {
      const { overflow, underflow, residualCount, bidiOverflow, bidiUnderflow, bidiResidualCount } =
        SCSI_RESPONSE.read(header)
      return (
        (overflow + underflow > 0 || residualCount === 0) &&
        (bidiOverflow + bidiUnderflow > 0 || bidiResidualCount === 0)
      )
    },
  },
  [Opcode.taskManagementResponse]: {
    side: 'target',
    isEmpty: true,
    isFinal: true,
    codes: header => {
      const code = TASK_MANAGEMENT_RESPONSE.field.response.get(header, 0)
      return code <= 7 || code === 255
    },
  },
  [Opcode.loginResponse]: { side: 'target' },
  [Opcode.textResponse]: {
    side: 'target',
    unused: header =>
      TEXT_RESPONSE.field.ttt.get(header, 0) !== RESERVED_TAG ||
      isZero(TEXT_RESPONSE.field.lun.get(header, 0)),
  },
  [Opcode.dataIn]: {
    side: 'target',
    unused: header => {
      const { statusPresent, statSn, status, residualCount, overflow, underflow, acknowledge, ttt, lun } =
        DATA_IN.read(header)
      return (
        (statusPresent === 1 || statSn + status + residualCount + overflow + underflow === 0) &&
        (overflow + underflow > 0 || residualCount === 0) &&
        (acknowledge === 1 || (ttt === RESERVED_TAG && isZero(lun)))
      )
    },
  },
  [Opcode.logoutResponse]: {
    side: 'target',
    isEmpty: true,
    isFinal: true,
    codes: header => LOGOUT_RESPONSE.field.response.get(header, 0) <= 3,
  },
  [Opcode.r2t]: { side: 'target', isEmpty: true, isFinal: true },
  [Opcode.asyncMessage]: {
    side: 'target',
    isFinal: true,
    codes: header => {
      const event = ASYNC_MESSAGE.field.asyncEvent.get(header, 0)
      return event <= 5 || event >= 248
    },
  },
  [Opcode.reject]: {
    side: 'target',
    isFinal: true,
    codes: header => {
      const reason = REJECT.field.reason.get(header, 0)
      return between(2, reason, 12) && reason !== RejectReason.negotiationReset
    },
  },
}

/** Length of a CDB by its first bytes (SPC-4, 4.3); 0 where only the vendor knows. */
function cdbLength(cdb: Uint8Array): number {
  if (cdb[0] === 0x7f) return cdb[7]! + 8
  return [6, 10, 10, 0, 16, 12, 0, 0][cdb[0]! >> 5]!
}

/** The additional segments of a header: type, byte 3, and the bytes behind it. */
function segmentsOf(header: Buffer): { type: number; reserved: number; body: Buffer }[] {
  const segments = []
  for (let at = BHS_LENGTH; at < header.length; ) {
    const length = header.readUInt16BE(at)
    segments.push({
      type: header[at + 2]!,
      reserved: header[at + 3]!,
      body: header.subarray(at + 4, at + 3 + length),
    })
    at += (3 + length + 3) & ~3
  }
  return segments
}

function ahsFault({ opcode, header }: TappedPdu): string | null {
  if (opcode !== Opcode.scsiCommand) return header.length > BHS_LENGTH ? 'has an additional header' : null
  const length = cdbLength(SCSI_COMMAND.field.cdb.get(header, 0))
  const segments = segmentsOf(header)
  const long = segments.filter(({ type }) => type === 1)
  if (long.length !== (length > 16 ? 1 : 0)) return `has ${long.length} segments for a CDB of ${length} bytes`
  if (long[0] !== undefined && long[0].body.length !== length - 16) {
    return `has ${long[0].body.length} bytes behind the first 16 of a CDB of ${length}`
  }
  const { read, write } = SCSI_COMMAND.read(header)
  const both = segments.filter(({ type, body }) => type === 2 && body.length === 4)
  if (both.length !== read * write) return 'has a wrong number of read lengths'
  if (segments.some(({ reserved }) => reserved !== 0)) return 'has a reserved byte in its additional header'
  return null
}

/** The remainder of the polynomial division, bit by bit, as the four bytes of a digest (RFC 7143, 13.1). */
export function slowDigest(...parts: readonly Uint8Array[]): Buffer {
  let remainder = 0xffff_ffff
  for (const byte of Buffer.concat(parts)) {
    for (let bit = 0; bit < 8; bit++) {
      const top = (remainder >>> 31) ^ ((byte >> bit) & 1)
      remainder = (remainder << 1) ^ (top === 1 ? 0x1edc_6f41 : 0)
    }
  }
  const digest = Buffer.alloc(4)
  for (let bit = 0; bit < 32; bit++) {
    // The first coefficient of each byte is its lowest bit on the wire.
    digest[bit >> 3]! |= ((~remainder >>> (31 - bit)) & 1) << (bit & 7)
  }
  return digest
}

function digestFault({ header, data, padding, headerDigest, dataDigest }: TappedPdu): string | null {
  if (headerDigest !== null && !headerDigest.equals(slowDigest(header))) return 'has a wrong header digest'
  if (dataDigest !== null && !dataDigest.equals(slowDigest(data, padding))) return 'has a wrong data digest'
  return null
}

/** What is wrong with a PDU by itself. */
export function findingsOf(pdu: TappedPdu): Finding[] {
  const { opcode, header, data, padding, from } = pdu
  const form = FORMS[opcode]
  if (form === undefined || form.side !== from)
    return [['opcode', `opcode 0x${opcode.toString(16)} of the ${from}`]]
  const layout = PDU_BY_OPCODE[opcode]!
  const found: Finding[] = []
  const unless = (holds: boolean, check: string, text: string): void => {
    if (!holds) found.push([check, `${layout.dump(header)}: ${text}`])
  }
  unless(layout.reserved(header) === null, 'reserved', 'a reserved bit is set')
  unless(form.unused?.(header) !== false, 'reserved', 'a field is set that has no meaning here')
  unless(form.codes?.(header) !== false, 'codes', 'a reserved code is used')
  unless(form.isFinal !== true || (header[1]! & 0x80) !== 0, 'final', 'F is not set')
  unless(form.isEmpty !== true || data.length === 0, 'empty', 'there is data')
  unless(isZero(padding), 'padding', 'the padding is not zero')
  const ahs = ahsFault(pdu)
  unless(ahs === null, 'ahs', ahs ?? '')
  const digest = digestFault(pdu)
  unless(digest === null, 'digest', digest ?? '')
  return found
}
