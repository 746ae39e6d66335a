// SPDX-License-Identifier: Apache-2.0
// The command set of a passed-through unit: what belongs to a nexus is answered here, all else is sent on.
import {
  ALLOW_OVERWRITE,
  BLANK,
  CLOSE_TRACK_SESSION,
  type Command,
  DeviceType,
  ERASE_6,
  ERASE_16,
  EXTENDED_COPY_LID1,
  EXTENDED_COPY_LID4,
  FORMAT_MEDIUM,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  MANAGEMENT_PROTOCOL_OUT,
  MMC_COMMANDS,
  MMC_FORMAT_UNIT,
  type OrderClass,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  REMOVE_ELEMENT_AND_TRUNCATE,
  REQUEST_SENSE,
  RESERVE_TRACK,
  RESTORE_ELEMENTS_AND_REBUILD,
  SBC_COMMANDS,
  SECURITY_PROTOCOL_OUT,
  SET_CAPACITY,
  SMC_COMMANDS,
  SPC_COMMANDS,
  SSC_COMMANDS,
  TEST_UNIT_READY,
  WRITE_ATTRIBUTE,
  WRITE_BUFFER,
} from '@lunkit/spec'
import { type Binding, type Device, fail, succeed, type Task } from '@lunkit/target-api'
import {
  persistentReserveIns,
  persistentReserveOuts,
  reportLuns,
  reportSupportedTaskManagementFunctions,
  reserveReleases,
  targetPortGroups,
} from '@lunkit/target-devices/per-nexus'
import { inquire } from './inquiry.ts'
import { isSequential, type PassedCommand, passedCommand, UNKNOWN } from './passed-command.ts'
import type { PassedUnit } from './passed-unit.ts'
import { preventOrAllow } from './removal.ts'
import { requestSense } from './request-sense.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of different fields share one table
type AnyCommand = Command<any>
type Run = (task: Task, device: PassedUnit, command: PassedCommand) => void

/** The standards of a type, its own first: some operation codes have several meanings. */
const ROWS: Readonly<Record<number, readonly (readonly Command[])[]>> = {
  [DeviceType.disk]: [SBC_COMMANDS, SPC_COMMANDS],
  [DeviceType.opticalMemory]: [SBC_COMMANDS, SPC_COMMANDS],
  [DeviceType.cdrom]: [MMC_COMMANDS, SBC_COMMANDS, SPC_COMMANDS],
  [DeviceType.tape]: [SSC_COMMANDS, SPC_COMMANDS],
  [DeviceType.changer]: [SMC_COMMANDS, SPC_COMMANDS],
  [DeviceType.processor]: [SPC_COMMANDS],
  [DeviceType.arrayController]: [SPC_COMMANDS],
}

/** Types that can be passed through. */
export const TYPES: readonly number[] = Object.keys(ROWS).map(Number)

const ALWAYS_OWN: readonly Binding[] = [
  reportLuns,
  reportSupportedTaskManagementFunctions,
  ...targetPortGroups,
]
const RESERVATIONS: readonly Binding[] = [
  ...reserveReleases,
  ...persistentReserveIns,
  ...persistentReserveOuts,
]

/** They change what the unit holds, or what it runs: refused to initiators that may only read. */
const CHANGES: ReadonlySet<AnyCommand> = new Set<AnyCommand>([
  ALLOW_OVERWRITE,
  BLANK,
  CLOSE_TRACK_SESSION,
  ERASE_6,
  ERASE_16,
  EXTENDED_COPY_LID1,
  EXTENDED_COPY_LID4,
  FORMAT_MEDIUM,
  MANAGEMENT_PROTOCOL_OUT,
  MMC_FORMAT_UNIT,
  REMOVE_ELEMENT_AND_TRUNCATE,
  RESERVE_TRACK,
  RESTORE_ELEMENTS_AND_REBUILD,
  SECURITY_PROTOCOL_OUT,
  SET_CAPACITY,
  WRITE_ATTRIBUTE,
  WRITE_BUFFER,
])

