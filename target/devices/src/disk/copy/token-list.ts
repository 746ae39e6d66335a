// SPDX-License-Identifier: Apache-2.0
// The parameter lists of POPULATE TOKEN and WRITE USING TOKEN: their ranges, checked.
import {
  BLOCK_DEVICE_RANGE,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LBA_OUT_OF_RANGE,
  PARAMETER_LIST_LENGTH_ERROR,
  type POPULATE_TOKEN_LIST,
  TOO_MANY_SEGMENT_DESCRIPTORS,
  type WRITE_USING_TOKEN_LIST,
} from '@lunkit/spec'
import { MAX_RANGES, MAX_TOKEN_BYTES } from './limits.ts'
import { Objection } from './parameter-list.ts'
import type { BlockRange } from './tokens.ts'

type ListHeader = typeof POPULATE_TOKEN_LIST | typeof WRITE_USING_TOKEN_LIST

/** No list that can be good is longer. */
export const longestTokenList = (head: ListHeader): number =>
  head.length + MAX_RANGES * BLOCK_DEVICE_RANGE.length

/** The ranges behind the list's header, in its order. Throws Objection. */
export function readRanges(list: Uint8Array, head: ListHeader, disk: { blocks: number; blockSize: number }) {
  if (list.length < head.length) throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
  const { dataLength, rangeLength } = head.field
  const length = rangeLength.get(list, 0)
  if (dataLength.get(list, 0) + 2 > list.length || head.length + length > list.length) {
    throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
  }
  if (length === 0 || length % BLOCK_DEVICE_RANGE.length !== 0) throw wrong(rangeLength.byte)
  if (length / BLOCK_DEVICE_RANGE.length > MAX_RANGES) throw new Objection(TOO_MANY_SEGMENT_DESCRIPTORS)
  const ranges: (BlockRange & { at: number })[] = []
  let sum = 0
  for (let at = head.length; at < head.length + length; at += BLOCK_DEVICE_RANGE.length) {
    const { lba, blocks } = BLOCK_DEVICE_RANGE.read(list, at)
    if (lba + blocks > disk.blocks) throw new Objection(LBA_OUT_OF_RANGE, at)
    sum += blocks
    ranges.push({ lba, blocks, at })
  }
  if (sum * disk.blockSize > MAX_TOKEN_BYTES) throw wrong(rangeLength.byte)
  checkOverlap(ranges)
  return ranges.filter(({ blocks }) => blocks > 0)
}

const wrong = (byte: number): Objection => new Objection(INVALID_FIELD_IN_PARAMETER_LIST, byte)

/** SBC-4: no block may be named twice. */
function checkOverlap(ranges: readonly (BlockRange & { at: number })[]): void {
  const sorted = ranges.filter(({ blocks }) => blocks > 0).sort((a, b) => a.lba - b.lba)
  sorted.forEach((range, index) => {
    const before = sorted[index - 1]
    if (before !== undefined && before.lba + before.blocks > range.lba) throw wrong(range.at)
  })
}
