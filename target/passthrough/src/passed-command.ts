// SPDX-License-Identifier: Apache-2.0
// What is known of a command that is sent on: how much data it moves, how long it may take, what its success means for others.
import {
  type Command,
  DEVICE_IDENTIFIER_CHANGED,
  DeviceType,
  type Field,
  FORMAT_UNIT,
  LOG_PARAMETERS_CHANGED,
  LOG_SELECT,
  MODE_PARAMETERS_CHANGED,
  MODE_SELECT_6,
  MODE_SELECT_10,
  PRIORITY_CHANGED,
  READ_6,
  READ_10,
  READ_12,
  READ_16,
  SEND_DIAGNOSTIC,
  SET_IDENTIFYING_INFORMATION,
  SET_PRIORITY,
  SET_TIMESTAMP,
  type SenseCode,
  TIMESTAMP_CHANGED,
  UNMAP,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_SAME_10,
  WRITE_SAME_16,
} from '@lunkit/spec'
import type { Device, Task } from '@lunkit/target-api'

// biome-ignore lint/suspicious/noExplicitAny: rows of different fields share one table
type AnyCommand = Command<any>
type Fields = Readonly<Record<string, Field<number> | undefined>>
type Length = (task: Task, device: Device) => number

export interface PassedCommand {
  /** Null for a command without a row: its initiator says where data go. */
  readonly row: AnyCommand | null
  /** Bytes that come and go, at most; not bounded yet. */
  readonly bytesIn: Length
  readonly bytesOut: Length
  /** It may run for hours. */
  readonly isLong: boolean
  /** Runs twice without harm, where nobody knows whether it ran. */
  readonly isRepeatable: boolean
  /** READ or WRITE of blocks, and nothing besides. */
  readonly isPlain: boolean
  /** What a success means for the other initiators: the real unit tells only nexuses of its own. Null: nothing. */
  readonly tells: SenseCode | null
  /** After a success, capacity or mode pages may be others. */
  readonly changesUnit: boolean
}

/** READ and WRITE: the blocks say how long the data are. */
const PLAIN: ReadonlySet<AnyCommand> = new Set<AnyCommand>([
  READ_6,
  READ_10,
  READ_12,
  READ_16,
  WRITE_6,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
])

/** Other changes of blocks that leave the same however often they are done. */
const IDEMPOTENT: ReadonlySet<AnyCommand> = new Set<AnyCommand>([UNMAP, WRITE_SAME_10, WRITE_SAME_16])

const TELLS: ReadonlyMap<AnyCommand, SenseCode> = new Map<AnyCommand, SenseCode>([
  [MODE_SELECT_6, MODE_PARAMETERS_CHANGED],
  [MODE_SELECT_10, MODE_PARAMETERS_CHANGED],
  [LOG_SELECT, LOG_PARAMETERS_CHANGED],
  [SET_TIMESTAMP, TIMESTAMP_CHANGED],
  [SET_PRIORITY, PRIORITY_CHANGED],
  [SET_IDENTIFYING_INFORMATION, DEVICE_IDENTIFIER_CHANGED],
])

const CHANGES: ReadonlySet<AnyCommand> = new Set<AnyCommand>([MODE_SELECT_6, MODE_SELECT_10, FORMAT_UNIT])

const none: Length = () => 0
const expectedIn: Length = ({ expectedIn: bytes }) => bytes
const expectedOut: Length = ({ expectedOut: bytes }) => bytes

/** Whatever an allocation length says, no more than this is kept free for an initiator that expects less. */
const FREE_ROOM = 64 * 1024

/** Types whose commands name their blocks. */
export const namesBlocks = (peripheralType: number): boolean =>
  peripheralType === DeviceType.disk ||
  peripheralType === DeviceType.opticalMemory ||
  peripheralType === DeviceType.cdrom

/** Types that do one thing after the other: a tape, a robot. */
export const isSequential = (peripheralType: number): boolean =>
  peripheralType === DeviceType.tape || peripheralType === DeviceType.changer

export function passedCommand(row: AnyCommand, peripheralType: number): PassedCommand {
  const isPlain = PLAIN.has(row)
  const blocky = namesBlocks(peripheralType)
  const { data, touches } = row
  return Object.freeze({
    row,
    bytesIn: data === 'in' || data === 'both' ? lengthIn(row, isPlain) : none,
    bytesOut: data === 'out' || data === 'both' ? lengthOut(row, isPlain) : none,
    isLong: touches === 'medium-all' || isSequential(peripheralType) || row === SEND_DIAGNOSTIC,
    isRepeatable:
      touches === 'nothing' ||
      (blocky && (touches === 'medium-read' || touches === 'medium-sync' || isPlain || IDEMPOTENT.has(row))),
    isPlain,
    tells: TELLS.get(row) ?? null,
    changesUnit: CHANGES.has(row),
  })
}

/** A command without a row. */
export const UNKNOWN: PassedCommand = Object.freeze({
  row: null,
  bytesIn: expectedIn,
  bytesOut: expectedOut,
  isLong: false,
  isRepeatable: false,
  isPlain: false,
  tells: null,
  changesUnit: false,
})

function lengthIn({ cdb, length }: AnyCommand, isPlain: boolean): Length {
  const fields = cdb.field as unknown as Fields
  const { allocation } = fields
  if (isPlain) return blocksLength(fields, length, expectedIn)
  if (allocation === undefined) return expectedIn
  return task => Math.min(allocation.get(task.cdb, 0), Math.max(task.expectedIn, FREE_ROOM))
}

function lengthOut({ cdb, length }: AnyCommand, isPlain: boolean): Length {
  const fields = cdb.field as unknown as Fields
  const { parameterLength } = fields
  if (isPlain) return blocksLength(fields, length, expectedOut)
  return parameterLength === undefined ? expectedOut : task => parameterLength.get(task.cdb, 0)
}

/** With protection information there is more than the blocks, and of a unit of unknown blocks the initiator knows more. */
function blocksLength({ lba, blocks, protect }: Fields, cdbLength: number, expected: Length): Length {
  return (task, device) => {
    const { cdb } = task
    const count = blocks!.get(cdb, 0)
    task.lba = lba!.get(cdb, 0)
    task.blocks = count === 0 && cdbLength === 6 ? 256 : count
    const isPadded = protect !== undefined && protect.get(cdb, 0) !== 0
    return device.blockSize === 0 || isPadded ? expected(task, device) : task.blocks * device.blockSize
  }
}
