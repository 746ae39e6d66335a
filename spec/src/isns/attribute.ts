// SPDX-License-Identifier: Apache-2.0
// Attributes of iSNS messages: tags, and values as tag, length and padded bytes (RFC 4171, 5.3 and 6).

/** Tags of what a target registers and is asked for. */
export const IsnsTag = Object.freeze({
  delimiter: 0,
  entityIdentifier: 1,
  entityProtocol: 2,
  timestamp: 4,
  /** In seconds. */
  registrationPeriod: 6,
  portalAddress: 16,
  /** Bit 16 is set for UDP. */
  portalPort: 17,
  portalName: 18,
  /** In seconds. */
  esiInterval: 19,
  /** Bit 16 is set for UDP. */
  esiPort: 20,
  iscsiName: 32,
  iscsiNodeType: 33,
  iscsiAlias: 34,
  groupIscsiName: 48,
  groupPortalAddress: 49,
  groupPortalPort: 50,
  groupTag: 51,
} as const)

export const IsnsEntityProtocol = Object.freeze({ iscsi: 2, ifcp: 3 } as const)
/** Bits of the iSCSI node type. */
export const IsnsNodeType = Object.freeze({ target: 1, initiator: 2, control: 4 } as const)

export interface IsnsAttribute {
  readonly tag: number
  readonly value: Uint8Array
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export const isnsDelimiter: IsnsAttribute = Object.freeze({
  tag: IsnsTag.delimiter,
  value: new Uint8Array(0),
})

export const isnsNumber = (tag: number, value: number): IsnsAttribute => ({
  tag,
  value: Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value),
})

/** Ends with a zero byte, and is padded with such. */
export function isnsText(tag: number, text: string): IsnsAttribute {
  const bytes = encoder.encode(text)
  const value = new Uint8Array((bytes.length + 4) & ~3)
  value.set(bytes)
  return { tag, value }
}

/** 16 bytes of IPv6; 4 of IPv4 are mapped into them. */
export function isnsAddress(tag: number, address: Uint8Array): IsnsAttribute {
  const value = new Uint8Array(16)
  if (address.length === 4) value.fill(0xff, 10, 12)
  value.set(address, 16 - address.length)
  return { tag, value }
}

/** A number, or undefined if it is none. */
export function readIsnsNumber({ value }: IsnsAttribute): number | undefined {
  if (value.length !== 4) return undefined
  return ((value[0]! << 24) | (value[1]! << 16) | (value[2]! << 8) | value[3]!) >>> 0
}

/** Text up to its zero byte, or undefined if it is none. */
export function readIsnsText({ value }: IsnsAttribute): string | undefined {
  const end = value.indexOf(0)
  try {
    return decoder.decode(value.subarray(0, end < 0 ? value.length : end))
  } catch {
    return undefined
  }
}

const HEAD_BYTES = 8

export function encodeIsnsAttributes(attributes: readonly IsnsAttribute[]): Uint8Array {
  const length = attributes.reduce((sum, { value }) => sum + HEAD_BYTES + value.length, 0)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { tag, value } of attributes) {
    view.setUint32(at, tag)
    view.setUint32(at + 4, value.length)
    bytes.set(value, at + HEAD_BYTES)
    at += HEAD_BYTES + value.length
  }
  return bytes
}

/** Attributes in their order, as views; null if the lengths do not fit the bytes, or are no multiples of 4. */
export function parseIsnsAttributes(bytes: Uint8Array): IsnsAttribute[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const attributes: IsnsAttribute[] = []
  let at = 0
  while (at < bytes.length) {
    if (bytes.length - at < HEAD_BYTES) return null
    const tag = view.getUint32(at)
    const length = view.getUint32(at + 4)
    at += HEAD_BYTES
    if ((length & 3) !== 0 || length > bytes.length - at) return null
    attributes.push({ tag, value: bytes.subarray(at, at + length) })
    at += length
  }
  return attributes
}
