// SPDX-License-Identifier: Apache-2.0
// A CDB in words: the command's name, where it begins and how many blocks it has, for log lines.
import { hex } from '../bytes/dump.ts'
import type { Command } from './command.ts'
import { ALL_COMMANDS } from './commands/all.ts'

/** What a CDB says. `lba` and `blocks` are null where the command has none, or the CDB was cut off before them. */
export interface CommandWords {
  readonly name: string
  readonly lba: number | null
  readonly blocks: number | null
}

const VARIABLE_LENGTH = 0x7f
/** In commands of this length a transfer length of 0 stands for 256 blocks (SBC-4 READ (6) command). */
const SHORT = 6

// The first row of an operation code and service action: block devices come before the others.
const ROWS: ReadonlyMap<number, Command> = new Map(
  ALL_COMMANDS.toReversed().map(row => [keyOf(row.opcode, row.serviceAction), row]),
)

function keyOf(opcode: number, action: number): number {
  return (opcode << 17) | (action + 1)
}

function rowOf(cdb: Uint8Array): Command | undefined {
  const opcode = cdb[0] ?? -1
  const action = opcode === VARIABLE_LENGTH ? ((cdb[8] ?? 0) << 8) | (cdb[9] ?? 0) : (cdb[1] ?? 0) & 0x1f
  return ROWS.get(keyOf(opcode, action)) ?? ROWS.get(keyOf(opcode, -1))
}

/** Takes any bytes: a command that no standard has is named by its operation code. */
export function commandWords(cdb: Uint8Array): CommandWords {
  const row = rowOf(cdb)
  if (row === undefined) {
    const name = cdb.length === 0 ? 'empty CDB' : `operation code ${hex(cdb.subarray(0, 1)).toUpperCase()}h`
    return { name, lba: null, blocks: null }
  }
  const number = (field: string): number | null => {
    const one = row.cdb.field[field]
    const value = one === undefined || cdb.length < row.length ? undefined : one.get(cdb, 0)
    return typeof value === 'number' ? value : null
  }
  const blocks = number('blocks')
  return { name: row.name, lba: number('lba'), blocks: blocks === 0 && row.length === SHORT ? 256 : blocks }
}

/** `READ (10) lba=4096 blocks=8`. */
export function describeCommand(cdb: Uint8Array): string {
  const { name, lba, blocks } = commandWords(cdb)
  return `${name}${lba === null ? '' : ` lba=${lba}`}${blocks === null ? '' : ` blocks=${blocks}`}`
}
