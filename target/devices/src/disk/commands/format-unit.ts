// SPDX-License-Identifier: Apache-2.0
// FORMAT UNIT: the whole medium gets a pattern, or the zeros of a new one.
import {
  CAPACITY_DATA_HAS_CHANGED,
  FORMAT_LONG_HEADER,
  FORMAT_SHORT_HEADER,
  FORMAT_UNIT,
  INITIALIZATION_PATTERN,
  INVALID_FAST_FORMAT,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
  MEDIUM_FORMAT_CORRUPTED,
  PARAMETER_LIST_LENGTH_ERROR,
  type ProtectionType,
} from '@lunkit/spec'
import { fail, failParameter, on, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { MediumOperation, type Pass, type Plan, tagsPass, zeroPass } from '../medium-operation.ts'
import { formatChoice } from '../protection/format.ts'

/** FFMT (SBC-4, FORMAT UNIT command): write the medium, or leave what it holds. */
const FastFormat = { writes: 0, leaves: 1 } as const
/** INITIALIZATION PATTERN TYPE. */
const PatternType = { standard: 0, repeated: 1 } as const
/** Address descriptor formats: from here on vendor specific and reserved. */
const LAST_FORMAT = 5

const { fmtpinfo, fmtdata, longlist, defectListFormat, fastFormat } = FORMAT_UNIT.cdb.field
const descriptor = INITIALIZATION_PATTERN.field

/** What the parameter list asks for. */
interface Request {
  readonly immed: boolean
  /** Null: the default pattern. */
  readonly pattern: Buffer | null
  readonly protection: ProtectionType
}

export const formatUnit = on(
  FORMAT_UNIT,
  (task: Task, disk: Disk) => {
    const { cdb } = task
    if (fastFormat.get(cdb, 0) > FastFormat.leaves) return fail(task, INVALID_FIELD_IN_CDB, fastFormat)
    const hasList = fmtdata.get(cdb, 0) === 1
    if (hasList && defectListFormat.get(cdb, 0) > LAST_FORMAT)
      return fail(task, INVALID_FIELD_IN_CDB, defectListFormat)
    // A sanitize operation that failed is not mended by a format.
    const { occupied } = disk
    if (occupied !== null && occupied.code !== MEDIUM_FORMAT_CORRUPTED) return fail(task, occupied.code)
    const request = hasList ? read(task, disk) : plain(task, disk)
    if (request === null) return
    const { protection } = request
    const leaves = fastFormat.get(cdb, 0) === FastFormat.leaves
    if (leaves && request.pattern !== null) return fail(task, INVALID_FAST_FORMAT)
    task.releaseData()
    const passes = leaves ? [] : [passOf(disk, request.pattern)]
    if (disk.protection !== null) {
      passes.unshift(tagsPass(protection))
      if (protection !== disk.protection.type) disk.unit.attention(CAPACITY_DATA_HAS_CHANGED, task.nexus)
    }
    MediumOperation.start(disk, planOf(passes), task, !request.immed)
    if (request.immed) succeed(task)
  },
  {
    // A disk that can have protection information takes it.
    refuses: ['fmtpinfo'],
    // The CDB does not tell the length. A defect list is refused, so nothing behind the pattern is looked at.
    dataOut: (task, disk) =>
      fmtdata.get(task.cdb, 0) === 0
        ? 0
        : Math.min(
            task.expectedOut,
            FORMAT_LONG_HEADER.length + INITIALIZATION_PATTERN.length + disk.blockSize,
          ),
  },
)

const planOf = (passes: readonly Pass[]): Plan => ({
  passes,
  underWay: LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
  failure: MEDIUM_FORMAT_CORRUPTED,
  mayExit: false,
})

function passOf(disk: Disk, pattern: Buffer | null): Pass {
  const zeros = pattern === null || pattern.every(byte => byte === 0)
  return zeros ? zeroPass(disk) : { block: Buffer.alloc(disk.blockSize, pattern), discards: false }
}

/** Without a list; null if the task has ended. */
function plain(task: Task, disk: Disk): Request | null {
  const protection = formatChoice(disk.hasProtection, fmtpinfo.get(task.cdb, 0), 0)
  if (typeof protection === 'number') return { immed: false, pattern: null, protection }
  fail(task, INVALID_FIELD_IN_CDB, fmtpinfo)
  return null
}

/** Null if the task has ended with what is wrong. */
function read(task: Task, disk: Disk): Request | null {
  const layout = longlist.get(task.cdb, 0) === 1 ? FORMAT_LONG_HEADER : FORMAT_SHORT_HEADER
  const list = Buffer.concat(task.segments, task.received)
  if (list.length < layout.length) return tooShort(task)
  const stray = layout.reserved(list)
  if (stray !== null) return wrong(task, stray.byte, stray.bit)
  const { protectionFieldUsage, fov, dpry, dcrt, stpf, ip, immed, defectListLength } = layout.field
  const usage = protectionFieldUsage.get(list, 0)
  const protection = formatChoice(disk.hasProtection, fmtpinfo.get(task.cdb, 0), usage)
  if (protection === 'cdb') return plain(task, disk)
  if (protection === 'list') return wrong(task, protectionFieldUsage.byte, protectionFieldUsage.bit)
  // Without FOV the other options have to be zero.
  if (fov.get(list, 0) === 0) {
    for (const one of [dpry, dcrt, stpf, ip])
      if (one.get(list, 0) === 1) return wrong(task, one.byte, one.bit)
  }
  // There is nothing to keep blocks away from.
  if (defectListLength.get(list, 0) !== 0) return wrong(task, defectListLength.byte)
  if (layout === FORMAT_LONG_HEADER) {
    const { intervalExponent } = FORMAT_LONG_HEADER.field
    if (intervalExponent.get(list, 0) !== 0) return wrong(task, intervalExponent.byte, intervalExponent.bit)
  }
  const pattern = ip.get(list, 0) === 1 ? readPattern(task, disk, list, layout.length) : Buffer.alloc(0)
  if (pattern === null) return null
  return { immed: immed.get(list, 0) === 1, pattern: pattern.length === 0 ? null : pattern, protection }
}

/** The pattern, empty for the default one; null if the task has ended. */
function readPattern(task: Task, disk: Disk, list: Buffer, at: number): Buffer | null {
  const start = at + INITIALIZATION_PATTERN.length
  if (list.length < start) return tooShort(task)
  const stray = INITIALIZATION_PATTERN.reserved(list, at)
  if (stray !== null) return wrong(task, at + stray.byte, stray.bit)
  const { securityInitialize, type, length } = descriptor
  if (securityInitialize.get(list, at) === 1)
    return wrong(task, at + securityInitialize.byte, securityInitialize.bit)
  const kind = type.get(list, at)
  if (kind > PatternType.repeated) return wrong(task, at + type.byte)
  const bytes = length.get(list, at)
  // The default pattern has no bytes here, the repeated one has some, up to a block.
  if (kind === PatternType.standard ? bytes !== 0 : bytes === 0 || bytes > disk.blockSize)
    return wrong(task, at + length.byte)
  if (list.length < start + bytes) return tooShort(task)
  return list.subarray(start, start + bytes)
}

function tooShort(task: Task): null {
  fail(task, PARAMETER_LIST_LENGTH_ERROR)
  return null
}

function wrong(task: Task, byte: number, bit = -1): null {
  failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, byte, bit)
  return null
}
