// SPDX-License-Identifier: Apache-2.0
// struct sg_io_hdr of Linux's <scsi/sg.h>, version 3, as 64-bit machines lay it out: the members that are used, and their numbers.
import { endianness } from 'node:os'

/** Bytes of the structure. */
export const HEADER_LENGTH = 88
/** Bytes of struct sg_iovec: address, length. */
export const VECTOR_LENGTH = 16
/** Most commands that one open file takes before the first has been read back (SG_MAX_QUEUE). */
export const MOST_COMMANDS = 16
/** Most bytes of sense data that the kernel keeps (SCSI_SENSE_BUFFERSIZE). */
export const SENSE_LENGTH = 96
/** Most bytes of a CDB that the interface takes (SG_MAX_CDB_SIZE); the kernel below may take fewer. */
export const CDB_LENGTH = 252

/** Offsets; addresses are 64 bits wide. */
export const AT = Object.freeze({
  interfaceId: 0,
  direction: 4,
  cdbLength: 8,
  senseRoom: 9,
  vectorCount: 10,
  dataLength: 12,
  data: 16,
  cdb: 24,
  sense: 32,
  timeout: 40,
  flags: 44,
  packId: 48,
  status: 64,
  senseLength: 67,
  hostStatus: 68,
  driverStatus: 70,
  residual: 72,
} as const)

/** The interface's name in `interface_id`. */
const INTERFACE = 0x53
/** SG_DXFER_…: negative, so that the kernel tells this structure from its older one. */
const DXFER = Object.freeze({ none: -1, out: -2, in: -3 } as const)
export type Transfer = keyof typeof DXFER
/** SG_FLAG_Q_AT_TAIL: behind all that the unit has been given before; the kernel's default is the head. */
const AT_TAIL = 0x10

/** The structure is laid out as here: 64-bit, little-endian. */
export const layoutFits = (): boolean => process.arch.endsWith('64') && endianness() === 'LE'

/** Addresses within the memory of one command, and how it goes. */
export interface HeaderFields {
  readonly id: number
  readonly cdb: number
  readonly cdbLength: number
  readonly sense: number
  readonly transfer: Transfer
  /** Of the list of vectors. */
  readonly vectors: number
  readonly vectorCount: number
  /** Sum of the vectors. */
  readonly length: number
  /** Milliseconds. */
  readonly timeout: number
}

/** Writes what the kernel reads. */
export function writeHeader(header: Buffer, fields: HeaderFields): void {
  header.fill(0)
  header.writeInt32LE(INTERFACE, AT.interfaceId)
  header.writeInt32LE(DXFER[fields.transfer], AT.direction)
  header[AT.cdbLength] = fields.cdbLength
  header[AT.senseRoom] = SENSE_LENGTH
  header.writeUInt16LE(fields.vectorCount, AT.vectorCount)
  header.writeUInt32LE(fields.length, AT.dataLength)
  writeAddress(header, fields.vectorCount === 0 ? 0 : fields.vectors, AT.data)
  writeAddress(header, fields.cdb, AT.cdb)
  writeAddress(header, fields.sense, AT.sense)
  header.writeUInt32LE(fields.timeout, AT.timeout)
  header.writeUInt32LE(AT_TAIL, AT.flags)
  header.writeInt32LE(fields.id, AT.packId)
}

/** An address or a length of 64 bits; numbers of JavaScript hold what a process can have. */
export function writeAddress(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value >>> 0, at)
  into.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}
