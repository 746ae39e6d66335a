// SPDX-License-Identifier: Apache-2.0
// TransportIDs: an initiator port as persistent reservations name it, built and read.
import { bits, u16 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'
import { ProtocolId } from './designator.ts'

/** First bytes of every TransportID. ADDITIONAL LENGTH, from byte 4, is iSCSI's alone: the others have 24 bytes. */
export const TRANSPORT_ID_HEADER = layout('TransportID', 'SPC-4 TransportID identifiers', 4, {
  format: bits(0, 7, 6),
  protocol: bits(0, 3, 0),
  additionalLength: u16(2),
})

/** An initiator port. */
export type TransportId =
  /** Format 0 without `isid`: all ports of the initiator. `isid` is 12 hex digits. */
  | { readonly protocol: typeof ProtocolId.iscsi; readonly name: string; readonly isid?: string }
  /** N_Port_Name of 8 bytes, SAS address of 8, or initiator port identifier of 16 (SRP), as hex digits. */
  | {
      readonly protocol: typeof ProtocolId.fibreChannel | typeof ProtocolId.sas | typeof ProtocolId.rdma
      readonly port: string
    }

const FIXED_LENGTH = 24

// Where the port stands in the 24 bytes, and how long it is.
const PLACE: Readonly<Record<number, readonly [from: number, length: number]>> = {
  [ProtocolId.fibreChannel]: [8, 8],
  [ProtocolId.rdma]: [8, 16],
  [ProtocolId.sas]: [4, 8],
}

/** A TransportID's bytes. Throws a RangeError if the name, ISID or port is no such thing. */
export function writeTransportId(id: TransportId): Uint8Array {
  if (id.protocol === ProtocolId.iscsi) return writeIscsi(id.name, id.isid)
  const [from, length] = PLACE[id.protocol]!
  if (!isHex(id.port, length * 2)) throw new RangeError(`Port ${id.port} is not ${length * 2} hex digits`)
  const made = new Uint8Array(FIXED_LENGTH)
  TRANSPORT_ID_HEADER.field.protocol.set(made, 0, id.protocol)
  for (let i = 0; i < length; i++) made[from + i] = Number.parseInt(id.port.slice(2 * i, 2 * i + 2), 16)
  return made
}

function writeIscsi(name: string, isid: string | undefined): Uint8Array {
  if (isid !== undefined && !isHex(isid, 12)) throw new RangeError(`ISID ${isid} is not 12 hex digits`)
  const text = new TextEncoder().encode(isid === undefined ? name : `${name},i,0x${isid}`)
  if (name === '' || name.length > 223 || text.includes(0) || name.includes(',')) {
    throw new RangeError(`iSCSI name ${JSON.stringify(name)} is empty, too long or has a comma or zero in it`)
  }
  // One zero at least, a multiple of four, and never shorter than the other protocols' 24 bytes.
  const made = new Uint8Array(Math.max(FIXED_LENGTH, 4 + ((text.length + 4) & ~3)))
  const format = isid === undefined ? 0 : 1
  TRANSPORT_ID_HEADER.write({ format, protocol: ProtocolId.iscsi, additionalLength: made.length - 4 }, made)
  made.set(text, 4)
  return made
}

/** A TransportID as read, and its length in bytes: the next one starts there. */
export interface ReadTransportId {
  readonly id: TransportId
  readonly length: number
}

/** Reads the TransportID at `at`. Null if it is cut off, malformed or of a protocol without initiator ports here. */
export function readTransportId(bytes: Uint8Array, at = 0): ReadTransportId | null {
  if (at + FIXED_LENGTH > bytes.length) return null
  const f = TRANSPORT_ID_HEADER.field
  const protocol = f.protocol.get(bytes, at)
  const format = f.format.get(bytes, at)
  if (protocol === ProtocolId.iscsi) return readIscsi(bytes, at, format)
  const place = PLACE[protocol]
  if (place === undefined || format !== 0) return null
  const port = hex(bytes.subarray(at + place[0], at + place[0] + place[1]))
  return { id: { protocol: protocol as 0 | 4 | 6, port }, length: FIXED_LENGTH }
}

function readIscsi(bytes: Uint8Array, at: number, format: number): ReadTransportId | null {
  const length = 4 + TRANSPORT_ID_HEADER.field.additionalLength.get(bytes, at)
  if (format > 1 || length < FIXED_LENGTH || length % 4 !== 0 || at + length > bytes.length) return null
  const zero = bytes.subarray(at + 4, at + length).indexOf(0)
  if (zero < 1) return null
  const text = new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + zero))
  if (format === 0) return { id: { protocol: ProtocolId.iscsi, name: text }, length }
  const split = text.indexOf(',i,0x')
  const isid = text.slice(split + 5).toLowerCase()
  if (split < 1 || !isHex(isid, 12)) return null
  return { id: { protocol: ProtocolId.iscsi, name: text.slice(0, split), isid }, length }
}

const isHex = (text: string, length: number): boolean => text.length === length && /^[0-9a-f]+$/i.test(text)
const hex = (value: Uint8Array): string =>
  Array.from(value, one => one.toString(16).padStart(2, '0')).join('')
