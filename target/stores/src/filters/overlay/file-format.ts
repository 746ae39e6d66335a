// SPDX-License-Identifier: Apache-2.0
// The file of an overlay: what its first bytes say, and where its maps and grains lie.
import { crc32 } from 'node:zlib'
import { PAGE_BYTES, PAGE_GRAINS } from './grain-map.ts'

export interface Sizes {
  /** Bytes of the view, and of the store below. */
  readonly size: number
  readonly baseSize: number
}

/** What an overlay's file is for. Text, so that a person can look: written once, when the file is made. */
export interface Header extends Sizes {
  /** Bytes of a grain. */
  readonly grain: number
  /** Identity of the store below. */
  readonly base: string
  /** Tells the file from all others. */
  readonly id: string
  /** The frozen overlay that it goes on from, or none. */
  readonly parent?: { readonly path: string; readonly id: string }
}

export const HEADER_BYTES = 4096
/** Bytes that each of the short notes may take: one sector, written whole or not at all. */
export const NOTE_BYTES = 512
/** Which run of the machine has written the maps that are newer than what was made durable. */
export const BOOT_AT = 2048
/** `frozen`: others go on from it. `alone`: it has left its parent. */
export const STATE_AT = 2560
/** What is other than the header says: `Sizes`. */
export const SIZES_AT = 3072
const MAGIC = 'lunkit overlay 1\n'
/** Before the notes. */
const TEXT_BYTES = BOOT_AT

/**
 * Maps and grains come in groups, so that a file can grow: four pages of the map as it is, four as they were made durable
 * last, then the grains.
 */
const GROUP_PAGES = 4
const GROUP_GRAINS = GROUP_PAGES * PAGE_GRAINS
export const MAPS_BYTES = 2 * GROUP_PAGES * PAGE_BYTES

export function headerBytes(header: Header): Buffer {
  const text = JSON.stringify(header)
  const whole = Buffer.from(`${MAGIC}${crc32(text).toString(16).padStart(8, '0')} ${text}\n`)
  if (whole.length > TEXT_BYTES) throw new RangeError('the paths in it are too long')
  return Buffer.concat([whole, Buffer.alloc(HEADER_BYTES - whole.length)])
}

/** What the first bytes say; null: they are no overlay's; `damaged`: they were one's. */
export function readHeader(bytes: Buffer): Header | 'damaged' | null {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return null
  const end = bytes.indexOf(0)
  const [sum, ...rest] = bytes.toString('utf8', MAGIC.length, end < 0 ? TEXT_BYTES : end - 1).split(' ')
  const text = rest.join(' ')
  if (sum !== crc32(text).toString(16).padStart(8, '0')) return 'damaged'
  return JSON.parse(text) as Header
}

export function noteBytes(text: string): Buffer {
  const bytes = Buffer.alloc(NOTE_BYTES)
  bytes.write(text)
  return bytes
}

export const readNote = (header: Buffer, at: number): string =>
  header.toString('latin1', at, at + NOTE_BYTES).replace(/\0.*$/s, '')

/** The sizes as they are now: those of the note, or of the header; null: the note is none. */
export function readSizes(header: Buffer, first: Sizes): Sizes | null {
  const text = readNote(header, SIZES_AT)
  if (text === '') return first
  try {
    const { size, baseSize } = JSON.parse(text) as Sizes
    return { size, baseSize }
  } catch {
    return null
  }
}

export const groupBytes = (grain: number): number => MAPS_BYTES + GROUP_GRAINS * grain
export const groupAt = (group: number, grain: number): number => HEADER_BYTES + group * groupBytes(grain)
export const groupsOf = (size: number, grain: number): number => Math.ceil(size / (GROUP_GRAINS * grain))
/** Bytes of the whole file. */
export const fileBytes = (size: number, grain: number): number => groupAt(groupsOf(size, grain), grain)

/** Offset of a grain's bytes. */
export function grainAt(number: number, grain: number): number {
  const group = Math.floor(number / GROUP_GRAINS)
  return groupAt(group, grain) + MAPS_BYTES + (number - group * GROUP_GRAINS) * grain
}

/** Offset of a page of the map as it is, or as it was made durable. */
export function pageAt(page: number, grain: number, durable: boolean): number {
  const group = Math.floor(page / GROUP_PAGES)
  const place = page - group * GROUP_PAGES + (durable ? GROUP_PAGES : 0)
  return groupAt(group, grain) + place * PAGE_BYTES
}

/** The pages of a group's map, from the bytes of both. */
export function* pagesOf(group: number, maps: Buffer, durable: boolean): Iterable<readonly [number, Buffer]> {
  for (let place = 0; place < GROUP_PAGES; place++) {
    const at = (durable ? GROUP_PAGES + place : place) * PAGE_BYTES
    yield [group * GROUP_PAGES + place, maps.subarray(at, at + PAGE_BYTES)]
  }
}
