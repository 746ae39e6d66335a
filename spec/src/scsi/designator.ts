// SPDX-License-Identifier: Apache-2.0
// Designation descriptors of VPD page 83h: who a logical unit, a port or a target is, built and read.
import { bit, bits, u8 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** DESIGNATOR TYPE (SPC-4, Device Identification VPD page). */
export const DesignatorType = Object.freeze({
  vendorSpecific: 0,
  t10Vendor: 1,
  eui64: 2,
  naa: 3,
  relativePort: 4,
  targetPortGroup: 5,
  logicalUnitGroup: 6,
  md5: 7,
  scsiName: 8,
  protocolPort: 9,
  uuid: 0xa,
} as const)

/** ASSOCIATION: whom the designator names. */
export const Association = Object.freeze({ logicalUnit: 0, targetPort: 1, targetDevice: 2 } as const)

/** CODE SET. */
export const CodeSet = Object.freeze({ binary: 1, ascii: 2, utf8: 3 } as const)

/** PROTOCOL IDENTIFIER of designators, TransportIDs and protocol specific pages. */
export const ProtocolId = Object.freeze({
  fibreChannel: 0x0,
  parallelScsi: 0x1,
  ssa: 0x2,
  ieee1394: 0x3,
  rdma: 0x4,
  iscsi: 0x5,
  sas: 0x6,
  automationDrive: 0x7,
  ata: 0x8,
  usb: 0x9,
  pcie: 0xa,
  none: 0xf,
} as const)

/** Header; the designator follows. DESIGNATOR LENGTH counts from byte 4. */
export const DESIGNATOR_HEADER = layout('Designation descriptor', 'SPC-4 Device Identification VPD page', 4, {
  protocol: bits(0, 7, 4),
  codeSet: bits(0, 3, 0),
  piv: bit(1, 7),
  association: bits(1, 5, 4),
  type: bits(1, 3, 0),
  length: u8(3),
})

/** One designator. `protocol` is -1 where none is given. */
export interface Designator {
  readonly type: number
  readonly association: number
  readonly codeSet: number
  readonly protocol: number
  readonly value: Uint8Array
}

/** Length in bytes of a designator with its header. */
export const designatorLength = (one: Designator): number => DESIGNATOR_HEADER.length + one.value.length

/** Writes one designator with its header into `into` at `at`; returns where the next one goes. */
export function writeDesignator(one: Designator, into: Uint8Array, at: number): number {
  const { type, association, codeSet, protocol, value } = one
  if (value.length > 255) throw new RangeError(`Designator of ${value.length} bytes is longer than 255`)
  into.fill(0, at, at + DESIGNATOR_HEADER.length)
  const named = protocol >= 0 ? { piv: 1, protocol } : {}
  DESIGNATOR_HEADER.write({ type, association, codeSet, length: value.length, ...named }, into, at)
  into.set(value, at + DESIGNATOR_HEADER.length)
  return at + designatorLength(one)
}

/** Reads all whole designators of `bytes` from `at` to `end`; what is cut off is left out. Values are views. */
export function readDesignators(bytes: Uint8Array, at = 0, end = bytes.length): Designator[] {
  const f = DESIGNATOR_HEADER.field
  const found: Designator[] = []
  const stop = Math.min(end, bytes.length)
  while (at + DESIGNATOR_HEADER.length <= stop) {
    const next = at + DESIGNATOR_HEADER.length + f.length.get(bytes, at)
    if (next > stop) break
    found.push({
      type: f.type.get(bytes, at),
      association: f.association.get(bytes, at),
      codeSet: f.codeSet.get(bytes, at),
      // PIV counts for ports and devices only.
      protocol:
        f.piv.get(bytes, at) === 1 && f.association.get(bytes, at) !== 0 ? f.protocol.get(bytes, at) : -1,
      value: bytes.subarray(at + DESIGNATOR_HEADER.length, next),
    })
    at = next
  }
  return found
}

// ---- builders ----

function make(type: number, codeSet: number, value: Uint8Array, association = 0, protocol = -1): Designator {
  return Object.freeze({ type, association, codeSet, protocol, value })
}

/** T10 vendor id and what the vendor adds: printable ASCII, the vendor padded to eight characters. */
export function t10Designator(vendor: string, id: string): Designator {
  const value = new Uint8Array(8 + id.length)
  const all = vendor.slice(0, 8).padEnd(8) + id
  for (let i = 0; i < value.length; i++) value[i] = printable(all.charCodeAt(i))
  return make(DesignatorType.t10Vendor, CodeSet.ascii, value)
}

/** EUI-64 of 8, 12 or 16 bytes. */
export function eui64Designator(value: Uint8Array): Designator {
  if (value.length !== 8 && value.length !== 12 && value.length !== 16) {
    throw new RangeError(`EUI-64 designator of ${value.length} bytes is not 8, 12 or 16 long`)
  }
  return make(DesignatorType.eui64, CodeSet.binary, value)
}

/** NAA designator of 8 bytes, or of 16 if its first four bits say 6. */
export function naaDesignator(value: Uint8Array, association = 0, protocol = -1): Designator {
  const naa = value.length > 0 ? value[0]! >> 4 : -1
  if (value.length !== (naa === 6 ? 16 : 8) || !(naa === 2 || naa === 3 || naa === 5 || naa === 6)) {
    throw new RangeError(`NAA designator of ${value.length} bytes with NAA ${naa} is none of T10's formats`)
  }
  return make(DesignatorType.naa, CodeSet.binary, value, association, protocol)
}

/** NAA 2, IEEE Extended: 12 bits of the vendor, 24 of the OUI, 24 of the vendor. */
export const naaExtended = (first: number, oui: number, second: number): Uint8Array =>
  big(8, (2n << 60n) | (low(first, 12) << 48n) | (low(oui, 24) << 24n) | low(second, 24))

/** NAA 3, Locally Assigned: 60 bits that the administrator answers for. */
export const naaLocal = (value: bigint): Uint8Array => big(8, (3n << 60n) | BigInt.asUintN(60, value))

/** NAA 5, IEEE Registered: OUI and 36 bits. */
export const naaRegistered = (oui: number, vendor: bigint): Uint8Array =>
  big(8, (5n << 60n) | (low(oui, 24) << 36n) | BigInt.asUintN(36, vendor))

/** NAA 6, IEEE Registered Extended: OUI, 36 bits, and 64 more. */
export const naaRegisteredExtended = (oui: number, vendor: bigint, extension: bigint): Uint8Array =>
  big(
    16,
    (((6n << 60n) | (low(oui, 24) << 36n) | BigInt.asUintN(36, vendor)) << 64n) |
      BigInt.asUintN(64, extension),
  )

/** Relative target port identifier, 1 to 65535. */
export const relativePortDesignator = (port: number, protocol = -1): Designator =>
  make(DesignatorType.relativePort, CodeSet.binary, group(port), Association.targetPort, protocol)

/** Target port group, 0 to 65535. */
export const targetPortGroupDesignator = (id: number, protocol = -1): Designator =>
  make(DesignatorType.targetPortGroup, CodeSet.binary, group(id), Association.targetPort, protocol)

/** Logical unit group, 0 to 65535. */
export const logicalUnitGroupDesignator = (id: number): Designator =>
  make(DesignatorType.logicalUnitGroup, CodeSet.binary, group(id))

/** SCSI name string (`iqn.…`, `eui.…`, `naa.…`): UTF-8, ended by a zero and padded to four bytes. */
export function scsiNameDesignator(name: string, association: number, protocol = -1): Designator {
  const text = new TextEncoder().encode(name)
  const value = new Uint8Array((text.length + 4) & ~3)
  value.set(text)
  if (value.length > 252) throw new RangeError(`SCSI name string of ${text.length} bytes is longer than 251`)
  return make(DesignatorType.scsiName, CodeSet.utf8, value, association, protocol)
}

/** UUID (SPC-5) of 16 bytes. */
export function uuidDesignator(uuid: Uint8Array): Designator {
  if (uuid.length !== 16) throw new RangeError(`UUID of ${uuid.length} bytes is not 16 long`)
  const value = new Uint8Array(18)
  value[0] = 0x10
  value.set(uuid, 2)
  return make(DesignatorType.uuid, CodeSet.binary, value)
}

/** A designator as people write it: `naa.…`, `eui.…`, `t10.…`, the SCSI name, or a number. */
export function designatorText(one: Designator): string {
  const { type, value } = one
  if (type === DesignatorType.naa) return `naa.${hex(value)}`
  if (type === DesignatorType.eui64) return `eui.${hex(value)}`
  if (type === DesignatorType.t10Vendor) return `t10.${ascii(value)}`
  if (type === DesignatorType.scsiName) return new TextDecoder().decode(value).replace(/\0.*$/su, '')
  if (type === DesignatorType.uuid && value.length === 18) return `uuid.${hex(value.subarray(2))}`
  const numbered = type >= DesignatorType.relativePort && type <= DesignatorType.logicalUnitGroup
  if (numbered && value.length === 4) return String((value[2]! << 8) | value[3]!)
  return one.codeSet === CodeSet.ascii ? ascii(value) : hex(value)
}

const printable = (code: number): number => (code >= 0x20 && code <= 0x7e ? code : 0x5f)
const ascii = (value: Uint8Array): string => String.fromCharCode(...Array.from(value, printable)).trimEnd()
const hex = (value: Uint8Array): string =>
  Array.from(value, one => one.toString(16).padStart(2, '0')).join('')
const low = (value: number, width: number): bigint => BigInt.asUintN(width, BigInt(value))
const group = (id: number): Uint8Array => Uint8Array.of(0, 0, id >> 8, id)

function big(length: number, value: bigint): Uint8Array {
  const made = new Uint8Array(length)
  for (let i = length - 1; i >= 0; i--) {
    made[i] = Number(value & 0xffn)
    value >>= 8n
  }
  return made
}
