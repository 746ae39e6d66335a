// SPDX-License-Identifier: Apache-2.0
// A disk with protection information on stand-in stores, and data with tags as an initiator makes them.
import { crc16t10dif, MODE_SELECT_6 } from '@lunkit/spec'
import type { ParameterValues } from '@lunkit/target-api'
import { Bench, cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import type { Disk } from '../disk.ts'
import { device } from '../index.ts'
import { TAGS_AT, tagBytes } from './tag-store.ts'

export interface ProtectedOptions {
  readonly later?: boolean
  readonly thin?: boolean
  readonly atomicWrite?: number
  readonly values?: ParameterValues
  readonly blocks?: number
}

export async function openProtected(protection: number, options: ProtectedOptions = {}) {
  const { later = false, thin = false, values = {}, blocks = 1024, atomicWrite = 0 } = options
  const block = Number(values['block'] ?? 512)
  const store = new StandInStore({ size: blocks * block, later, thin, atomicWrite })
  const tags = new StandInStore({ size: tagBytes(blocks), later, thin, atomicWrite })
  tags.bytes.fill(0)
  tags.durable.fill(0)
  const bench = await Bench.open(device, store, { protection, ...values }, null, tags)
  store.takeCalls()
  tags.takeCalls()
  /** The tags that the medium has for a block, as hex digits. */
  const tagsAt = (lba: number): string =>
    Buffer.from(tags.bytes.subarray(TAGS_AT + lba * 8, TAGS_AT + lba * 8 + 8).map(byte => ~byte)).toString(
      'hex',
    )
  return { bench, store, tags, disk: bench.device as Disk, tagsAt }
}

/** MODE SELECT of ATO, DPICZ and RWWP in the Control mode page. */
export async function selectControl(
  bench: Bench,
  fields: { ato?: boolean; dpicz?: boolean; rwwp?: boolean },
) {
  const { current } = (bench.device as Disk).modePages.find(0x0a, 0)!
  const page = Buffer.from(current)
  page[0]! &= 0x3f
  page[2] = (page[2]! & ~8) | (fields.dpicz ? 8 : 0)
  page[5] = (page[5]! & ~0x90) | (fields.ato ? 0x80 : 0) | (fields.rwwp ? 0x10 : 0)
  const list = Buffer.concat([Buffer.alloc(4), page])
  const answer = await bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }), { out: list })
  for (const one of bench.nexusUnits) one.attentions.length = 0
  return answer
}

/** Eight bytes for a block. */
export function tag(block: Uint8Array, application: number, reference: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16BE(crc16t10dif(block), 0)
  bytes.writeUInt16BE(application, 2)
  bytes.writeUInt32BE(reference >>> 0, 4)
  return bytes
}

/** Blocks with their tags behind each; reference tags count up from `reference`. */
export function withTags(data: Buffer, reference: number, application = 0x0a0a, blockSize = 512): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; at += blockSize) {
    const block = data.subarray(at, at + blockSize)
    parts.push(block, tag(block, application, reference + at / blockSize))
  }
  return Buffer.concat(parts)
}

/** Blocks of which no two are alike. */
export const someBlocks = (count: number, seed: number, blockSize = 512): Buffer =>
  Buffer.from(Array.from({ length: count * blockSize }, (_, i) => (i * 7 + (i >> 9) * 13 + seed) & 0xff))
