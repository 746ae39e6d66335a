// SPDX-License-Identifier: Apache-2.0
// What a unit says of itself: INQUIRY data, vital product data, limits and capacity, read with distrust.
import {
  BLOCK_LIMITS,
  CAPACITY_10,
  CAPACITY_16,
  type Layout,
  LOGICAL_BLOCK_PROVISIONING,
  STANDARD_INQUIRY,
  VPD_HEADER,
} from '@lunkit/spec'
import { TransportError } from './errors.ts'

export interface InquiryAnswer {
  readonly qualifier: number
  readonly deviceType: number
  readonly removable: boolean
  readonly version: number
  readonly vendor: string
  readonly product: string
  readonly revision: string
  /** The data as they came. */
  readonly raw: Uint8Array
}

/** Shortest standard INQUIRY data (SPC-4, standard INQUIRY data). */
const INQUIRY_MINIMUM = 36

export function readInquiry(data: Uint8Array): InquiryAnswer {
  if (data.length < INQUIRY_MINIMUM) throw short('INQUIRY', data.length, INQUIRY_MINIMUM)
  const f = STANDARD_INQUIRY.field
  return {
    qualifier: f.qualifier.get(data, 0),
    deviceType: f.deviceType.get(data, 0),
    removable: f.rmb.get(data, 0) === 1,
    version: f.version.get(data, 0),
    vendor: f.vendor.get(data, 0),
    product: f.product.get(data, 0),
    revision: f.revision.get(data, 0),
    raw: data,
  }
}

/** A page without what came after its length. Throws a TransportError if it is another page or cut off. */
export function readVpd(code: number, data: Uint8Array): Uint8Array {
  if (data.length < VPD_HEADER.length) throw short('INQUIRY', data.length, VPD_HEADER.length)
  const got = VPD_HEADER.field.pageCode.get(data, 0)
  if (got !== code) {
    const message = `INQUIRY for page ${code.toString(16)}h was answered with page ${got.toString(16)}h`
    throw new TransportError('TRANSPORT_PROTOCOL', message)
  }
  return data.subarray(0, VPD_HEADER.length + VPD_HEADER.field.length.get(data, 0))
}

export interface UnitLimits {
  /** Blocks that one READ or WRITE may move; 0 for no limit. */
  readonly maxTransfer: number
  /** Blocks that one UNMAP may name. */
  readonly maxUnmap: number
  readonly canUnmap: boolean
}

/** Limits from the pages B0h and B2h of a disk; null for a page that the unit does not have. */
export function readLimits(limits: Uint8Array | null, provisioning: Uint8Array | null): UnitLimits {
  const b0 = limits === null ? null : padded(limits, BLOCK_LIMITS)
  const b2 = provisioning === null ? null : padded(provisioning, LOGICAL_BLOCK_PROVISIONING)
  const maxUnmap = b0 === null ? 0 : BLOCK_LIMITS.field.maxUnmap.get(b0, 0)
  return {
    maxTransfer: b0 === null ? 0 : BLOCK_LIMITS.field.maxTransfer.get(b0, 0),
    maxUnmap,
    canUnmap: b2 !== null && LOGICAL_BLOCK_PROVISIONING.field.lbpu.get(b2, 0) === 1 && maxUnmap > 0,
  }
}

/** Older units send shorter pages: what is missing says nothing. */
function padded(page: Uint8Array, layout: Pick<Layout, 'length'>): Uint8Array {
  if (page.length >= layout.length) return page
  const whole = new Uint8Array(layout.length)
  whole.set(page)
  return whole
}

export interface Capacity {
  readonly blocks: number
  /** Bytes in a logical block. */
  readonly blockSize: number
  readonly bytes: number
  /** Bytes in a physical block. */
  readonly physicalBlockSize: number
  /** Blocks need not all have storage behind them. */
  readonly thin: boolean
  /** Type of protection information that the medium is formatted with: 1 to 3, 0 for none. */
  readonly protection: number
}

/** READ CAPACITY (10) data; null where the unit is too large for it. */
export function readCapacity10(data: Uint8Array): Capacity | null {
  if (data.length < CAPACITY_10.length) throw short('READ CAPACITY (10)', data.length, CAPACITY_10.length)
  const { lastLba, blockLength } = CAPACITY_10.field
  if (lastLba.get(data, 0) === 0xffff_ffff) return null
  return capacity(lastLba.get(data, 0) + 1, blockLength.get(data, 0), 0, { thin: false, protection: 0 })
}

export function readCapacity16(data: Uint8Array): Capacity {
  // Only the first 12 bytes are as old as the command.
  if (data.length < 12) throw short('READ CAPACITY (16)', data.length, 12)
  const whole = padded(data, CAPACITY_16)
  const { lastLba, blockLength, physicalExponent, lbpme, protectionEnabled, protectionType } =
    CAPACITY_16.field
  return capacity(lastLba.get(whole, 0) + 1, blockLength.get(whole, 0), physicalExponent.get(whole, 0), {
    thin: lbpme.get(whole, 0) === 1,
    protection: protectionEnabled.get(whole, 0) === 1 ? protectionType.get(whole, 0) + 1 : 0,
  })
}

function capacity(
  blocks: number,
  blockSize: number,
  exponent: number,
  kind: Pick<Capacity, 'thin' | 'protection'>,
): Capacity {
  if (blockSize === 0 || blockSize > 1 << 24 || !Number.isSafeInteger(blocks * blockSize)) {
    const message = `The unit reports ${blocks} blocks of ${blockSize} bytes, which cannot be used`
    throw new TransportError('TRANSPORT_PROTOCOL', message)
  }
  return {
    blocks,
    blockSize,
    bytes: blocks * blockSize,
    physicalBlockSize: blockSize * 2 ** exponent,
    ...kind,
  }
}

function short(command: string, got: number, want: number): TransportError {
  return new TransportError(
    'TRANSPORT_PROTOCOL',
    `${command} was answered with ${got} bytes of at least ${want}`,
  )
}
