// SPDX-License-Identifier: Apache-2.0
// Makes CDBs from the spec's rows and named values, and finds the row of a CDB.
import {
  type Command,
  DeviceType,
  type FieldRows,
  MMC_COMMANDS,
  SBC_COMMANDS,
  SMC_COMMANDS,
  SPC_COMMANDS,
  SSC_COMMANDS,
  type Values,
} from '@lunkit/spec'

/** A CDB of the row's length with its opcode, service action and the given fields; all else is zero. */
export function buildCdb<R extends FieldRows>(row: Command<R>, values: Partial<Values<R>>): Uint8Array {
  const cdb = new Uint8Array(row.length)
  cdb[0] = row.opcode
  if (row.opcode === VARIABLE) {
    cdb[7] = row.length - 8
    cdb[8] = row.serviceAction >> 8
    cdb[9] = row.serviceAction
  } else if (row.serviceAction >= 0) cdb[1] = row.serviceAction
  row.cdb.write(values as Parameters<typeof row.cdb.write>[0], cdb)
  return cdb
}

/** Opcode of variable-length CDBs (SPC-4, variable type data-in and CDB formats). */
const VARIABLE = 0x7f

/** Whether CDBs of this device type name blocks, so that a repeated command touches the same ones. */
export const isBlockDevice = (deviceType: number): boolean =>
  deviceType === DeviceType.disk ||
  deviceType === DeviceType.writeOnce ||
  deviceType === DeviceType.cdrom ||
  deviceType === DeviceType.opticalMemory ||
  deviceType === DeviceType.reducedDisk ||
  deviceType === DeviceType.zonedDisk

function rowsOf(deviceType: number): readonly (readonly Command[])[] {
  if (deviceType === DeviceType.cdrom) return [SPC_COMMANDS, MMC_COMMANDS, SBC_COMMANDS]
  if (isBlockDevice(deviceType)) return [SPC_COMMANDS, SBC_COMMANDS]
  if (deviceType === DeviceType.tape) return [SPC_COMMANDS, SSC_COMMANDS]
  if (deviceType === DeviceType.changer) return [SPC_COMMANDS, SMC_COMMANDS]
  return [SPC_COMMANDS]
}

/** The row of a CDB for a device type, or null: then nothing is known about the command. */
export function findCommand(cdb: Uint8Array, deviceType: number): Command | null {
  const opcode = cdb[0]
  const action = opcode === VARIABLE ? ((cdb[8] ?? 0) << 8) | (cdb[9] ?? 0) : (cdb[1] ?? 0) & 0x1f
  for (const rows of rowsOf(deviceType)) {
    for (const row of rows) {
      if (row.opcode === opcode && (row.serviceAction < 0 || row.serviceAction === action)) return row
    }
  }
  return null
}

/** Name of a CDB's command, or its opcode where it has no row. */
export function commandName(cdb: Uint8Array, deviceType: number): string {
  const row = findCommand(cdb, deviceType)
  return row?.name ?? `Command ${(cdb[0] ?? 0).toString(16).toUpperCase().padStart(2, '0')}h`
}