/** What is done instead of sending the command on at once. */
const INSTEAD: ReadonlyMap<AnyCommand, Run> = new Map<AnyCommand, Run>([
  [INQUIRY, inquire],
  [REQUEST_SENSE, requestSense],
  [PREVENT_ALLOW_MEDIUM_REMOVAL, preventOrAllow],
])

const sendOn: Run = (task, device, command) => {
  const out = Math.max(command.bytesOut(task, device), 0)
  const bytes = command.isPlain ? Math.max(out, command.bytesIn(task, device)) : out
  // A longer one would be cut, and parts of a command are another command.
  if (bytes > device.maxTransfer) fail(task, INVALID_FIELD_IN_CDB)
  else device.take(task, command)
}

export interface CommandSetOptions {
  /** The engine's reservations, in which each initiator is its own; else the unit's, in which all are one. */
  readonly ownReservations: boolean
  /** READ and WRITE do not touch the unit. */
  readonly performance: boolean
}

export function bindingsOf(peripheralType: number, options: CommandSetOptions): Binding[] {
  const bindings = [...ALWAYS_OWN, ...(options.ownReservations ? RESERVATIONS : [])]
  const taken = new Set(bindings.map(({ command }) => keyOf(command)))
  const plain = new Set(bindings.filter(({ command }) => command.serviceAction < 0).map(opcodeOf))
  const withActions = new Set(bindings.filter(({ command }) => command.serviceAction >= 0).map(opcodeOf))
  for (const row of ROWS[peripheralType]!.flat()) {
    // Long CDBs tell their own length and are judged by the unit alone.
    const clash = row.serviceAction < 0 ? withActions.has(row.opcode) : plain.has(row.opcode)
    if (row.opcode === 0x7f || clash || taken.has(keyOf(row))) continue
    taken.add(keyOf(row))
    ;(row.serviceAction < 0 ? plain : withActions).add(row.opcode)
    bindings.push(bind(row, peripheralType, options))
  }
  return bindings
}

const keyOf = ({ opcode, serviceAction }: AnyCommand): string => `${opcode}/${serviceAction}`
const opcodeOf = ({ command }: Binding): number => command.opcode

function bind(row: AnyCommand, peripheralType: number, options: CommandSetOptions): Binding {
  const passed = passedCommand(row, peripheralType)
  const run = options.performance && passed.isPlain ? withoutUnit : (INSTEAD.get(row) ?? sendOn)
  const { data } = row
  const most = (bytes: PassedCommand['bytesIn']) => (task: Task, device: Device) =>
    Math.min(bytes(task, device), device.maxTransfer)
  return Object.freeze({
    command: Object.freeze({
      ...row,
      order: orderOf(row, peripheralType),
      readiness: 'always' as const,
      writes: row.writes || CHANGES.has(row),
      reservation: options.ownReservations ? row.reservation : ('allowed' as const),
    }),
    run: (task: Task, device: Device) => run(task, device as PassedUnit, passed),
    // Which bits it takes is for the unit to say.
    usage: new Uint8Array(row.length).fill(0xff),
    lba: null,
    blocks: null,
    zeroIs256: false,
    zeroIsRest: false,
    parameterLength: null,
    dataOut: data === 'out' || data === 'both' ? most(passed.bytesOut) : null,
    offered: null,
    memoryIn: data === 'in' || data === 'both' ? most(passed.bytesIn) : null,
  })
}

/**
 * The unit itself orders commands by their blocks; the attributes are the engine's. A tape or a robot does one thing after the other, and there
 * the order of arrival is all.
 */
function orderOf(row: AnyCommand, peripheralType: number): OrderClass {
  if (row.order === 'head') return 'head'
  return isSequential(peripheralType) && row !== TEST_UNIT_READY ? 'medium' : 'sync'
}

/** SCST's performance variant: everything is done but the access. */
function withoutUnit(task: Task, device: PassedUnit, { bytesIn }: PassedCommand): void {
  const bytes = Math.min(bytesIn(task, device), device.maxTransfer)
  if (bytes > 0) {
    task.reserve(bytes)
    for (const segment of task.segments) segment.fill(0)
  }
  task.inLength = bytes
  succeed(task)
}

/** Takes what has no row. */
export const otherwise = (task: Task, device: Device): void => sendOn(task, device as PassedUnit, UNKNOWN)
