// SPDX-License-Identifier: Apache-2.0
// The parameter list of EXTENDED COPY (LID1), checked as a whole before any segment of it is processed.
import {
  BLOCK_TO_BLOCK_OFFSET_SEGMENT,
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  IDENTIFICATION_CSCD,
  INLINE_DATA_LENGTH_EXCEEDED,
  INVALID_FIELD_IN_PARAMETER_LIST,
  ListIdUsage,
  LONGEST_CSCD_DESIGNATOR,
  OPERATION_IN_PROGRESS,
  PARAMETER_LIST_LENGTH_ERROR,
  SEGMENT_HEADER,
  type SenseCode,
  SenseKey,
  TOO_MANY_SEGMENT_DESCRIPTORS,
  TOO_MANY_TARGET_DESCRIPTORS,
  UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE,
  UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE,
  VERIFY_SEGMENT,
} from '@lunkit/spec'
import { MAX_CSCDS, MAX_DESCRIPTOR_BYTES, MAX_SEGMENTS } from './limits.ts'

/** A copy source or copy destination, as the list names it. */
export interface Cscd {
  readonly peripheralType: number
  readonly codeSet: number
  readonly association: number
  readonly designatorType: number
  readonly designator: Uint8Array
  readonly pad: boolean
  readonly blockLength: number
}

/** Copies `count` blocks of one side's size, or bytes. Indexes name CSCDs. */
export interface MoveSegment {
  readonly kind: 'move'
  readonly source: number
  readonly destination: number
  readonly unit: 'source' | 'destination' | 'byte'
  readonly count: number
  readonly sourceLba: number
  readonly destinationLba: number
  readonly sourceOffset: number
  readonly destinationOffset: number
}

export interface VerifySegment {
  readonly kind: 'verify'
  readonly source: number
  readonly testUnitReady: boolean
}

export type Segment = MoveSegment | VerifySegment

export interface CopyPlan {
  readonly listId: number
  readonly usage: number
  readonly cscds: readonly Cscd[]
  readonly segments: readonly Segment[]
}

/** Another copy of the same initiator goes on under that list identifier. */
export const LIST_ID_IN_USE: SenseCode = { ...OPERATION_IN_PROGRESS, key: SenseKey.illegalRequest }

/** What is wrong with a list; `byte` counts from its start, -1 where no field is to blame. */
export class Objection {
  readonly code: SenseCode
  readonly byte: number
  readonly bit: number
  constructor(code: SenseCode, byte = -1, bit = -1) {
    this.code = code
    this.byte = byte
    this.bit = bit
  }
}

const wrong = (byte: number, bit = -1): Objection => new Objection(INVALID_FIELD_IN_PARAMETER_LIST, byte, bit)

/** Throws Objection. */
export function readCopyList(list: Uint8Array): CopyPlan {
  const head = EXTENDED_COPY_HEADER
  if (list.length < head.length) throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
  const header = head.read(list)
  const descriptors = header.cscdLength + header.segmentLength
  if (descriptors > MAX_DESCRIPTOR_BYTES || head.length + descriptors + header.inlineLength > list.length) {
    throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
  }
  if (header.inlineLength > 0) throw new Objection(INLINE_DATA_LENGTH_EXCEEDED, head.field.inlineLength.byte)
  checkListId(header.listId, header.listIdUsage)
  const segmentsAt = head.length + header.cscdLength
  return {
    listId: header.listId,
    usage: header.listIdUsage,
    cscds: readCscds(list, head.length, segmentsAt),
    segments: readSegments(list, segmentsAt, segmentsAt + header.segmentLength),
  }
}

function checkListId(listId: number, usage: number): void {
  const { field } = EXTENDED_COPY_HEADER
  if (!Object.values<number>(ListIdUsage).includes(usage))
    throw wrong(field.listIdUsage.byte, field.listIdUsage.bit)
  if (usage === ListIdUsage.none && listId !== 0) throw wrong(field.listId.byte)
}

function readCscds(list: Uint8Array, start: number, end: number): Cscd[] {
  const size = IDENTIFICATION_CSCD.length
  if ((end - start) % size !== 0) throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
  if ((end - start) / size > MAX_CSCDS) throw new Objection(TOO_MANY_TARGET_DESCRIPTORS)
  const found: Cscd[] = []
  for (let at = start; at < end; at += size) {
    if (list[at] !== CopyDescriptor.identification) {
      throw new Objection(UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE, at)
    }
    found.push(readCscd(list, at))
  }
  return found
}

/** Throws Objection. */
export function readCscd(list: Uint8Array, at: number): Cscd {
  const cscd = IDENTIFICATION_CSCD.read(list, at)
  if (cscd.designatorLength > LONGEST_CSCD_DESIGNATOR) {
    throw wrong(at + IDENTIFICATION_CSCD.field.designatorLength.byte)
  }
  const designator = Uint8Array.from(cscd.designator.subarray(0, cscd.designatorLength))
  return { ...cscd, designator, pad: cscd.pad === 1 }
}

function readSegments(list: Uint8Array, start: number, end: number): Segment[] {
  const found: Segment[] = []
  for (let at = start; at < end; ) {
    if (at + SEGMENT_HEADER.length > end) throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
    if (found.length === MAX_SEGMENTS) throw new Objection(TOO_MANY_SEGMENT_DESCRIPTORS)
    const kind = KINDS.get(list[at]!)
    if (kind === undefined) throw new Objection(UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE, at)
    const length = SEGMENT_HEADER.length + SEGMENT_HEADER.field.length.get(list, at)
    if (length !== kind.length) throw wrong(at + SEGMENT_HEADER.field.length.byte)
    if (at + length > end) throw new Objection(PARAMETER_LIST_LENGTH_ERROR)
    found.push(kind.read(list, at))
    at += length
  }
  return found
}

interface SegmentKind {
  readonly length: number
  readonly read: (list: Uint8Array, at: number) => Segment
}

const KINDS: ReadonlyMap<number, SegmentKind> = new Map<number, SegmentKind>([
  [
    CopyDescriptor.blockToBlock,
    {
      length: BLOCK_TO_BLOCK_SEGMENT.length,
      read(list, at) {
        const row = BLOCK_TO_BLOCK_SEGMENT.read(list, at)
        const unit = row.destinationCount === 1 ? 'destination' : 'source'
        return { ...row, kind: 'move', unit, count: row.blocks, sourceOffset: 0, destinationOffset: 0 }
      },
    },
  ],
  [
    CopyDescriptor.verify,
    {
      length: VERIFY_SEGMENT.length,
      read(list, at) {
        const { source, testUnitReady } = VERIFY_SEGMENT.read(list, at)
        return { kind: 'verify', source, testUnitReady: testUnitReady === 1 }
      },
    },
  ],
  [
    CopyDescriptor.blockToBlockWithOffset,
    {
      length: BLOCK_TO_BLOCK_OFFSET_SEGMENT.length,
      read(list, at) {
        const row = BLOCK_TO_BLOCK_OFFSET_SEGMENT.read(list, at)
        return { ...row, kind: 'move', unit: 'byte', count: row.bytes }
      },
    },
  ],
])

/** DESCRIPTOR TYPE CODEs that are taken, ascending. */
export const IMPLEMENTED_DESCRIPTORS: readonly number[] = [...KINDS.keys(), CopyDescriptor.identification]
